"""Taking the sting out of text that strangers wrote."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from digestbot.text.addresses import spans
from digestbot.text.characters import nfc

UNBROKEN = "\xa0"  # a space inside a formula: no cut ends there. A finished post has plain ones
DOT_LEADER = "\u2024"  # looks like a full stop, and makes no address
MOST_SHOWN = 40  # characters of an address that is shown and leads nowhere

# A sigil before a word mentions, tags or cashes somebody; without it the word stays. Not so inside a word (an e-mail
# address), before a number (#12), or where money is meant ($5, US$30). X takes RT@name for a mention all the same, and
# Facebook @[number].
_SIGIL = re.compile(
    r"(?<![@＠#＃$＄])(?:(?<![A-Za-z0-9_])|(?<=[^A-Za-z0-9_][Rr][Tt])|(?<=^[Rr][Tt])|(?=[@＠#＃$＄]{2}))[@＠#＃$＄]++"
    r"(?:(?<=[@＠])(?=\w|\[\d+[:\]])|(?<=[#＃])(?!\d*(?:[\s!-/:-@\[-^`{-~❴]|\Z))|(?<=[$＄])(?=[A-Za-z]))"
    r"|[@＠](?=\[\d+[:\]])"
)
# "recall @10" is read as it is meant.
_AT_RANK = re.compile(r"(?<![^\s(])[@＠](?=\d+(?:[.,]\d+)?%?(?![\w@＠]))")
_SIGILS = "@＠#＃$＄"
_BLANKS = re.compile(f"[^\\S\n{UNBROKEN}]+")
_AROUND_LINES = re.compile(f"[ {UNBROKEN}]*\n[ {UNBROKEN}]*")
# What may be invisible though Python calls it printable: fillers, joining and selecting characters.
_SUSPECT = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_FLOOD = re.compile(r"[^\w\s\x00-\x7f]{17}")
_MISSING_SPACE = re.compile(r"([A-Za-z0-9]*[a-z0-9])\.([A-Z][a-z]+)")


def harmless(text: str) -> str:
    """The text without what would ping, tag, link or disguise.

    Sigils before words go; so do control, format, tag and invisible characters, but for joiners where an emoji or a
    script needs them; what X would make a link of is written so that it does not, its host as name servers know it.
    White space other than line breaks becomes single spaces.
    """
    while True:  # what is taken out may bring together what was apart
        calm = _calmed(text)
        if calm == text:
            return calm
        text = calm


def _calmed(text: str) -> str:
    # Python calls all white space but a plain space unprintable, and most of what is to go.
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
    return unlinked(text)


@cache
def _hidden() -> Any:
    """What is not to be seen: Unicode's own lists, as the package regex has them."""
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
    """More marks on a letter than any language sets."""
    import regex

    return regex.compile(r"(\p{M}{8})\p{M}+")


def unlinked(text: str, keep: Collection[str] = ()) -> str:
    """What X would make a link of, but for these, so that it does not: it would count 23, and may cost."""
    pieces, done = [], 0
    for start, end in spans(text):
        if text[start:end] not in keep:
            pieces += [text[done:start], _shown(text[start:end])]
            done = end
    return "".join(pieces) + text[done:] if done else text


def _shown(address: str) -> str:
    """An address for reading: a host and the beginning of a path, that lead nowhere."""
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
    """The host in the form that name servers know: what looks like a letter of another script shows as what it is."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:  # no host at all; then it is no link either
        return host.encode("punycode").decode("ascii")


def ascii_link(link: str, parameters: dict[str, str] | None = None) -> str:
    """The same address in characters that platforms take as part of one: a name like ``#fünf`` or a DOI's
    parentheses would end the link early. ``parameters`` join its query; the anchor stays."""
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
