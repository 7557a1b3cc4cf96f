"""What counts as one character: Unicode's composed form (NFC), and what a reader sees as one."""

from __future__ import annotations

import re
import unicodedata

_MARKS = 64  # no language has this many marks in a row; sorting them takes quadratic time
_LONG_RUN = re.compile(rf"[^\w\s\x00-\x7f]{{{_MARKS},}}")


def nfc(text: str) -> str:
    """Return the text in Unicode's composed form. Runs of marks that occur in no language are normalized in pieces."""
    if text.isascii() or not _LONG_RUN.search(text):
        return unicodedata.normalize("NFC", text)
    cuts = [0]
    for run in _LONG_RUN.finditer(text):
        cuts += range(run.start() + _MARKS, run.end() + 1, _MARKS)
    pieces = zip(cuts, [*cuts[1:], len(text)], strict=True)
    return "".join(unicodedata.normalize("NFC", text[start:end]) for start, end in pieces)


def grapheme_boundaries(text: str) -> list[int]:
    """Return the positions between two characters as a reader sees them (extended grapheme clusters)."""
    import regex  # follows Unicode's current rules; imported here, as words are rarely cut

    return [match.start() for match in regex.finditer(r"\X", text)][1:]
