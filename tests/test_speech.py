"""Formulas in words: by the rules in tests/corpus/README.md, for any formula, and in the alternative text of a card."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digestbot.text import spoken

CORPUS = json.loads((Path(__file__).parent / "corpus" / "spoken-formulas.json").read_text())
MACROS = ["\\frac", "\\sqrt", "\\left(", "\\right)", "\\hat", "\\sum", "\\begin{cases}", "\\end{cases}", "\\\\", "&", "\\|", "|",
          "\\langle", "\\rangle", "\\text{if}", "\\mathbb", "\\lim", "\\log", "\\alpha", "\\in", "\\{", "\\}", "^", "_", "{", "}",
          "(", ")", "x", "n", "1", "23", "+", "-", "=", ",", ":", "'", " ", "\\foo", "\\binom", "\\underbrace", "\\operatorname"]  # fmt: skip


@pytest.mark.parametrize("case", CORPUS, ids=[case["latex"] for case in CORPUS])
def test_a_formula_is_spoken_by_the_rules(case: dict[str, str]) -> None:
    assert spoken(case["latex"]) == case["spoken"]


@given(st.lists(st.sampled_from(MACROS), max_size=25).map("".join) | st.text(max_size=60))
def test_any_formula_is_spoken(formula: str) -> None:
    words = spoken(formula)
    assert not re.search(r"[\\{}]|\n|  ", words)


def test_what_cannot_be_spoken_is_shown_as_text() -> None:
    assert spoken("") == ""
    assert spoken("{" * 300 + "x") == ""
    assert spoken(r"\unknownmacro x") == "unknownmacro x"


def test_long_formulas_are_read_to_a_limit() -> None:
    assert len(spoken("x + " * 10_000)) < 20_000
