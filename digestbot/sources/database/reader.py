"""A database as a source: read only with SELECT, in short statements of bounded size.

Whatever the tables' size, a poll reads a few pages of rows. It reads the latest edits and votes, if the database can
find them cheaply. It also reads the next batch of papers in the order of their keys, and looks up the next batch of the
ledger's known summaries. So recent changes are seen at once, and everything else, including deletions, in turn.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from digestbot.domain.errors import SourceError
from digestbot.domain.model import Summary
from digestbot.sources.database import queries
from digestbot.sources.database.config import DatabaseSource
from digestbot.sources.database.queries import Layout, fix_mojibake, to_mojibake

log = logging.getLogger(__name__)

STRETCH = 400  # papers, and known summaries, that a poll checks in addition to recent changes
PAGE = 100  # recent changes per page
FIRST_READING = 2000  # papers per statement during a full read
FEW = 20_000  # a table of at most this many rows may be sorted without an index
CONNECT_SECONDS = 10

Versions = dict[str, Counter[bytes]]
"""For each paper, by its key, the hashes of its public summaries with their counts."""


class Database:
    """One database. Keeps its connection between polls. One thread polls it; others may compare what it holds."""

    def __init__(self, name: str, source: DatabaseSource, zone: Any, folder: Path) -> None:
        """Prepare the engine without connecting. Raises SourceError for a URL that cannot be used."""
        self._name, self._source, self._zone = name, source, zone
        self._engine = _engine(source, folder)
        self._layout: Layout | None = None
        self._recent: list[str] | None = None
        self._numbers: bool | None = None  # True if keys are numbers; None until one was seen

    def read_all(self, after: str | None) -> Iterator[tuple[list[Summary], str]]:
        """Yield all public summaries of papers after a key, in batches, each with the last key in it."""
        while True:
            keys = self.keys_after(after, FIRST_READING)
            if not keys:
                return
            yield self.summaries(keys), keys[-1]
            after = keys[-1]

    def keys_after(self, after: str | None, most: int) -> list[str]:
        """Return the keys of the next papers, in the database's own order and spelling."""
        layout = self.layout
        where = f"{layout.key} > :after" if after is not None else "1 = 1"
        given = {"most": most} | ({"after": self._as_stored(after)} if after is not None else {})
        return [self._raw(row["paper"]) for row in self._rows(layout.keys.format(where=where), given)]

    def news(self, page: int) -> list[str]:
        """Return the papers of the latest edits and votes, by page; empty if finding them would cost too much."""
        keys: list[str] = []
        for statement in self._cheap_news():
            rows = self._rows(statement, {"most": PAGE, "skip": page * PAGE})
            keys += [self._raw(row["paper"]) for row in rows]
        return list(dict.fromkeys(keys))

    def versions(self, keys: Iterable[str]) -> Versions:
        """Return the current hashes of these papers' public summaries."""
        result: Versions = defaultdict(Counter)
        for row in self._of(self.layout.narrow, keys):
            result[fix_mojibake(row["paper"])][self.layout.version(row, self.layout.columns)] += 1
        return result

    def summaries(self, keys: Iterable[str]) -> list[Summary]:
        """Return the public summaries of these papers with all their columns."""
        layout = self.layout
        results = []
        for row in self._of(layout.wide, keys):
            summary = layout.summary(row, layout.version(row, layout.columns))
            if summary is None:
                log.warning("source %s: a row is left out: it needs a key, a title and a web address", self._name)
            else:
                results.append(summary)
        return results

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    @property
    def layout(self) -> Layout:
        """Return the layout; the first access reads what it needs from the database."""
        layout = self._layout
        if layout is None:
            source = self._source
            if source.query is None:
                layout = queries.shortscience_layout(source.site, self._zone)
            else:
                with self._connected() as connection:
                    # the operator's own SQL, run under the operator's own account
                    query = f"SELECT * FROM {queries.as_subquery(source.query)} WHERE 1 = 0"  # noqa: S608
                    columns = list(connection.execute(sa.text(_escaped(query))).keys())
                layout = queries.custom_layout(source.query, columns, source.site, self._zone)
            if layout.sections:
                rows = self._rows(layout.sections, {})
                filed = [tuple(fix_mojibake(row[name]) for name in ("section", "id", "tag")) for row in rows]
                layout.filed.extend(filed)  # type: ignore[arg-type]
            self._layout = layout
        return layout

    @property
    def gives_sections(self) -> bool:
        """Return True if summaries come with sections; an operator's own query may lack that column."""
        return not self.layout.own or "sections" in self.layout.columns

    def look_again(self) -> None:
        """Forget what is known about the tables, because it may have changed."""
        self._layout, self._recent = None, None

    def _cheap_news(self) -> list[str]:
        """Return the statements for recent changes whose cost does not grow with the tables.

        These use an index, or read a small table.
        """
        if self._recent is None:
            recent = []
            for statement, table in self.layout.recent:
                trouble = None if table is None else self._slow(table)
                if trouble is None:
                    recent.append(statement)
                else:
                    log.warning(
                        "source %s: %s: changes are found only by scanning it, %d papers per poll; an index on "
                        "edited would show them at once",
                        self._name,
                        trouble,
                        STRETCH,
                    )
            self._recent = recent
        return self._recent

    def _slow(self, table: str) -> str | None:
        """Return why reading the table's newest rows would be slow or impossible; None if it is fine."""
        with self._connected() as connection:
            looked = sa.inspect(connection)
            if "edited" not in {column["name"].lower() for column in looked.get_columns(table)}:
                return f"{table} has no column edited"
            if any(index["column_names"][:1] == ["edited"] for index in looked.get_indexes(table)):
                return None
        return None if self._few(table) else f"{table} has many rows and no index on edited"

    def _few(self, table: str) -> bool:
        few = f"SELECT 1 AS one FROM {table} LIMIT {FEW + 1}"  # noqa: S608 - the name is from our own layout
        rows = self._rows(f"SELECT COUNT(*) AS many FROM ({few}) few", {})  # noqa: S608
        return int(rows[0]["many"]) <= FEW

    def _of(self, statement: str, keys: Iterable[str]) -> list[dict[str, Any]]:
        """Return the rows of these papers.

        A key from the ledger is also looked up as mojibake, because the database may store it that way.
        """
        wanted: list[str] = []
        for key in keys:
            wanted += [key] if key.isascii() else [key, to_mojibake(fix_mojibake(key)), fix_mojibake(key)]
        if self._numbers is None and wanted:
            self.keys_after(None, 1)
        if self._numbers is None or not wanted:
            return []  # the database is empty
        stored = [self._as_stored(key) for key in dict.fromkeys(wanted)]
        return self._rows(statement.format(where=f"{self.layout.key} IN :keys"), {"keys": stored})

    def _raw(self, key: object) -> str:
        """Return a key as text, and remember whether the database's keys are numbers."""
        self._numbers = isinstance(key, int | float)
        return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)

    def _as_stored(self, key: str) -> str | int | float:
        """Return a key with the type it has in the database; some databases do not compare numbers with text."""
        if not self._numbers or not re.fullmatch(r"-?\d{1,18}(\.\d+)?(e[+-]\d+)?", key):
            return key
        return int(key) if key.lstrip("-").isdigit() else float(key)

    def _rows(self, statement: str, given: dict[str, Any]) -> list[dict[str, Any]]:
        text = sa.text(_escaped(statement))
        if "keys" in given:
            # untyped: the database uses the type of the compared column
            text = text.bindparams(sa.bindparam("keys", expanding=True, type_=sa.types.NullType()))
        if "after" in given:
            text = text.bindparams(sa.bindparam("after", type_=sa.types.NullType()))
        with self._connected() as connection:
            result = connection.execute(text, given)
            columns = tuple(result.keys())
            return [dict(zip(columns, row, strict=True)) for row in result.all()]

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        """Yield a connection for one statement, so that nothing stays open or locked in between.

        Raises SourceError.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            reason = str(error.orig).strip().splitlines()[:1] or [type(error.orig).__name__]
            raise SourceError(f"{self.shown}: {reason[0]}") from error
        except SQLAlchemyError as error:
            raise SourceError(f"{self.shown}: {type(error).__name__}: {error}") from error
        except (OSError, ValueError) as error:
            raise SourceError(f"{self.shown}: {error}") from error

    @property
    def shown(self) -> str:
        """Return the URL without user, password and options, for messages and to identify the database."""
        shown = unquote(self._engine.url.set(username=None, password=None, query={}).render_as_string())
        return shown.replace("sqlite:///file:", "sqlite:///")


def _escaped(statement: str) -> str:
    """Return the statement with colons escaped unless they begin one of our own parameters."""
    return re.sub(r"(?<!:):(?!(?:keys|after|most|skip)\b)(?=\w)", r"\\:", statement)


_DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgresql": "postgresql+psycopg"}


def _engine(source: DatabaseSource, folder: Path) -> sa.Engine:
    seconds = max(1, int(source.timeout.total_seconds()))
    try:
        address = sa.make_url(source.url.get_secret_value())
        address = address.set(drivername=_DRIVERS.get(address.drivername, address.drivername))
        backend = address.get_backend_name()
        options: dict[str, Any] = {}
        if backend in ("mysql", "mariadb"):
            options = {"connect_timeout": CONNECT_SECONDS, "read_timeout": seconds, "write_timeout": seconds}
            options |= {"charset": "utf8mb4", "init_command": "SET SESSION TRANSACTION READ ONLY"}
        elif backend == "postgresql":
            limits = f"-c statement_timeout={seconds * 1000} -c default_transaction_read_only=on"
            options = {"connect_timeout": CONNECT_SECONDS, "options": limits}
        elif backend == "sqlite":
            file = quote(str(folder / str(address.database or "")))
            address = address.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})
            options = {"timeout": seconds}
        engine = sa.create_engine(
            address,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_size=1,
            max_overflow=3,
            isolation_level="AUTOCOMMIT",
            connect_args=options,
            poolclass=sa.pool.QueuePool,
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        extra = {"mysql": "mysql", "mariadb": "mysql", "postgresql": "postgresql"}.get(backend)
        remedy = f"pip install 'digestbot[{extra}]'" if extra else "install one that SQLAlchemy knows"
        raise SourceError(f"a {backend} database needs a driver: {remedy}") from error
    except (ArgumentError, ValueError) as error:
        raise SourceError("not a database's address; write one such as mysql://user@host/name") from error
    if backend == "sqlite":
        sa.event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    # a carelessly copied database may contain bytes that are not UTF-8
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
