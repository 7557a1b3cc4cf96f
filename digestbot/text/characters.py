"""What counts as one character: Unicode's composed form (NFC), and what a reader sees as one."""

from __future__ import annotations

import re
import unicodedata

_MARKS = 64  # so many marks in a row no language sets; putting them in order takes the square of their number
_LONG_RUN = re.compile(rf"[^\w\s\x00-\x7f]{{{_MARKS},}}")


def nfc(text: str) -> str:
    """The text in Unicode's composed form; runs of marks that no language sets are done in pieces."""
    if text.isascii() or not _LONG_RUN.search(text):
        return unicodedata.normalize("NFC", text)
    cuts = [0]
    for run in _LONG_RUN.finditer(text):
        cuts += range(run.start() + _MARKS, run.end() + 1, _MARKS)
    pieces = zip(cuts, [*cuts[1:], len(text)], strict=True)
    return "".join(unicodedata.normalize("NFC", text[start:end]) for start, end in pieces)


def boundaries(text: str) -> list[int]:
    """Where one may cut between two characters as a reader sees them (extended grapheme clusters)."""
    import regex  # keeps up with Unicode's rules; here, for words are hardly ever cut

    return [match.start() for match in regex.finditer(r"\X", text)][1:]
