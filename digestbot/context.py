"""What the lines of a log are about: the post or the request under way, by its id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("context", default={})  # noqa: B039 - never changed


@contextmanager
def about(**names: object) -> Iterator[None]:
    """Every line that is logged until the block ends says this too."""
    before = CONTEXT.set({**CONTEXT.get(), **{name: str(value) for name, value in names.items()}})
    try:
        yield
    finally:
        CONTEXT.reset(before)
