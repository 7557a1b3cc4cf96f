"""The text of a feed's entry: which element has it, and what in it is a site's boilerplate."""

from __future__ import annotations

import html
import re
from typing import Any

MOST_COMPARED = 4_000  # characters of a stub that are looked for in the whole text
ENDS = 5  # paragraphs at either end that may be boilerplate
LONGEST_LINE = 600  # characters of a line that only states the journal
_STUB = re.compile(r"(?:\.\.\.|…|\[(?:\.\.\.|…|&#8230;|&hellip;)\]|&#8230;|&hellip;)\s*(?:</\w{1,10}>\s*){0,5}\Z")
_HEADER = re.compile(r"\s*arXiv:\S{1,40}\s+Announce Type:\s*[\w-]{1,30}\s+Abstract:\s*", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_MARKER = re.compile(r"(?:abstract|summary)\s*[:.]?", re.IGNORECASE)
_DOI = r"(?:https?://(?:dx\.)?doi\.org/)?(?:doi:\s*)?10\.\d{4,9}/\S{1,200}"
_IDS = re.compile(
    rf"(?:(?:PMID|PMCID|PMC|DOI|ISSN)\s*:?\s*[^\s|]{{1,200}}(?:\s*\|\s*|\s*\Z)){{1,6}}|{_DOI}", re.IGNORECASE
)
_CITATION = re.compile(
    rf"[^\n]{{2,200}}?[,.;\s(](?:19|20)\d\d\b[^\n]{{0,120}}?\b{_DOI}[^\n]{{0,100}}"
)  # PubMed's first line
_ONLINE = re.compile(r"[^\n]{2,120}, Published online: [^\n]{4,160}")  # Nature's
_STATED = ("Publication date: ", "Source: ", "Author(s): ", "by ")  # ScienceDirect's, PLOS's


def choose_text(summary: str, content: str, wanted: str) -> str:
    """Return the text of an entry that may have a summary and a full content.

    ``wanted`` is "summary" or "content" (the other one only if it is missing), or "auto": the content where the summary
    ends with an ellipsis or is the content's beginning, else the summary.
    """
    if wanted == "content" or not summary.strip():
        return content if content.strip() else summary
    if wanted == "summary" or not content.strip():
        return summary
    if _STUB.search(summary.rstrip()[-100:]):
        return content if len(content) > len(summary) // 2 else summary
    if len(content) <= len(summary):
        return summary
    short, long = _plain(summary), _plain(content)
    return content if len(short) < len(long) and short[:MOST_COMPARED] in long else summary


def without_boilerplate(markdown: str) -> str:
    """Return an abstract without what literature feeds put around it: arXiv's header, and the first and last paragraphs
    that only state the journal, the authors, "Abstract", or identifiers."""
    markdown = _HEADER.sub("", markdown, count=1) if _HEADER.match(markdown) else markdown
    paragraphs = markdown.split("\n\n")
    if len(paragraphs) == 1:
        return markdown
    first, end = 0, len(paragraphs)
    while first < min(ENDS, end) and _is_boilerplate(paragraphs[first], first=True):
        first += 1
    while end > max(first, len(paragraphs) - ENDS) and _is_boilerplate(paragraphs[end - 1], first=False):
        end -= 1
    return "\n\n".join(paragraphs[first:end])


def _is_boilerplate(paragraph: str, *, first: bool) -> bool:
    plain = " ".join(_TAG.sub("", paragraph).replace("**", "").lstrip("# ").split())
    if first and plain.startswith(_STATED):
        return True
    if len(plain) > LONGEST_LINE:
        return False
    patterns = (_MARKER, _IDS, _CITATION, _ONLINE) if first else (_IDS,)
    return not plain or any(pattern.fullmatch(plain) for pattern in patterns)


def _plain(text: str) -> str:
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def image_of(entry: dict[str, Any]) -> str | None:
    """Return the URL of an entry's own picture, from its enclosure or Media RSS; None without one."""
    candidates = [
        *(one.get("href") for one in entry.get("links") or [] if one.get("rel") == "enclosure" and _is_image(one)),
        *(one.get("url") for one in entry.get("media_content") or [] if _is_image(one)),
        *(one.get("url") for one in entry.get("media_thumbnail") or []),
    ]
    return next((str(url) for url in candidates if url), None)


def _is_image(one: dict[str, Any]) -> bool:
    sides = {str(one.get("width") or ""), str(one.get("height") or "")}
    kind = one.get("medium") == "image" or str(one.get("type") or "").startswith("image/")
    return kind and not sides & {"0", "1"}
