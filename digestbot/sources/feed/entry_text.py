"""The text of a feed's entry: which element has it, and what in it is a site's boilerplate."""

from __future__ import annotations

import html
import re
from typing import Any

from digestbot.sources.feed.entry_values import tables
from digestbot.sources.feed.html import to_markdown

MOST_COMPARED = 4_000  # characters of a stub that are looked for in the whole text
ENDS = 5  # paragraphs at either end that may be boilerplate
LONGEST_LINE = 600  # characters of a line that only states the journal
_STUB = re.compile(r"(?:\.\.\.|…|&#8230;|&hellip;|\[(?:\.\.\.|…|&#8230;|&hellip;)\])\s*(?:</\w{1,10}>\s*){0,5}\Z")
_MORE = re.compile(
    r"(?:(?<=…)|(?<=\.\.\.)|(?<=&#8230;)|(?<=&hellip;)|(?<=\])|\(|\n|<a\b[^<>]{0,500}>)"
    r"\s*(?:Continue reading|Read more|Keep reading|Read the (?:full|rest)|more…|Read on)\b[^\n]{0,200}\Z",
    re.IGNORECASE,
)  # fmt: skip
_APPEARED = re.compile(
    r"(?:The post [^\n]{1,400} (?:first )?appeared first on [^\n]{1,200}|[^\n]{1,400} was originally published in "
    r"[^\n]{1,300}|Continue reading on [^\n]{1,200}"
    r"|(?:Read more|Continue reading|Comments?|Share this|Related)[ .:»→…]*)"
)  # fmt: skip
_HEADER = re.compile(r"\s*arXiv:\S{1,40}\s+Announce Type:\s*[\w-]{1,30}\s+Abstract:\s*", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_MARKER = re.compile(r"(?:no )?(?:abstract|summary)\s*(?:available)?\s*[:.]?", re.IGNORECASE)
_DOI = r"(?:https?://(?:dx\.)?doi\.org/)?(?:doi:\s*)?10\.\d{4,9}/\S{1,200}"
_IDS = re.compile(
    rf"(?:(?:PMID|PMCID|PMC|DOI|ISSN)\s*:?\s*[^\s|]{{1,200}}(?:\s*\|\s*|\s*\Z)){{1,6}}|{_DOI}", re.IGNORECASE
)
_MONTH = r"(?: [A-Z][a-z]{2}(?:-[A-Z][a-z]{2})?)?"
_ONLINE = r"(?: ?(?:Online ahead of print|eCollection|Epub|Print)[^\n]{0,60})?"
_JOURNALS = [
    re.compile(one)
    for one in (
        # PubMed: "J Widget Med. 2026 Nov 25;12(3):104-8. doi: 10.…. Online ahead of print."
        rf"[^\n]{{2,150}}?\. (?:19|20)\d\d{_MONTH}[\s\d;:().,A-Z-]{{0,60}}(?:doi:\s*10\.\S{{1,200}})?{_ONLINE}",
        r"[^\n]{2,120}, Published online: [^\n]{4,160}",  # Nature
        r"(?:[^\n]{2,120}, )?(?:Volume|Vol\.?) ?\w{1,10}, [^\n]{0,120}\b(?:19|20)\d\d\.?",  # Science, Wiley
        r"[^\n]{2,60}, Vol\. \d{1,4}, Pages? [\w-]{1,20}: [^\n]{1,400}",  # MDPI, before the title
        r"[^\n]{2,80} doi: 10\.\d{4,9}/\S{1,100}",  # MDPI
        r"\[[^\]\n]{3,80}\] Published [^\n]{4,40}",  # the American Physical Society
    )
]
_STATED = ("Publication date: ", "Source: ", "Author(s): ", "Authors: ", "by ")  # ScienceDirect's, MDPI's, PLOS's
_BREAK = re.compile(r"(\n+)")
_SECTION = re.compile(r"O_ST_ABS([^_\n]{1,60}?)C_ST_ABS")  # bioRxiv's marks of sections, lists and small capitals
_MARKS = re.compile(r"(?<![A-Za-z])[OC]_(?:LI|UL|OL|LST|TBL|FIG|SCPLOW|SCPCAP|BLOCKFIG)(?![a-z_])")
_QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\xa0": " "})


def choose_text(summary: str, content: str, wanted: str) -> str:
    """Return the text of an entry that may have a summary and a full content, both as Markdown.

    ``wanted`` is "summary" or "content" (the other one only if it is missing), or "auto": the content where the summary
    ends with an ellipsis, is the content's beginning, or only states the journal; else the summary.
    """
    if wanted == "content" or not summary.strip():
        return content if content.strip() else summary
    if wanted == "summary" or not content.strip():
        return summary
    if all(_is_boilerplate(one, first=True) for one in summary.split("\n\n")):
        return content
    if _STUB.search(summary.rstrip()[-100:]):
        return content if len(content) > len(summary) // 2 else summary
    if len(content) <= len(summary):
        return summary
    short, long = _plain(summary), _plain(content)
    return content if len(short) < len(long) and short[:MOST_COMPARED] in long else summary


def without_pointers(markdown: str) -> str:
    """Return a text without what blogs put at its end: "Continue reading", "The post … appeared first on …"."""
    paragraphs = markdown.rstrip().split("\n\n")
    for _ in range(ENDS):
        if paragraphs and _APPEARED.fullmatch(_plain(paragraphs[-1])[:LONGEST_LINE]):
            paragraphs.pop()
    text = "\n\n".join(paragraphs)
    match = _MORE.search(text, max(len(text) - 800, 0))
    return text[: match.start()].rstrip() if match else text


def without_boilerplate(markdown: str) -> str:
    """Return an abstract without what literature feeds put around it: arXiv's header, and the first and last paragraphs
    that only state the journal, the authors, "Abstract", or identifiers."""
    markdown = _HEADER.sub("", markdown, count=1) if _HEADER.match(markdown) else markdown
    if "_ST_ABS" in markdown or "_L" in markdown or "_S" in markdown:
        markdown = _MARKS.sub("", _SECTION.sub("\n\n<b>\\1</b>: ", markdown)).strip()
    lines = _BREAK.split(markdown)  # with what separates them in between
    first, end = 0, len(lines)
    while first < min(2 * ENDS, end) and _is_boilerplate(lines[first], first=True):
        first += 2
    while end > max(first, len(lines) - 2 * ENDS) and _is_boilerplate(lines[end - 1], first=False):
        end -= 2
    return "".join(lines[first : max(end, 0)])


def _is_boilerplate(paragraph: str, *, first: bool) -> bool:
    plain = " ".join(_TAG.sub("", paragraph).replace("**", "").lstrip("# ").split())
    if first and plain.startswith(_STATED):
        return True
    if len(plain) > LONGEST_LINE:
        return False
    patterns = [_MARKER, _IDS, *_JOURNALS] if first else [_IDS, _JOURNALS[-1]]
    return not plain or any(pattern.fullmatch(plain) for pattern in patterns)


def _plain(markdown: str) -> str:
    return " ".join(html.unescape(_TAG.sub("", markdown)).translate(_QUOTES).split())


def image_of(entry: dict[str, Any]) -> str | None:
    """Return the URL of an entry's own picture, from its enclosure or Media RSS; None without one."""
    candidates = [
        *(one.get("href") for one in tables(entry.get("links")) if one.get("rel") == "enclosure" and _is_image(one)),
        *(one.get("url") for one in tables(entry.get("media_content")) if _is_image(one)),
        *(one.get("url") for one in tables(entry.get("media_thumbnail"))),
    ]
    return next((str(url) for url in candidates if url), None)


def _is_image(one: dict[str, Any]) -> bool:
    sides = {str(one.get("width") or ""), str(one.get("height") or "")}
    kind = one.get("medium") == "image" or str(one.get("type") or "").startswith("image/")
    return kind and not sides & {"0", "1"}


def as_markdown(text: str, base: str) -> str:
    """Return a feed's HTML as Markdown, without pointers to the rest of it. ``base`` is where its pictures start."""
    return without_pointers(to_markdown(text, base))
