"""The papers that entries of literature feeds are about: arXiv, bioRxiv and medRxiv, PubMed, OpenReview, Hugging Face
Papers, and journals with PRISM, Dublin Core or a DOI.

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
from digestbot.sources.feed.authors import paper_authors, split_people
from digestbot.sources.feed.entry_values import tables
from digestbot.sources.feed.links import host_of, is_host

_HOSTS = (
    "arxiv.org", "biorxiv.org", "medrxiv.org", "chemrxiv.org", "pubmed.ncbi.nlm.nih.gov", "openreview.net", "doi.org",
    "aclanthology.org", "ssrn.com", "papers.nips.cc", "proceedings.mlr.press", "europepmc.org", "jmlr.org",
    "hal.science", "sciencedirect.com", "frontiersin.org", "journals.plos.org", "elifesciences.org",
    "ieeexplore.ieee.org",
)  # fmt: skip
_SERVERS = {"arxiv.org": "arXiv", "biorxiv.org": "bioRxiv", "medrxiv.org": "medRxiv", "chemrxiv.org": "ChemRxiv"}
_PREPRINT_DOIS = ("10.1101/", "10.64898/")  # bioRxiv's and medRxiv's, whose links name a version
_VERSIONED = {
    "10.26434/": r"-v\d+$", "10.21203/": r"/v\d+$", "10.20944/": r"\.v\d+$", "10.31234/": r"_v\d+$",
    "10.31219/": r"_v\d+$", "10.12688/": r"\.\d+$",
}  # ChemRxiv, Research Square, Preprints.org, OSF, F1000  # fmt: skip
_DOI = re.compile(r"(?<![\w.])10\.\d{4,9}/[^\s\"'<>?#&|]{1,250}")
_PART = re.compile(r"[./](?:full(?:[./-]?(?:text|pdf))?|abstract|short|e?pdf|html|meta)?/?$", re.IGNORECASE)
_VERSION = re.compile(r"v\d+$")
_ARXIV = re.compile(r"(?:arxiv\.org/(?:abs|pdf|html)/|^oai:arxiv\.org:|^arxiv:)([a-z0-9./-]{1,40})", re.IGNORECASE)
_HUGGING_FACE = re.compile(r"^/papers/(\d{4}\.\d{4,5})$")
_PREPRINT = re.compile(r"^(\d{4}\.\d{2}\.\d{2}\.\d{4,12}|\d{6,8})(?:v\d+)?(?:\.\w{1,12})?$")
_PUBMED = re.compile(r"^(?:pubmed:|pmid:\s?)(\d{1,10})$", re.IGNORECASE)
_YEAR = re.compile(r"(?:19|20)\d{2}(?!\d)")
_AFTER_VENUE = re.compile(r",? (?:Published online|Volume|Vol\.|Issue|Page)\b|\s\(?(?:19|20)\d\d\)?|,? \d+,? |[;|]")
_NUMBERED_TITLE = re.compile(r"^([^:]{2,60}), Vol\. \d+, Pages? [\w-]{1,20}: ")  # MDPI
_STATED_AUTHORS = re.compile(r"^\W{0,4}(?:Author\(s\):|by) ([^\n]{2,20000})$", re.MULTILINE)  # ScienceDirect, PLOS
_STATED_VENUE = re.compile(r"^\W{0,4}Source:\W{0,4} ?([^\n]{2,200})$", re.MULTILINE)


def is_paper(entry: dict[str, Any], link: str) -> bool:
    """Return whether an entry is about a paper, and written by nobody but its authors."""
    get = entry.get
    guid, host = str(get("id") or ""), host_of(link)
    if any(key.startswith(("prism_", "arxiv_")) for key in entry) or any(is_host(host, one) for one in _HOSTS):
        return True
    if _PUBMED.match(guid) or guid.lower().startswith("oai:") or "<jats:" in str(get("summary") or ""):
        return True
    if is_host(host, "huggingface.co"):
        return urlsplit(link).path.startswith("/papers/")
    return str(get("dc_identifier") or "").lower().startswith("pmid:") or _doi(entry, link, guid) is not None


def paper_of(entry: dict[str, Any], link: str, guid: str, title: str, dated: datetime | None, text: str) -> Paper:
    """Return the paper that an entry is about. All versions of a paper have the same key.

    ``text`` is its text as Markdown: some journals state authors and journal only there.
    """
    get = entry.get
    number = _arxiv_id(entry, link, guid)
    identifier = _doi(entry, link, guid)
    pubmed = _PUBMED.match(guid)
    key = f"arXiv:{number}" if number else _of_all_versions(identifier) or (f"pubmed:{pubmed[1]}" if pubmed else guid)
    host = host_of(link)
    numbered = _NUMBERED_TITLE.match(title)
    stated = _STATED_VENUE.search(text[:5000])
    server = next((name for site, name in _SERVERS.items() if is_host(host, site)), "arXiv" if number else "")
    venues = (_words(get("prism_publicationname")), _venue(get("dc_source")), numbered[1] if numbered else "", server)
    categories = [word for tag in tables(get("tags")) for word in [_words(tag.get("term"))] if word][:50]
    primary = get("arxiv_primary_category")
    first = _words(primary.get("term")) if isinstance(primary, dict) else ""
    authors = paper_authors(entry, plain_commas=is_host(host, "arxiv.org"))
    if not authors and (named := _STATED_AUTHORS.search(text[:20_000])):
        authors = tuple(split_people(named[1], plain_commas=True))
    return Paper(
        key=key,
        title=title[numbered.end() :] if numbered else title,
        arxiv_id=number,
        doi=identifier,
        authors=authors,
        venue=next(filter(None, venues), "") or (_venue(stated[1]) if stated else None),
        year=_year(entry, number, dated),
        category=first or next(iter(categories), None),
        sections=tuple(dict.fromkeys(categories)),
    )


def _words(value: object) -> str:
    return " ".join(value.split())[:300] if isinstance(value, str) else ""


def _venue(value: object) -> str:
    """Return a journal's name without volume, pages and date."""
    words = _words(value)
    return words if not _AFTER_VENUE.search(words) else _AFTER_VENUE.split(words, maxsplit=1)[0].strip(" ,.")


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
    for text in (str(entry.get(key) or "") for key in ("prism_doi", "dc_identifier", "arxiv_doi", "doi")):
        match = _DOI.search(text)
        if match and (result := doi(match[0].rstrip(".,;)"))):
            return result
    for text in _links_with_doi(link, guid):
        match = _DOI.search(text)
        if match:
            found = _PART.sub("", match[0].rstrip(".,;)"))
            found = _VERSION.sub("", found) if found.startswith(_PREPRINT_DOIS) else found
            if result := doi(found):
                return result
    host, last = host_of(link), urlsplit(link).path.rpartition("/")[2]
    number = _PREPRINT.match(last) if is_host(host, "biorxiv.org") or is_host(host, "medrxiv.org") else None
    return f"10.1101/{number[1]}" if number else None


def _of_all_versions(identifier: str | None) -> str | None:
    """Return a DOI without the version that some preprint servers put into it."""
    if identifier is None:
        return None
    ending = next((one for prefix, one in _VERSIONED.items() if identifier.startswith(prefix)), None)
    return re.sub(ending, "", identifier) if ending else identifier


def _links_with_doi(link: str, guid: str) -> Iterator[str]:
    yield unquote(guid)
    parts = urlsplit(link)
    yield unquote(parts.path)
    yield from parse_qs(parts.query, max_num_fields=50).get("id", ()) if len(parts.query) < 500 else ()


def _year(entry: dict[str, Any], arxiv: str | None, dated: datetime | None) -> int | None:
    for key in ("prism_publicationdate", "prism_coverdate", "prism_coverdisplaydate"):
        match = _YEAR.search(str(entry.get(key) or ""))
        if match:
            return int(match[0])
    number = arxiv.rpartition("/")[2] if arxiv else ""
    if re.match(r"\d{4}", number):
        short = int(number[:2])
        return short + (1900 if short > 90 else 2000)  # arXiv began in 1991
    return dated.year if dated else None
