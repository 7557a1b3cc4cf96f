"""The SQL that reads summaries from a database, and the conversion of its rows into summaries.

Privacy is enforced here, in SQL. A row leaves the database only if ``priv`` is exactly 0, and its writer's name only if
``anon`` is exactly 0. Anonymous summaries are told apart by the time they were added, which identifies nobody. Any
value may come from a database that stored UTF-8 bytes in latin1 columns; `fix_mojibake` corrects it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from digestbot.domain.errors import SourceError
from digestbot.domain.model import Paper, Summary
from digestbot.text import split_names

LONGEST_TEXT = 200_000  # characters read of one summary: three times the maximum of any platform
LONGEST_KEY = 255
_ARXIV_KEY = re.compile(r"journals/corr/(?:abs[-/])?(\d{4}[.-]\d{4,5})")
_ARXIV_URL = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5}|[a-z-]+/\d{7})", re.IGNORECASE)
_DOI = re.compile(r"10\.\d{4,9}/\S+")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Layout:
    """How to read one kind of database. In every statement ``{where}`` stands for a condition on ``key``.

    ``narrow`` selects the ``columns`` that show whether a summary changed, ``wide`` selects all of it. Both have the
    columns ``paper`` (the database's key of the paper) and ``store_id``. ``recent`` selects the papers of the latest
    edits or votes, newest first. Each statement comes with the table that needs an index on ``edited`` if it is large.
    """

    narrow: str
    columns: tuple[str, ...]
    wide: str
    key: str
    keys: str
    recent: tuple[tuple[str, str | None], ...]
    site: str
    zone: ZoneInfo
    sections: str | None = None
    own: bool = False
    filed: list[tuple[str, str, str]] = field(default_factory=list)

    @staticmethod
    def version(row: Row, columns: Sequence[str]) -> bytes:
        """Return a hash of these columns of the row; equal as long as their values are."""
        return hashlib.blake2b(
            repr([row[name] for name in columns]).encode("utf-8", "replace"), digest_size=16
        ).digest()

    def summary(self, row: Row, version: bytes | None) -> Summary | None:
        """Return the summary in a wide row; None if the row cannot be a summary.

        A row must name a paper. A row of an operator's own query also needs an id, a title, and an HTTP URL to link to.
        """
        key = fix_mojibake(row["paper"])
        get = row.get
        link = fix_mojibake(get("link"))
        if not key or len(key) > LONGEST_KEY or (self.own and not (row["title"] and row["store_id"] is not None)):
            return None
        if self.own and (urlsplit(link).scheme not in ("http", "https") or not urlsplit(link).hostname):
            return None
        username = fix_mojibake(get("username")) or None
        handle = username or fix_mojibake(get("writer")) or None
        if self.own and handle:  # a writer may have several summaries of a paper; the id tells them apart
            handle = f"{handle} {fix_mojibake(row['store_id'])}"
        return Summary(
            paper=Paper(
                key=key,
                title=fix_mojibake(row["title"]) or key,
                arxiv_id=fix_mojibake(get("arxiv_id")) or _arxiv_id(key, fix_mojibake(get("urls"))),
                doi=fix_mojibake(get("doi")) or (key if _DOI.fullmatch(key) else None),
                authors=split_names(fix_mojibake(get("authors"))),
                venue=fix_mojibake(get("venue")) or None,
                year=_year(get("year")),
                category=fix_mojibake(get("category")) or None,
                sections=self._sections(key, fix_mojibake(get("tags")), fix_mojibake(get("sections"))),
            ),
            writer=fix_mojibake(get("writer")) or username,
            handle=handle,
            body=fix_mojibake(row["body"]),
            link=link or self._link(key, username),
            votes=_number(get("votes")),
            dated=parse_moment(get("changed"), self.zone),
            orcid=fix_mojibake(get("orcid")) or None,
            store_id=fix_mojibake(get("store_id")) or None,
            version=version,
        )

    def _link(self, key: str, username: str | None) -> str:
        anchor = _quoted(username) if username else "anon"
        return f"{self.site.rstrip('/')}/paper?bibtexKey={quote(key, safe='/:.()-_~')}#{anchor}"

    def _sections(self, key: str, tags: str, text: str) -> tuple[str, ...]:
        """Return the paper's sections, assigned as the site does it.

        A section is matched by the beginning of the key, or by a tag that occurs in the paper's tags or in its key.
        """
        results = [word.strip() for word in text.split(",") if word.strip()]
        for section, beginning, tag in self.filed:
            if section not in results and (
                (beginning and key.startswith(beginning)) or (tag and (tag in tags or tag in key))
            ):
                results.append(section)
        return tuple(results)


# Exactly 0 or false: any other value keeps the row, or the name, in the database.
_PUBLIC = "CAST(v.priv AS CHAR(5)) IN ('0', 'false')"
_NAMED = "CAST(v.anon AS CHAR(5)) IN ('0', 'false')"
_SCORE = "(SELECT SUM(o.vote) FROM votes o WHERE o.paperid = v.paperid AND o.userid = v.userid)"


def shortscience_layout(site: str, zone: ZoneInfo) -> Layout:
    """Return the layout of the site's own tables, from its public source code."""
    columns = f"""v.paperid AS paper, v.added AS store_id, v.edited AS changed, {_SCORE} AS votes, p.title AS title,
        CASE WHEN {_NAMED} THEN u.username END AS username,
        CASE WHEN {_NAMED} THEN u.displayname END AS writer,
        CASE WHEN {_NAMED} THEN u.orcid END AS orcid, p.venue AS venue, p.tags AS tags, p.category AS category"""
    tables = f"""FROM vignettes v LEFT JOIN papers p ON p.bibtexKey = v.paperid LEFT JOIN users u ON u.userid = v.userid
        WHERE {_PUBLIC} AND {{where}}"""
    rest = f"""SUBSTR(v.text, 1, {LONGEST_TEXT}) AS body, p.authors AS authors, p.year AS year, p.urls AS urls"""
    public = f"FROM vignettes v WHERE {_PUBLIC}"
    newest = "ORDER BY edited DESC LIMIT :most OFFSET :skip"
    return Layout(
        narrow=f"SELECT {columns} {tables}",
        columns=(
            *("paper", "store_id", "changed", "votes", "title", "username", "writer", "orcid"),
            *("venue", "tags", "category"),
        ),
        wide=f"SELECT {columns}, {rest} {tables}",
        key="v.paperid",
        keys=f"SELECT DISTINCT v.paperid AS paper {public} AND {{where}} ORDER BY v.paperid LIMIT :most",
        recent=(
            (f"SELECT v.paperid AS paper {public} {newest}", "vignettes"),
            (f"SELECT paperid AS paper FROM votes {newest}", "votes"),  # noqa: S608
        ),
        site=site,
        zone=zone,
        sections="SELECT section, id, tag FROM sections LIMIT 1000",
    )


REQUIRED = ("id", "title", "body", "link")
OPTIONAL = (
    "paper",
    "writer",
    "username",
    "votes",
    "changed",
    "arxiv_id",
    "doi",
    "authors",
    "venue",
    "year",
    "category",
    "sections",
    "orcid",
)


def as_subquery(query: str) -> str:
    """Return the operator's query as a subquery. The line break ends a trailing comment."""
    return f"({query.strip().rstrip(';')}\n) q"


def custom_layout(query: str, columns: Iterable[str], site: str, zone: ZoneInfo) -> Layout:
    """Return the layout for any other database, by the operator's own SELECT with columns of these names.

    Raises SourceError if a required column is missing, or a column is unknown.
    """
    columns = list(columns)
    missing = [name for name in REQUIRED if name not in columns]
    strange = [name for name in columns if name not in REQUIRED + OPTIONAL]
    if missing or strange:
        problems = [f"returns no column {name}" for name in missing] + [
            f"returns an unknown column {name}" for name in strange
        ]
        raise SourceError(f"the query {' and '.join(problems)}; columns are {', '.join(REQUIRED + OPTIONAL)}")
    key = "q.paper" if "paper" in columns else "q.id"
    others = ", ".join(f"q.{name} AS {name}" for name in columns if name not in ("id", "paper"))
    inner = f"FROM {as_subquery(query)}".replace("{", "{{").replace("}", "}}")
    rows = f"SELECT {key} AS paper, q.id AS store_id, {others} {inner} WHERE {{where}}"
    recent = f"SELECT {key} AS paper FROM {as_subquery(query)} ORDER BY q.changed DESC LIMIT :most OFFSET :skip"  # noqa: S608
    return Layout(
        narrow=rows,
        columns=("paper", "store_id", *(name for name in columns if name not in ("id", "paper"))),
        wide=rows,
        key=key,
        keys=f"SELECT DISTINCT {key} AS paper {inner} WHERE {{where}} ORDER BY {key} LIMIT :most",
        recent=((recent, None),) if "changed" in columns else (),
        site=site,
        zone=zone,
        own=True,
    )


# ---- values


_UNDEFINED = {0x81, 0x8D, 0x8F, 0x90, 0x9D}  # undefined in cp1252; MySQL's latin1 maps them to themselves
_TO_BYTE = {bytes([byte]).decode("cp1252"): byte for byte in range(256) if byte not in _UNDEFINED} | {
    chr(byte): byte for byte in _UNDEFINED
}


def fix_mojibake(value: object) -> str:
    """Return the text as its writer typed it; empty for None.

    The site sends UTF-8 over a connection declared as latin1, so "ü" is stored, and read back, as "Ã¼". If the text's
    characters are latin1 bytes that form valid UTF-8, they are decoded as UTF-8. A character that was cut in half at
    the end of a column is dropped.
    """
    if value is None:
        return ""
    if type(value) is str and value.isascii() and "\x00" not in value:
        return value
    held = bytes(value) if isinstance(value, bytearray | memoryview) else value
    text = held.decode("utf-8", "replace") if isinstance(held, bytes) else str(held)
    if not text.isascii():
        text = _ungarbled(text)
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def _ungarbled(text: str) -> str:
    try:
        raw = bytes(_TO_BYTE[character] for character in text)
    except KeyError:
        return text  # a character that latin1 lacks: the column was not latin1
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = error.reason == "unexpected end of data" and error.start > 0
        start = raw[: error.start]
        return start.decode("utf-8") if cut and not start.isascii() else text


def to_mojibake(text: str) -> str:
    """Return the text as such a database stores it: the inverse of `fix_mojibake`."""
    back = {byte: character for character, byte in _TO_BYTE.items()}
    return "".join(back[byte] for byte in text.encode())


def parse_moment(value: object, zone: ZoneInfo) -> datetime | None:
    """Return a database's time value in UTC; None if it cannot be read.

    Strings, numbers (Unix time), dates and datetimes are accepted. Values without a zone are in ``zone``.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)  # Unix time
        except (OverflowError, ValueError, OSError):
            return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - the zone is added below
    if not isinstance(value, datetime):
        return None
    try:
        return (value.replace(tzinfo=zone) if value.tzinfo is None else value).astimezone(UTC)
    except (OverflowError, ValueError):
        return None


@lru_cache(maxsize=4096)  # many summaries share a writer
def _quoted(username: str) -> str:
    return quote(username, safe="")


def _arxiv_id(key: str, urls: str) -> str | None:
    by_key = _ARXIV_KEY.match(key)
    by_url = _ARXIV_URL.search(urls)
    return by_key[1].replace("-", ".") if by_key else by_url[1] if by_url else None


def _number(value: object) -> int | None:
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < 2**31 else None


def _year(value: object) -> int | None:
    year = _number(value)
    return year if year and 0 < year < 10_000 else None
