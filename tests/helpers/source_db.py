"""A store in the site's own tables, in any database, filled as the site does it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from digestbot.sources.database.queries import to_mojibake

FIRST = datetime(2026, 11, 1, 8)  # noqa: DTZ001 - as the site stores it


def tables(metadata: sa.MetaData) -> None:
    """The columns that matter, as the site's public source has them."""
    text = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
    sa.Table(
        "users",
        metadata,
        sa.Column("userid", sa.Integer, primary_key=True),
        sa.Column("username", sa.String(150), unique=True, nullable=False),
        sa.Column("displayname", sa.String(150), nullable=False),
        sa.Column("email", sa.String(150), nullable=False),
        sa.Column("orcid", sa.String(30), nullable=False),
    )
    sa.Table(
        "papers",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("bibtexkey", sa.String(255), unique=True, nullable=False),
        sa.Column("title", sa.String(500), nullable=False),
        sa.Column("authors", sa.Text, nullable=False),
        sa.Column("year", sa.Integer),
        sa.Column("venue", sa.String(255)),
        sa.Column("tags", sa.Text),
        sa.Column("urls", sa.Text),
        sa.Column("source", sa.String(50)),
        sa.Column("category", sa.String(50)),
    )
    sa.Table(
        "vignettes",
        metadata,
        sa.Column("text", text, nullable=False),
        sa.Column("paperid", sa.String(255), primary_key=True),
        sa.Column("userid", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("priv", sa.Boolean, nullable=False),
        sa.Column("anon", sa.Boolean, nullable=False),
        sa.Column("added", sa.DateTime, nullable=False),
        sa.Column("edited", sa.DateTime, nullable=False),
    )
    sa.Table(
        "votes",
        metadata,
        sa.Column("paperid", sa.String(255), primary_key=True),
        sa.Column("userid", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("voteruserid", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("vote", sa.Integer, nullable=False),
        sa.Column("edited", sa.DateTime, nullable=False),
    )
    sa.Table(
        "sections",
        metadata,
        sa.Column("section", sa.String(20)),
        sa.Column("id", sa.String(100)),
        sa.Column("tag", sa.String(100)),
    )


@dataclass
class Store:
    """The site's database, seen from the side that writes it."""

    engine: sa.Engine
    address: str  # a reader's
    latin1: bool = False
    metadata: sa.MetaData = field(default_factory=sa.MetaData)
    clock: datetime = FIRST

    def __post_init__(self) -> None:
        tables(self.metadata)
        self.metadata.create_all(self.engine)

    def __getattr__(self, name: str) -> sa.Table:
        return self.metadata.tables[name]

    def _run(self, statement: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(statement)

    def _stored(self, text: str) -> str:
        return to_mojibake(text) if self.latin1 else text

    def now(self) -> datetime:
        self.clock += timedelta(seconds=7)
        return self.clock

    def user(self, id_: int, **fields: Any) -> None:
        row = {"username": f"reader{id_}", "displayname": f"Reader {id_}", "email": f"r{id_}@example.org", "orcid": ""}
        row = {name: self._stored(str(value)) for name, value in (row | fields).items()}
        self._run(self.users.insert().values(userid=id_, **row))

    def paper(self, key: str, **fields: Any) -> None:
        row: dict[str, Any] = {"title": f"On {key}", "authors": "Doe, Jane and John Roe", "year": 2017, "venue": "NIPS"}
        row |= {"tags": "dblp", "urls": "", "source": "Bibsonomy", "category": ""} | fields
        row = {name: self._stored(value) if isinstance(value, str) else value for name, value in row.items()}
        self._run(self.papers.insert().values(bibtexkey=self._stored(key), **row))

    def summary(
        self, key: str, user: int, text: str = "", *, votes: int = 2, priv: bool = False, anon: bool = False
    ) -> None:
        now = self.now()
        text = text or f"What reader {user} says of {key}. It is well said."
        row = {"paperid": self._stored(key), "userid": user, "text": self._stored(text), "priv": priv, "anon": anon}
        self._run(self.vignettes.insert().values(**row, added=now, edited=now))
        for voter in range(votes):
            self.vote(key, user, 1000 + voter)

    def add(self, number: int, **fields: Any) -> None:
        """One user's summary of one paper."""
        self.user(number)
        self.paper(f"conf/test/Paper{number}", title=f"Paper Number {number}")
        self.summary(f"conf/test/Paper{number}", number, **fields)

    def vote(self, key: str, user: int, voter: int, vote: int = 1) -> None:
        row = {"paperid": self._stored(key), "userid": user, "voteruserid": voter, "vote": vote, "edited": self.now()}
        self._run(self.votes.insert().values(**row))

    def edit(self, key: str, user: int, *, silently: bool = False, **values: Any) -> None:
        """Change a summary; silently: without the date that the site gives an edit."""
        if not silently:
            values["edited"] = self.now()
        if "text" in values:
            values["text"] = self._stored(values["text"])
        mine = (self.vignettes.c.paperid == self._stored(key), self.vignettes.c.userid == user)
        self._run(self.vignettes.update().where(*mine).values(**values))

    def delete(self, key: str, user: int) -> None:
        self._run(self.vignettes.delete().where(self.vignettes.c.paperid == key, self.vignettes.c.userid == user))


def site(store: Store) -> dict[str, Any]:
    return {"kind": "database", "url": store.address, "layout": "shortscience"}
