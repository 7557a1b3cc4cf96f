"""Polling a database: compare its content with the ledger's, and ingest the difference."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from digestbot.domain.errors import DigestbotError, SourceError
from digestbot.domain.model import Summary
from digestbot.ledger import Ledger, intake, source_states
from digestbot.ledger.intake import IngestResult
from digestbot.ledger.source_states import PollReport, SourceState
from digestbot.sources.base import MOST_EXAMPLES, NO_VOTES, SourceContext
from digestbot.sources.database.config import DatabaseSource

if TYPE_CHECKING:
    from digestbot.sources.database.reader import Database

NEWS_PAGES = 500
NO_SECTIONS = (
    'can be read, but its query has no column "sections", and a digest of it has include.sections: none of it would '
    "ever be posted"
)


class DatabaseReader:
    """One configured database over one ledger."""

    def __init__(self, context: SourceContext, database: Database | None = None) -> None:
        """Use ``database`` if it is already open. Raises SourceError for a URL that cannot be used."""
        from digestbot.sources.database.reader import Database

        self._context, self._name = context, context.name
        self._config: DatabaseSource = context.config
        self._ledger, self._clock, self._progress = context.ledger, context.clock, context.progress
        self.stopping = context.stopping
        self.examples: Sequence[Summary] = ()
        self.database = database or Database(context.name, context.config, context.zone, context.folder)

    @property
    def url(self) -> str:
        """Return the database's URL without user, password and options."""
        return self.database.shown

    def read_all(self) -> Iterator[list[Summary]]:
        """Yield all summaries that the database shows, in batches.

        With the site's layout, only summaries with at least 2 votes are included, as in the site's feeds. Raises
        SourceError.
        """
        least = 2 if self._config.layout else None  # votes, as in the site's feeds
        for summaries, _ in self.database.read_all(None):
            yield [replace(one, version=None) for one in summaries if least is None or (one.votes or 0) >= least]

    def poll(self, state: SourceState) -> IngestResult:
        """Ingest what is new, changed or gone. The first poll reads the whole database. Raises SourceError."""
        database = self.database
        moved = state.url is not None and state.url != database.shown
        if moved or not state.sighted:
            return self._read_whole(None if moved else state.scan_cursor, moved=moved)
        from digestbot.sources.database.reader import STRETCH

        with self._ledger.read() as tx:
            rows = intake.rows_after(tx, self._name, state.recheck_cursor or 0, STRETCH)
        known = [row.key for row in rows]
        ahead = database.keys_after(state.scan_cursor, STRETCH)
        news = database.news(0)
        taken = self.compare([*news, *ahead, *known])
        for page in range(1, NEWS_PAGES):
            if not taken.new + taken.changed or not news:
                break
            news = database.news(page)
            further = self.compare(news)
            taken += further
            if not further.new + further.changed:
                break
        over = len(ahead) < STRETCH
        if over:
            database.look_again()
        after = replace(
            state,
            scan_cursor=None if over else ahead[-1],
            recheck_cursor=rows[-1].id if len(rows) == STRETCH else 0,
        )
        with self._ledger.begin() as tx:
            report = PollReport.of(taken)
            source_states.poll_succeeded(tx, self._name, after, self._clock(), report=report)
        return taken

    def _read_whole(self, scan_cursor: str | None, *, moved: bool) -> IngestResult:
        """Read the whole database for the first time, or continue an interrupted first read."""
        total = IngestResult()
        for summaries, end in self.database.read_all(scan_cursor):
            with self._ledger.begin() as tx:
                if moved:
                    source_states.reapply_initial_policy(tx, self._name)
                total += intake.ingest(tx, self._name, summaries, self._clock(), hold_old=moved)
                source_states.save_scan_cursor(tx, self._name, end)
            self._progress()
            if self.stopping():
                return total
        with self._ledger.begin() as tx:
            state, report = SourceState(url=self.database.shown), PollReport.of(total)
            source_states.poll_succeeded(tx, self._name, state, self._clock(), report=report)
        return total

    def compare(self, keys: Sequence[str]) -> IngestResult:
        """Look these papers up in the database, and ingest what is new, changed or gone by the ledger."""
        from digestbot.sources.database.queries import fix_mojibake

        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return IngestResult()
        there = self.database.versions(wanted)
        with self._ledger.read() as tx:
            rows = intake.rows_of(tx, self._name, {*map(fix_mojibake, wanted), *there})
        known: dict[str, Counter[bytes | None]] = defaultdict(Counter)
        for row in rows:
            known[row.key][row.version] += 1
        touched = [key for key in {*known, *there} if known.get(key) != there.get(key)]
        if not touched:
            return IngestResult(unchanged=len(rows))
        summaries = self.database.summaries(touched)
        available = Counter((one.paper.key, one.version) for one in summaries)
        now, gone = self._clock(), []
        with self._ledger.begin() as tx:
            taken = intake.ingest(tx, self._name, summaries, now, hold_old=True)
            for row in intake.rows_of(tx, self._name, touched):
                available[row.key, row.version] -= 1
                if available[row.key, row.version] < 0:
                    gone.append(row.id)
            if gone:
                intake.withdraw(tx, self._name, gone, len(rows), now)
        return replace(taken, unchanged=len(rows) - taken.changed - len(gone), withdrawn=len(gone))

    def confirm(self, summaries: Sequence[Summary]) -> bool:
        """Return True if the database still holds these summaries as the ledger knows them.

        If not, the ledger is updated. Raises SourceError.
        """
        taken = self.compare([summary.paper.key for summary in summaries])
        return not taken.changed + taken.withdrawn

    def probe(self, *, votes_wanted: bool, sections_wanted: bool) -> str:
        """Read the first summaries and return how many papers they are about.

        Raises SourceError also if none is usable, or if votes or sections are wanted and there are none.
        """
        keys = self.database.keys_after(None, 3)
        first = self.database.summaries(keys)
        self.examples = first[:MOST_EXAMPLES]
        if keys and not first:
            raise SourceError("can be read, but its first summaries cannot be used: see the log")
        if votes_wanted and first and all(one.votes is None for one in first):
            raise SourceError(NO_VOTES)
        if sections_wanted and not self.database.gives_sections:
            raise SourceError(NO_SECTIONS)
        return f"can be read; its first summaries are of {len({one.paper.key for one in first})} paper(s)"

    def check(self) -> str:
        """Return that the driver is installed. Raises DigestbotError if the SQLite file does not exist."""
        file = self.url.removeprefix("sqlite:///")
        if file != self.url and not (self._context.folder / file).exists():
            raise DigestbotError(f"there is no file {self._context.folder / file}: correct sources.{self._name}.url")
        return "its driver is installed"

    def prepare_dry_run(self) -> Callable[[Ledger, SourceState], None]:
        """Return a function that polls into a temporary ledger."""

        def poll_into(ledger: Ledger, state: SourceState) -> None:
            DatabaseReader(replace(self._context, ledger=ledger), self.database).poll(state)

        return poll_into

    def close(self) -> None:
        """Close the connection."""
        self.database.close()
