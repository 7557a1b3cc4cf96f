"""What X turns into a link, by the rules of twitter-text (version 3): the protocol is optional, top-level domains must
be known, international names count, and punctuation or scripts without spaces may stand next to a URL.

The text is scanned once. Dots that may belong to a URL are found first, then the run of host characters around each,
the host within a run, and what follows it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache

from digestbot.text.graphemes import nfc

MOST_LABEL = 63  # characters of one part of a host, in the form that name servers use
MOST_URL = 4096  # X's own limit
MOST_SLUG = 40  # of a t.co URL
MOST_TRIES = 8  # positions in a run at which a URL is looked for

_SPACES = "\t-\r \x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_DIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_NEVER = "\ufffe\ufeff\uffff"
_PUNCTUATION = r"!'#%&()*+,\\/:;<=>?@\[\]^{|}~$"  # except - _ .
_ACCENTED = (
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b"
    "\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_NO_HOST = re.compile(rf"[{_PUNCTUATION}{_SPACES}{_DIRECTIONAL}{_NEVER}]")
# The characters of a host's labels, the two that may stand inside one, and the dot between them.
_RUN = re.compile(rf"[^{_PUNCTUATION}{_SPACES}{_DIRECTIONAL}{_NEVER}]+")
_DOT_INSIDE = re.compile(r"\.(?:[A-Za-z]|[^\x00-\x7f])")  # hardly any prose has one, every URL does
_PROTOCOL = re.compile(r"https?://\Z", re.IGNORECASE)
_NOT_BEFORE = re.compile(rf"[A-Za-z0-9@＠$#＃{_NEVER}]")
_TLD = re.compile(r"[A-Za-z0-9-]+|[^\x00-\x7f]+")
_ASCII_HOST = re.compile(rf"(?:[-A-Za-z0-9{_ACCENTED}]+\.)+", re.IGNORECASE)
_GOES_ON = re.compile(r"[0-9A-Za-z@+-]")
_IN_PATH = rf"A-Za-z0-9\u0400-\u04ff!*';:=+,.$/%#\[\]\-\u2013_~@|&{_ACCENTED}"
_TAIL = re.compile(
    r"(?P<port>:[0-9]+)?"
    rf"(?P<path>/(?:[{_IN_PATH}]++|\((?:[{_IN_PATH}]++|[{_IN_PATH}]*+\([{_IN_PATH}]++\)[{_IN_PATH}]*+)\))*+)?"
)
_QUERY = re.compile(r"\?[A-Za-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*+")
_NO_PATH_END = "!*';:,.$%[]~@|&\u2013"
_NO_QUERY_END = "!?*'@();:+$%[].,~|"
_SLUG = re.compile(r"/([A-Za-z0-9]+)")

# Top-level domains that no longer exist, but are in twitter-text 3, so that X still makes links of them.
_RETIRED = (
    "abarth active adac afamilycompany aigo alfaromeo an avianca bananarepublic bentley bl blanco bnl boots bq "
    "budapest bugatti cancerresearch cartier caseih cbs ceb chloe chrysler cityeats comcast cookingchannel csc "
    "dabur dodge doha doosan duck dunlop duns eh epost esurance etisalat everbank fiat flsmidth foodnetwork "
    "frontdoor fujixerox glade goo goodhands guardian hgtv honeywell hoteles htc iinet intel iselect iveco iwc "
    "jcp jlc juniper kerrylogistics kinder ladbrokes lancaster lancia lancome liaison linde lipsy lixil loft "
    "lupin macys maserati mcd mcdonalds meo metlife mf mobily montblanc mopar movistar mtpc mutual mutuelle nadex "
    "nationwide natura newholland northwesternmutual off oldnavy onyourside orientexpress pamperedchef panerai "
    "passagens piaget pramerica qvc raid redstone rightathome rmit rocher sapo sca scjohnson scor ses shaw "
    "showtime shriram spiegel spreadbetting srt starhub statoil swiftcover symantec telecity telefonica tiffany "
    "tp travelchannel uconnect um vista vistaprint volkswagen vuelos warman wolterskluwer xfinity xperia zippo "
    "اتصالات موبايلي 大众汽车 工行 手表 珠宝 诺基亚"
)


@cache
def _top_level_domains() -> frozenset[str]:
    """Return the top-level domains of which X makes links.

    They are those in the public suffix list, which the package publicsuffixlist keeps current, and the retired ones.
    """
    from importlib.resources import files

    official = (files("publicsuffixlist") / "public_suffix_list.dat").read_text("utf-8").partition("END ICANN")[0]
    names = (line.rpartition(".")[2] for line in official.split("\n") if line and not line.startswith("//"))
    return frozenset(names) | frozenset(_RETIRED.split())


@lru_cache(maxsize=1024)
def _tld_length(label: str) -> int:
    """Return the length of the top-level domain at the beginning of a label, if it may end there; 0 for none."""
    match = _TLD.match(label)
    if match is None:
        return 0
    word, known = match[0].lower(), _top_level_domains()
    if word[0].isascii():
        punycode = word.startswith("xn--") and len(word) > 4
        return match.end() if punycode or word in known else 0
    return next((length for length in range(min(len(word), 24), 0, -1) if word[:length] in known), 0)


def url_spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of each URL in a text that is already in NFC.

    twitter-text continues after each URL, even after one that it ignores because ``-``, ``_``, ``.`` or ``/`` precedes
    it. What it has passed cannot be the character before the next URL, so the first character of that one takes its
    place.
    """
    if "." not in text:
        return
    past = seen = 0
    for dot in _DOT_INSIDE.finditer(text):
        if dot.start() < seen:
            continue
        start, tries = dot.start(), 0
        while start > seen and not _NO_HOST.match(text, start - 1):
            start -= 1
        run = _RUN.match(text, start)
        assert run is not None  # noqa: S101 - it holds the dot and what follows
        end = seen = run.end()
        while (start := max(start, past)) < end and tries < MOST_TRIES:
            tries += 1
            protocol = _PROTOCOL.search(text, max(past, start - 8), start)
            if protocol and protocol.start() > past and _NOT_BEFORE.match(text, protocol.start() - 1):
                protocol = None  # "a.comhttp://b.com": without its protocol, what follows is passed over, and no link
            begin = protocol.start() if protocol else start
            before = begin - 1
            first = begin == past and (begin or not _NOT_BEFORE.match(text, begin))
            if first:  # nothing in between: its first character counts as the one before
                before, start, protocol = start, start + 1, None
                begin = start
            if (before >= 0 and _NOT_BEFORE.match(text, before)) or start >= end:
                start = _after_next_sign(text, start, end)
                continue
            result = _host_end(text, start, end)
            if result is None and first and not before and (result := _host_end(text, 0, end)) is not None:
                start, begin, before = 0, 0, -1  # the text's first character is part of the host after all
            if result is None:
                start = _after_next_sign(text, start, end)
                continue
            past, addresses = _with_tail(text, begin, start, result, protocol=bool(protocol))
            if protocol or before < 0 or text[before] not in "-_./":
                yield from addresses


def _after_next_sign(text: str, start: int, end: int) -> int:
    """Return the position after the next character of the run that may precede a URL."""
    at = start
    while at < end and _NOT_BEFORE.match(text, at):
        at += 1
    return at + 1


def _with_tail(
    text: str, begin: int, start: int, host_end: int, *, protocol: bool
) -> tuple[int, list[tuple[int, int]]]:
    """Return the end of the URL, and the spans of the links in it. Without a protocol, these are the Latin hosts in
    it."""
    tail, has_path = _tail_end(text, host_end)
    if not _is_named(text[start:host_end]):
        return tail, []
    if text.startswith("xn--", start) and next(_ascii_hosts(text, start, host_end), None) is None:
        return tail, []  # what is already encoded cannot have letters of other scripts
    if not protocol:
        results = list(_ascii_hosts(text, start, host_end))
        if results and has_path:  # X takes as much as path and query are long after the Latin host, whatever that is
            results[-1] = (results[-1][0], _after_units(text, results[-1][1], tail - host_end))
        return tail, results
    if text[start:host_end].lower() == "t.co":
        slug = _SLUG.match(text, host_end)
        if slug is not None and len(slug[1]) > MOST_SLUG:
            return tail, []
        return tail, [(begin, _query_end(text, slug.end()) if slug else host_end)]
    return tail, [(begin, tail)]


def _after_units(text: str, at: int, units: int) -> int:
    """Return the position that many UTF-16 code units after another; a character that is only begun is left out."""
    while units > 0 and at < len(text):
        units -= 1 + (text[at] > "\uffff")
        at += units >= 0
    return at


def _host_end(text: str, start: int, end: int) -> int | None:
    """Return the end of the longest host that begins exactly at ``start``; None if there is none.

    Its labels do not begin or end with a hyphen or underscore, the last but one contains no underscore, and its
    top-level domain is known.
    """
    best, at = None, start
    labels = text[start:end].split(".")
    for number, label in enumerate(labels):
        if number and not _bad(labels[number - 1], named=True):
            best = _tld_end(text, at, label) or best
        if _bad(label, named=False):
            break
        at += len(label) + 1
    return best


def _tld_end(text: str, at: int, label: str) -> int | None:
    """Return the end of the top-level domain at the beginning of a label, which begins at ``at``; None where none may
    end."""
    length = _tld_length(label)
    if length and (label[:4].lower() == "xn--" or not _GOES_ON.match(text, at + length)):
        return at + length
    return None


def _is_named(host: str) -> bool:
    """Return whether name servers could know the host: neither the host nor any of its labels is too long."""
    return len(host) <= MOST_URL and all(_encoded(label) <= MOST_LABEL for label in host.split("."))


def _bad(label: str, *, named: bool) -> bool:
    return not label or label[0] in "-_" or label[-1] in "-_" or (named and "_" in label)


def _encoded(label: str) -> int:
    """Return the length of a label in the form that name servers use."""
    if label.isascii() or len(label) > MOST_LABEL:
        return len(label)
    return 4 + len(unicodedata.normalize("NFKC", label.lower()).encode("punycode", "replace"))


def _ascii_hosts(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of Latin hosts within a longer host. Without a protocol, only these become links."""
    for match in _ASCII_HOST.finditer(text, start, end):
        stop = None
        at = match.start()
        last = text.find(".", match.end(), end)  # the end of the label that follows what matched
        for label in text[match.start() : end if last < 0 else last].split("."):
            if at > match.start():
                stop = _tld_end(text, at, label) or stop
            at += len(label) + 1
            if at > match.end():
                break
        if stop is not None:
            yield match.start(), stop


def _tail_end(text: str, host_end: int) -> tuple[int, bool]:
    """Return the end of port, path and query, and whether there is a path. A mark that closes the sentence around the
    URL is not included."""
    tail = _TAIL.match(text, host_end)
    assert tail is not None  # noqa: S101 - all of it is optional
    end = tail.end()
    if tail["path"]:
        end = tail.start("path") + max(len(tail["path"].rstrip(_NO_PATH_END)), 1)
    return _query_end(text, end), bool(tail["path"])


def _query_end(text: str, at: int) -> int:
    """Return the end of the query at a position, which is that position without one."""
    query = _QUERY.match(text, at)
    kept = len(query[0].rstrip(_NO_QUERY_END)) if query else 0
    return at + kept if kept > 1 else at


def find_urls(text: str) -> list[str]:
    """Return what X would turn into links, in the order of the text."""
    text = nfc(text)
    return [text[start:end] for start, end in url_spans(text)]
