"""Many regular expressions as one that is fast: RE2 rules out most texts, and only then does ``re`` look."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any

_LOOKAROUND = re.compile(r"\(\?<?[=!](?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)")
_SCRIPTS = tuple(
    map(re.compile, ("[À-ɏ]", "[\u0400-\u04ff]", "[\u0600-\u06ff]", "[\u0900-\u097f]", "[\u3040-\u30ff\u4e00-\u9fff]"))
)


class WordPattern:
    """Patterns of which one has to be found; case is ignored.

    RE2, which takes no longer for a hundred alternatives than for one, searches for all patterns in ASCII, without
    their lookarounds. Patterns with other letters are searched for in texts that have such letters.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns

    def search(self, text: str) -> bool:
        """Return whether one of the patterns is anywhere in the text."""
        return self._found(text, "search")

    def match(self, text: str) -> bool:
        """Return whether one of the patterns is at the beginning of the text."""
        return self._found(text, "match")

    def _found(self, text: str, how: str) -> bool:
        plain = text if text.isascii() else text.encode("ascii", "replace").decode()
        if getattr(self._quick, how)(plain) and getattr(self._careful, how)(text):
            return True
        if text.isascii():
            return False
        return any(getattr(self._others[script], how)(text) for script in _scripts(text) if script in self._others)

    @cached_property
    def _ascii(self) -> list[str]:
        return [one for one in self._patterns if one.isascii()]

    @cached_property
    def _quick(self) -> Any:
        import re2  # imported here because it slows down startup

        options = re2.Options()
        options.case_sensitive = False
        options.max_mem = 64 << 20
        return re2.compile(_joined(_LOOKAROUND.sub("", one) for one in self._ascii), options)

    @cached_property
    def _careful(self) -> re.Pattern[str]:
        return re.compile(_joined(self._ascii), re.IGNORECASE)

    @cached_property
    def _others(self) -> dict[int, re.Pattern[str]]:
        grouped = {
            script: [one for one in self._patterns if script in _scripts(one)] for script in range(len(_SCRIPTS))
        }
        return {script: re.compile(_joined(some), re.IGNORECASE) for script, some in grouped.items() if some}


@lru_cache(maxsize=8192)
def _scripts(text: str) -> tuple[int, ...]:
    """Return which scripts beside ASCII a text has letters of."""
    return tuple(number for number, letters in enumerate(_SCRIPTS) if letters.search(text))


def _joined(patterns: Iterable[str]) -> str:
    return "|".join(f"(?:{one})" for one in patterns)
