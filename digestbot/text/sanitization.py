"""Sanitization of untrusted text."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from digestbot.text.graphemes import nfc
from digestbot.text.urls import url_spans

UNBROKEN = "\xa0"  # a space inside a formula, where text is never cut. A finished post has plain spaces
DOT_LEADER = "\u2024"  # looks like a full stop, but forms no URL
MOST_SHOWN = 40  # characters of a URL that is shown without being a link

# A sigil before a word makes it a mention, hashtag or cashtag: the sigil is removed and the word stays. Sigils inside a
# word (an e-mail address), before a number (#12), or for money ($5, US$30) stay. However, X treats RT@name as a
# mention, and Facebook @[number].
_SIGIL = re.compile(
    r"(?<![@＠#＃$＄])(?:(?<![A-Za-z0-9_])|(?<=[^A-Za-z0-9_][Rr][Tt])|(?<=^[Rr][Tt])|(?=[@＠#＃$＄]{2}))[@＠#＃$＄]++"
    r"(?:(?<=[@＠])(?=\w|\[\d+[:\]])|(?<=[#＃])(?!\d*(?:[\s!-/:-@\[-^`{-~❴]|\Z))|(?<=[$＄])(?=[A-Za-z]))"
    r"|[@＠](?=\[\d+[:\]])"
)
# "recall @10" becomes "recall at 10".
_AT_RANK = re.compile(r"(?<![^\s(])[@＠](?=\d+(?:[.,]\d+)?%?(?![\w@＠]))")
_SIGILS = "@＠#＃$＄"
_BLANKS = re.compile(f"[^\\S\n{UNBROKEN}]+")
_AROUND_LINES = re.compile(f"[ {UNBROKEN}]*\n[ {UNBROKEN}]*")
# Characters that may be invisible although Python calls them printable: fillers, joiners and variation selectors.
_SUSPECT = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_FLOOD = re.compile(r"[^\w\s\x00-\x7f]{17}")
_MISSING_SPACE = re.compile(r"([A-Za-z0-9]*[a-z0-9])\.([A-Z][a-z]+)")


def sanitize(text: str) -> str:
    """Return the text without anything that would mention, tag, link or disguise.

    Sigils before words are removed. So are control, format, tag and invisible characters, except joiners that an emoji
    or a script needs. Whatever X would turn into a link is rewritten so that it does not, with its host in the form
    that name servers use. White space other than line breaks becomes single spaces.
    """
    while True:  # a removal may join what was separate
        calm = _calmed(text)
        if calm == text:
            return calm
        text = calm


def _calmed(text: str) -> str:
    # Python calls all white space except a plain space unprintable, and most of what has to be removed.
    plain = text.replace("\n", "").replace(UNBROKEN, "").isprintable()
    if not plain or "  " in text:
        text = _BLANKS.sub(" ", text)
    if "\n" in text:
        text = _AROUND_LINES.sub("\n", text)
    text = text.strip(f" {UNBROKEN}")
    if not plain or not text.isascii():
        if not plain or _SUSPECT.search(text):
            text = _hidden().sub("", text)
        text = nfc(text)
        if _FLOOD.search(text):
            text = _flood().sub(r"\1", text)
    if any(sigil in text for sigil in _SIGILS):
        text = _SIGIL.sub("", _AT_RANK.sub("at ", text))
    return defang_urls(text)


@cache
def _hidden() -> Any:
    """Return the pattern of invisible characters, from Unicode's own properties in the regex package."""
    import regex

    emoji = r"(?:\p{Extended_Pictographic}\ufe0f?|\p{Emoji_Modifier})"
    shaped = (
        r"[\p{Arabic}\p{Syriac}\p{Mongolian}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
        r"\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Tibetan}\p{Myanmar}\p{Khmer}]"
    )
    return regex.compile(
        rf"(?:(?<={emoji})\u200d(?=\p{{Extended_Pictographic}})|(?<={shaped})[\u200c\u200d](?={shaped})"
        r"|(?<=[\p{Emoji}])[\ufe0e\ufe0f])(*SKIP)(*FAIL)"
        rf"|[[\p{{C}}\p{{Default_Ignorable_Code_Point}}\u2800]--[\n]]",
        regex.VERSION1,
    )


@cache
def _flood() -> Any:
    """Return the pattern of more marks on one letter than any language uses."""
    import regex

    return regex.compile(r"(\p{M}{8})\p{M}+")


def defang_urls(text: str, keep: Collection[str] = ()) -> str:
    """Return the text with everything that X would turn into a link rewritten so that it does not, except for the URLs
    in ``keep``. A link would count as 23 characters, and may cost extra."""
    pieces, done = [], 0
    for start, end in url_spans(text):
        if text[start:end] not in keep:
            pieces += [text[done:start], _shown(text[start:end])]
            done = end
    return "".join(pieces) + text[done:] if done else text


def _shown(address: str) -> str:
    """Return a URL for reading only: its host and the beginning of its path, written so that they form no link."""
    sentence_end = _MISSING_SPACE.fullmatch(address)
    if sentence_end:  # "it works.It does": a space is missing
        return f"{sentence_end[1]}. {sentence_end[2]}"
    rest = re.sub(r"^https?://(www\.)?", "", address, flags=re.IGNORECASE)
    host = re.split("[/?:]", rest, maxsplit=1)[0]
    path = re.split(r"[?#]", rest[len(host) :].partition("/")[2], maxsplit=1)[0].rstrip("/")
    shown = ascii_host(host).replace(".", DOT_LEADER)
    if path and len(shown) + len(path) < MOST_SHOWN:
        return f"{shown}/{path}"
    return f"{shown}/…" if path else shown


def ascii_host(host: str) -> str:
    """Return the host in the form that name servers use, which exposes look-alike letters of other scripts."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:  # not a valid host, and therefore no link either
        return host.encode("punycode").decode("ascii")


def ascii_link(link: str, parameters: dict[str, str] | None = None) -> str:
    """Return the same URL in characters that platforms accept as part of one.

    A fragment like ``#fünf`` or a DOI's parentheses would otherwise end the link early. ``parameters`` are added to its
    query; the fragment stays.
    """
    parts = urlsplit(link)
    host = parts.netloc
    if not host.isascii():
        host = ascii_host(host)
    safe = "/?&=:+%-_.~,;@"
    query = [quote(parts.query, safe)] if parts.query else []
    query += [f"{quote(name, '')}={quote(value, '')}" for name, value in (parameters or {}).items()]
    address = urlunsplit((parts.scheme, host, quote(parts.path, safe), "&".join(query), quote(parts.fragment, safe)))
    last = address[-1:]
    if last.isalnum() or last in "=_#/+-":
        return address
    return f"{address[:-1]}%{ord(last):02X}"  # X would take it for the end of a sentence
