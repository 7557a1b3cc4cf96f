"""Polling databases: compare what is there with what is known, and take in the difference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from digestbot.config import Config, DatabaseSource
from digestbot.ledger import Ledger, intake
from digestbot.ledger.intake import Intake, SourceState
from digestbot.model import Summary
from digestbot.service.report import Clock

if TYPE_CHECKING:
    from digestbot.sources.database import Database

NEWS_PAGES = 500


class Databases:
    """Polls the configured databases into one ledger."""

    def __init__(
        self,
        config: Config,
        ledger: Ledger,
        clock: Clock,
        progress: Callable[[], None],
        stopping: Callable[[], bool],
        opened: dict[str, Database] | None = None,
    ) -> None:
        self._config, self._ledger, self._clock = config, ledger, clock
        self._progress, self.stopping = progress, stopping
        self.opened: dict[str, Database] = {} if opened is None else opened

    def open(self, name: str) -> Database:
        """The source's reader, made when it is first needed. Raises SourceError."""
        from digestbot.sources.database import Database

        source = self._config.sources[name]
        assert isinstance(source, DatabaseSource)  # noqa: S101
        if name not in self.opened:
            self.opened[name] = Database(name, source, self._config.source_zone(name), self._config.folder)
        return self.opened[name]

    def read_all(self, name: str) -> Iterator[list[Summary]]:
        """Everything that a database shows, in stretches; of the site's, what its feeds would. Raises SourceError."""
        source = self._config.sources[name]
        least = 2 if isinstance(source, DatabaseSource) and source.layout else None  # votes, as the site's feeds ask
        for summaries, _ in self.open(name).read_all(None):
            yield [replace(one, version=None) for one in summaries if least is None or (one.votes or 0) >= least]

    def poll(self, name: str, state: SourceState) -> Intake:
        """Take in what is new, changed or gone; the whole of it for the first time. Raises SourceError."""
        database = self.open(name)
        moved = state.url is not None and state.url != database.shown
        if moved or not state.sighted:
            return self._read_database(name, database, None if moved else state.read_to, moved=moved)
        from digestbot.sources.database import STRETCH

        with self._ledger.read() as tx:
            rows = intake.rows_after(tx, name, state.checked_to or 0, STRETCH)
        known = [row.key for row in rows]
        ahead = database.keys_after(state.read_to, STRETCH)
        news = database.news(0)
        taken = self.compare(name, database, [*news, *ahead, *known])
        for page in range(1, NEWS_PAGES):
            if not taken.new + taken.changed or not news:
                break
            news = database.news(page)
            further = self.compare(name, database, news)
            taken += further
            if not further.new + further.changed:
                break
        over = len(ahead) < STRETCH
        if over:
            database.look_again()
        after = replace(
            state,
            read_to=None if over else ahead[-1],
            checked_to=rows[-1].id if len(rows) == STRETCH else 0,
        )
        with self._ledger.begin() as tx:
            intake.poll_succeeded(tx, name, after, self._clock())
        return taken

    def _read_database(self, name: str, database: Database, read_to: str | None, *, moved: bool) -> Intake:
        """The whole of it, for the first time; one that was interrupted continues where it was."""
        total = Intake()
        for summaries, end in database.read_all(read_to):
            with self._ledger.begin() as tx:
                if moved:
                    intake.sight_again(tx, name)
                total += intake.take_in(tx, name, summaries, self._clock())
                intake.read_on(tx, name, end)
            self._progress()
            if self.stopping():
                return total
        with self._ledger.begin() as tx:
            intake.poll_succeeded(tx, name, SourceState(url=database.shown), self._clock())
        return total

    def compare(self, name: str, database: Database, keys: Sequence[str]) -> Intake:
        """Look these papers up in the database, and take in what is not as the ledger knows it: new, changed, gone."""
        from digestbot.sources.layouts import readable

        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return Intake()
        there = database.versions(wanted)
        with self._ledger.read() as tx:
            rows = intake.rows_of(tx, name, {*map(readable, wanted), *there})
        known: dict[str, Counter[bytes | None]] = defaultdict(Counter)
        for row in rows:
            known[row.key][row.version] += 1
        touched = [key for key in {*known, *there} if known.get(key) != there.get(key)]
        if not touched:
            return Intake(unchanged=len(rows))
        summaries = database.summaries(touched)
        available = Counter((one.paper.key, one.version) for one in summaries)
        now, gone = self._clock(), []
        with self._ledger.begin() as tx:
            taken = intake.take_in(tx, name, summaries, now)
            for row in intake.rows_of(tx, name, touched):
                available[row.key, row.version] -= 1
                if available[row.key, row.version] < 0:
                    gone.append(row.id)
            if gone:
                intake.withdraw(tx, name, gone, len(rows), now)
        return replace(taken, unchanged=len(rows) - taken.changed - len(gone), withdrawn=len(gone))
