"""Random lives with everything that changes while a service runs; `python -m bench.lives` lives many more."""

from __future__ import annotations

import pytest
from helpers.lives import live


@pytest.mark.parametrize("seed", range(3))
def test_a_life(seed: int) -> None:
    live(seed)
