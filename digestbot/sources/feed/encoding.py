"""The encoding of a feed's document: UTF-16 and UTF-32 become UTF-8, so that everything after can work on bytes."""

from __future__ import annotations

import codecs
import re
import tempfile
from typing import BinaryIO, cast

_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\x00\x00\x00", "utf-32-le"),
    (b"\x00\x00\x00<", "utf-32-be"),
    (b"<\x00", "utf-16-le"),
    (b"\x00<", "utf-16-be"),
    (b"{\x00", "utf-16-le"),
    (b"\x00{", "utf-16-be"),
)  # a byte order mark, or how the first character looks without one (XML 1.0, appendix F)
_DECLARATION = re.compile(r"\A(\ufeff?<\?xml[^>]{0,100}?)\s+encoding\s*=\s*(?:\"[^\">]{0,40}\"|'[^'>]{0,40}')")
_CHUNK = 1 << 18
IN_MEMORY = 8 << 20


def as_utf8(file: BinaryIO) -> BinaryIO:
    """Return the document in UTF-8: the file itself, or a copy in its place, without a declared encoding, if it is in
    UTF-16 or UTF-32. What cannot be decoded becomes the replacement character."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    encoding = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if encoding is None:
        return file
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    result = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - closed by the caller
    text = ""
    with file:
        while chunk := file.read(_CHUNK):
            text = decoder.decode(chunk)
            if not result.tell():
                text = _DECLARATION.sub(r"\1", text, count=1).removeprefix("\ufeff")
            result.write(text.encode("utf-8", "replace"))
        result.write(decoder.decode(b"", True).encode("utf-8", "replace"))
    result.seek(0)
    return result
