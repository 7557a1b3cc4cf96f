"""Limits on what parsing a document may cost, checked before feedparser reads it.

feedparser needs 16 microseconds and 380 bytes for each element. Its time grows with the square of an element's
attributes, of a document's namespaces, and of the longest word in an author's name. Each limit is far beyond what any
feed needs; a document that exceeds one is rejected with the reason.
"""

from __future__ import annotations

from xml.parsers import expat

from digestbot.domain.errors import SourceError

MOST_ITEMS = 200_000
MOST_ITEM_BYTES = 2 << 20
MOST_TAGS = 50_000  # between two items
MOST_TOKEN = 1 << 20  # bytes of one tag or comment
MOST_DEPTH = 64
MOST_ATTRIBUTES = 128  # per element
MOST_NAMESPACES = 64  # distinct ones declared in an item
MOST_ELEMENTS = 20_000  # per item
MOST_AUTHORS = 200_000  # characters of one author element
LONGEST_WORD = 1_000  # characters of a word in an author's name
MOST_MENDED_TAGS = 200_000  # of a damaged document, which is parsed whole
MOST_MENDED_REFERENCES = 2_000_000
MOST_MENDED_NAMESPACES = 1_000  # distinct beginnings of namespace declarations
NAMESPACE_LENGTH = 60  # bytes of a declaration that are compared
_AUTHORS = ("author", "creator", "name", "contributor", "publisher", "managingEditor", "webMaster", "email")


class _Bounds:
    """An expat parser that counts elements, attributes and namespaces. Counters restart at each ``item`` element."""

    def __init__(self, item: str) -> None:
        self._item = item
        self._stack: list[str] = []
        self._elements = 0
        self._namespaces: set[tuple[str, str]] = set()
        self._text: list[str] | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name == self._item:
            self._elements, self._namespaces = 0, set()
        self._stack.append(name)
        self._elements += 1
        if len(self._stack) > MOST_DEPTH:
            raise SourceError(f"more than {MOST_DEPTH} elements inside each other")
        if self._elements > MOST_ELEMENTS:
            raise SourceError(f"more than {MOST_ELEMENTS} elements")
        if len(attributes) > MOST_ATTRIBUTES:
            raise SourceError(f"more than {MOST_ATTRIBUTES} attributes on one element")
        if attributes:
            self._namespaces.update(pair for pair in attributes.items() if pair[0].startswith("xmlns"))
            if len(self._namespaces) > MOST_NAMESPACES:
                raise SourceError(f"more than {MOST_NAMESPACES} namespaces")
        if name.rpartition(":")[2] in _AUTHORS:
            self._text = []
            self.parser.CharacterDataHandler = self._text.append

    def _end(self, name: str) -> None:
        self._stack.pop()
        if self._text is not None and name.rpartition(":")[2] in _AUTHORS:
            text = "".join(self._text)
            self._text = self.parser.CharacterDataHandler = None
            if len(text) > MOST_AUTHORS or max(map(len, text.split()), default=0) > LONGEST_WORD:
                raise SourceError("an author's name without end")


def check_piece(body: bytes, item: str) -> None:
    """Raise SourceError if the document, of a few items, is malformed or exceeds a limit."""
    bounds = _Bounds(item)
    try:
        bounds.parser.Parse(body, True)
    except expat.ExpatError as error:
        raise SourceError(f"line {error.lineno}: {expat.ErrorString(error.code)}") from error


def check_damaged(body: bytes) -> None:
    """Raise SourceError if a damaged document of any kind exceeds a limit, judged by its bytes alone."""
    tags = body.count(b"<")
    if tags > MOST_MENDED_TAGS:
        raise SourceError(f"it is damaged, and has more than {MOST_MENDED_TAGS} tags")
    if body.count(b"&") > MOST_MENDED_REFERENCES:
        raise SourceError(f"it is damaged, and has more than {MOST_MENDED_REFERENCES} references")
    for part in body.split(b"<"):
        tag = part.partition(b">")[0]
        if tag.count(b"=") > MOST_ATTRIBUTES:
            raise SourceError(f"it is damaged, and has more than {MOST_ATTRIBUTES} attributes on one element")
    if max(map(len, body.split()), default=0) > MOST_TOKEN:
        raise SourceError("it is damaged, and has words without end")
    if len({part[:NAMESPACE_LENGTH].partition(b">")[0] for part in body.split(b"xmlns")}) > MOST_MENDED_NAMESPACES:
        raise SourceError(f"it is damaged, and has more than {MOST_MENDED_NAMESPACES} namespaces")
