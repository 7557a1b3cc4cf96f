"""The papers that entries of literature feeds are about: arXiv, bioRxiv and medRxiv, PubMed, OpenReview, Hugging Face
Papers, and journals with PRISM or Dublin Core.

In these feeds, an entry's author is an author of the paper, and its text is the paper's abstract.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from digestbot.domain.dedup import arxiv_id, doi
from digestbot.domain.model import Paper
from digestbot.sources.feed.authors import paper_authors
from digestbot.sources.feed.links import host_of, is_host

_HOSTS = (
    "arxiv.org", "biorxiv.org", "medrxiv.org", "chemrxiv.org", "pubmed.ncbi.nlm.nih.gov", "openreview.net", "doi.org",
    "aclanthology.org", "ssrn.com", "papers.nips.cc", "proceedings.mlr.press", "europepmc.org",
)  # fmt: skip
_SERVERS = {"arxiv.org": "arXiv", "biorxiv.org": "bioRxiv", "medrxiv.org": "medRxiv", "chemrxiv.org": "ChemRxiv"}
_DOI = re.compile(r"(?<![\w.])10\.\d{4,9}/[^\s\"'<>?#&|]{1,250}")
_DOI_TAIL = re.compile(
    r"(?:v\d+)?(?:[./](?:full(?:[./-]?(?:text|pdf))?|abstract|short|e?pdf|html|meta))?/?$", re.IGNORECASE
)
_ARXIV = re.compile(r"(?:arxiv\.org/(?:abs|pdf|html)/|^oai:arxiv\.org:|^arxiv:)([a-z0-9./-]{1,40})", re.IGNORECASE)
_HUGGING_FACE = re.compile(r"^/papers/(\d{4}\.\d{4,5})$")
_PREPRINT = re.compile(r"^(\d{4}\.\d{2}\.\d{2}\.\d{4,12}|\d{6,8})(?:v\d+)?$")
_PUBMED = re.compile(r"^(?:pubmed:|pmid:\s?)(\d{1,10})$", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d{2}(?!\d)")


def is_paper(entry: dict[str, Any], link: str) -> bool:
    """Return whether an entry is about a paper, and written by nobody but its authors."""
    get = entry.get
    named = any(key.startswith(("prism_", "arxiv_")) for key in entry)
    identifiers = str(get("dc_identifier") or "").lower()
    if named or identifiers.startswith(("doi:", "pmid:", "https://doi.org/")):
        return True
    host = host_of(link)
    hugging_face = is_host(host, "huggingface.co") and urlsplit(link).path.startswith("/papers/")
    if hugging_face or any(is_host(host, one) for one in _HOSTS):
        return True
    guid = str(get("id") or "")
    return bool(_PUBMED.match(guid) or guid.lower().startswith("oai:")) or "<jats:" in str(get("summary") or "")


def paper_of(entry: dict[str, Any], link: str, guid: str, title: str, dated: datetime | None) -> Paper:
    """Return the paper that an entry is about. All versions of a paper have the same key."""
    get = entry.get
    number = _arxiv_id(entry, link, guid)
    identifier = _doi(entry, link, guid)
    pubmed = _PUBMED.match(guid)
    key = f"arXiv:{number}" if number else identifier or (f"pubmed:{pubmed[1]}" if pubmed else guid)
    host = host_of(link)
    server = next((name for site, name in _SERVERS.items() if is_host(host, site)), None)
    venue = _words(get("prism_publicationname")) or _words(get("dc_source")) or server
    if not venue and number:
        venue = "arXiv"
    categories = [word for tag in get("tags") or [] for word in [_words(tag.get("term"))] if word][:50]
    primary = get("arxiv_primary_category")
    first = _words(primary.get("term")) if isinstance(primary, dict) else ""
    return Paper(
        key=key,
        title=title,
        arxiv_id=number,
        doi=identifier,
        authors=paper_authors(entry, plain_commas=is_host(host, "arxiv.org")),
        venue=venue or None,
        year=_year(entry, number, dated),
        category=first or next(iter(categories), None),
        sections=tuple(dict.fromkeys(categories)),
    )


def _words(value: object) -> str:
    return " ".join(value.split())[:300] if isinstance(value, str) else ""


def _arxiv_id(entry: dict[str, Any], link: str, guid: str) -> str | None:
    for text in (link, guid, str(entry.get("dc_identifier") or "")):
        match = _ARXIV.search(text)
        result = arxiv_id(match[1].removesuffix(".pdf")) if match else None
        if result:
            return result
    parts = urlsplit(link)
    page = _HUGGING_FACE.match(parts.path) if is_host(host_of(link), "huggingface.co") else None
    return page[1] if page else None


def _doi(entry: dict[str, Any], link: str, guid: str) -> str | None:
    for text in _texts_with_doi(entry, link, guid):
        match = _DOI.search(text)
        if match:
            result = doi(_DOI_TAIL.sub("", match[0].rstrip(".,;)")))
            if result:
                return result
    host, last = host_of(link), urlsplit(link).path.rpartition("/")[2]
    number = _PREPRINT.match(last) if is_host(host, "biorxiv.org") or is_host(host, "medrxiv.org") else None
    return f"10.1101/{number[1]}" if number else None


def _texts_with_doi(entry: dict[str, Any], link: str, guid: str) -> Iterator[str]:
    get = entry.get
    for key in ("prism_doi", "dc_identifier", "arxiv_doi", "doi"):
        yield str(get(key) or "")
    yield unquote(guid)
    parts = urlsplit(link)
    yield unquote(parts.path)
    yield from parse_qs(parts.query, max_num_fields=50).get("id", ()) if len(parts.query) < 500 else ()


def _year(entry: dict[str, Any], arxiv: str | None, dated: datetime | None) -> int | None:
    for key in ("prism_publicationdate", "prism_coverdate", "prism_coverdisplaydate"):
        match = _YEAR.search(str(entry.get(key) or ""))
        if match:
            return int(match[0])
    if arxiv and re.match(r"\d{4}\.", arxiv):
        return 2000 + int(arxiv[:2])
    return dated.year if dated else None
