"""Taking the sting out of text that strangers wrote."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, urlsplit, urlunsplit

# A sigil before a word mentions, tags or cashes somebody; without it the word stays. Not so inside a word (an
# e-mail address), before a number (#12), or where money is meant ($5, US$30).
_SIGIL = re.compile(
    r"(?<![A-Za-z0-9_])(?:[@＠#＃$＄]*[@＠](?=\w)|[@＠#＃$＄]*[#＃](?=\d*[^\W\d])|[@＠#＃$＄]*[$＄](?=[A-Za-z]))"
)
_SIGILS = "@＠#＃$＄"
_KEPT = "\n\u200c\u200d"


def harmless(text: str) -> str:
    """The text without what would ping, tag or disguise: sigils, control, format and tag characters.

    Zero-width joiners stay, because emoji and several scripts are made with them. White space other than line
    breaks becomes single spaces.
    """
    text = unicodedata.normalize("NFC", text)
    if not text.replace("\n", "").isprintable():  # false for whatever is to go, and for joiners
        text = "".join(
            " " if char.isspace() and char != "\n" else char
            for char in text
            if char in _KEPT or char.isspace() or unicodedata.category(char)[0] != "C"
        )
    if any(sigil in text for sigil in _SIGILS):
        text = _SIGIL.sub("", text)
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def ascii_link(link: str) -> str:
    """The same address in characters that platforms take as part of one: a name like ``#fünf`` or a DOI's
    parentheses would end the link early. The anchor stays."""
    parts = urlsplit(link)
    host = parts.netloc
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    safe = "/?&=:+%-_.~,;@"
    return urlunsplit(
        (parts.scheme, host, quote(parts.path, safe), quote(parts.query, safe), quote(parts.fragment, safe))
    )
