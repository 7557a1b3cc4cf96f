"""The ledger on SQLite and on PostgreSQL: what its constraints and transactions promise."""

from __future__ import annotations

import shutil
import threading
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from helpers.basics import START, drafts, make_summary, up_next
from sqlalchemy.exc import IntegrityError

from digestbot.domain.errors import LedgerError
from digestbot.domain.filters import DigestFilters
from digestbot.domain.model import Claim, Message, Order, Paper, PostStatus, Receipt, Slot, Summary
from digestbot.domain.retry import Decision
from digestbot.domain.schedule import DigestHistory
from digestbot.ledger import (
    Ledger,
    backlog,
    candidates,
    channel_states,
    connections,
    delivery,
    editions,
    intake,
    queries,
    revisions,
    rollback_detection,
    schema,
    source_states,
)
from digestbot.ledger.connections import wal_is_safe

LEASE = timedelta(minutes=2)
UTC_ZONE = ZoneInfo("UTC")


def fill(ledger: Ledger, count: int, source: str = "store") -> None:
    """A source that was polled and gave so many summaries."""
    with ledger.begin() as tx:
        source_states.claim_poll(tx, source, timedelta(minutes=15), START, at_once=True)
        intake.ingest(tx, source, [make_summary(n) for n in range(count)], START)
        source_states.poll_succeeded(tx, source, source_states.SourceState(), START)
        rollback_detection.adopt_channels(tx, {"x": "one", "page": "other"}, START)


def extend(ledger: Ledger, policy: str | int | date = "all", channel: str = "x") -> int:
    with ledger.begin() as tx:
        return backlog.extend_backlog(tx, "latest", channel, "store", policy, UTC_ZONE, DigestFilters(), START)


def ordered(tx: sa.Connection, order: Order, min_votes: int | None) -> list[Summary]:
    filters = DigestFilters(min_votes=min_votes)
    backlog.apply_filters(tx, "latest", "x", filters.verdict)
    return [one.summary for one in candidates.candidates(tx, "latest", "x", order, filters, START, START)]


def waiting(ledger: Ledger, order: Order = Order.OLDEST, min_votes: int | None = None) -> list[str]:
    with ledger.read() as tx:
        return [s.paper.key[-1] for s in ordered(tx, order, min_votes)]


def make_posts(ledger: Ledger, count: int, channel: str = "x") -> list[int]:
    fill(ledger, count)
    extend(ledger, channel=channel)
    made = []
    for number in range(count):
        with ledger.begin() as tx:
            chosen = up_next(tx, "latest", channel, 1, START)
            slot = editions.reach_slot(
                tx, "latest", channel, Slot(f"slot {number}", START + timedelta(seconds=number)), START
            )
            made += editions.make_edition(
                tx, slot, "latest", channel, chosen, drafts(chosen, [Message(f"text {number}")]), START
            )
    return made


def claim(ledger: Ledger, now: object = START, channel: str = "x") -> Claim | None:
    with ledger.begin() as tx:
        return delivery.claim(tx, channel, LEASE, now)  # type: ignore[arg-type]


def conclude(ledger: Ledger, held: Claim, decision: Decision) -> bool:
    with ledger.begin() as tx:
        return delivery.conclude(tx, held, decision, channel_states.channel_state(tx, held.channel, START), START)


def status(ledger: Ledger, post: int) -> str:
    with ledger.read() as tx:
        return str(tx.scalar(sa.select(schema.posts.c.status).where(schema.posts.c.id == post)))


PUBLISHED = Decision(PostStatus.PUBLISHED, receipt=Receipt("11", "https://x.com/11"))


# ---- opening


def test_migrations_make_the_tables_that_the_code_makes(empty_database_url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    migrated = Ledger(empty_database_url)
    with migrated.begin() as tx:
        revisions.migrate(tx, None)
    with migrated.read() as tx:
        differences = compare_metadata(MigrationContext.configure(tx), schema.metadata)
        assert [d for d in differences if getattr(d[1], "name", "") != "alembic_version"] == []
        assert revisions.current_revision(tx) == schema.REVISION
    migrated.prepare()
    migrated.close()


def test_named_constraints_are_the_same_in_migrations_and_code(tmp_path: Path) -> None:
    made = []
    for way in ("migrated", "created"):
        opened = Ledger(f"sqlite:///{tmp_path / way}.db")
        if way == "migrated":
            with opened.begin() as tx:
                revisions.migrate(tx, None)
        opened.prepare()
        with opened.read() as tx:
            looked = sa.inspect(tx)
            made.append(
                {
                    (table, row["name"], str(row.get("column_names")), row.get("sqltext"), row.get("unique"))
                    for table in looked.get_table_names()
                    for look in ("check_constraints", "unique_constraints", "indexes", "foreign_keys")
                    for row in getattr(looked, f"get_{look}")(table)
                }
            )
        opened.close()
    assert made[0] == made[1]
    assert len(made[0]) > 15


NEXT = f"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9998", "{schema.REVISION}"


def upgrade():
    op.add_column("sources", sa.Column("more", sa.Text, server_default="x"))
    with op.batch_alter_table("editions") as table:  # SQLite makes such a table anew
        table.alter_column("shape", existing_type=sa.Text, nullable=True)
"""


def test_an_older_ledger_with_all_that_it_holds_is_brought_up_to_date(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it held is there afterwards, and every reference still leads somewhere."""
    old = Ledger(database_url)
    old.prepare()
    with old.begin() as tx:
        for statement in (
            "INSERT INTO sources (name, failures) VALUES ('store', 0)",
            "INSERT INTO papers (id, title) VALUES (1, 'A Title.')",
            (
                "INSERT INTO summaries (id, source, paper_id, handle, body, link, fingerprint, ingested_at) "
                "VALUES (1, 'store', 1, 'ada', 'text', 'https://example.org', '', '2026-11-01 08:00:00')"
            ),
            (
                "INSERT INTO slots (id, digest, channel, nominal, due, scheduled, reached_at) "
                "VALUES (1, 'latest', 'x', 'n', '2026-11-01 09:00:00', true, '2026-11-01 09:00:00')"
            ),
            "INSERT INTO editions (id, slot_id, digest, channel, made_at) VALUES (1, 1, 'latest', 'x', '2026-11-01 09:00:00')",
            "INSERT INTO backlog (digest, channel, summary_id, status, edition_id, position) VALUES ('latest', 'x', 1, 'taken', 1, 0)",
            (
                "INSERT INTO posts (id, edition_id, position, channel, status, text, receipt_id, receipt_url, made_at) "
                "VALUES (1, 1, 0, 'x', 'published', 'what it said', '77', 'https://x.com/77', '2026-11-01 09:00:00')"
            ),
            "INSERT INTO attempts (id, post_id, epoch, started_at, deadline) VALUES (1, 1, 1, '2026-11-01 09:00:00', '2026-11-01 09:02:00')",
        ):
            tx.exec_driver_sql(statement)
    shutil.copytree(revisions.MIGRATIONS, tmp_path / "migrations")
    (tmp_path / "migrations" / "versions" / "9998_next.py").write_text(NEXT)
    monkeypatch.setattr(revisions, "MIGRATIONS", tmp_path / "migrations")
    before = schema.REVISION
    monkeypatch.setattr(schema, "REVISION", "9998")
    if old.file is not None:
        with old.rehearsal() as rehearsal:
            rehearsal.prepare()  # what preview does
    else:  # its tables would be locked meanwhile
        with old.rehearsal() as rehearsal, pytest.raises(LedgerError, match="digestbot db upgrade"):
            rehearsal.prepare()
    old.try_writing()  # what check does
    with old.read() as tx:
        assert revisions.current_revision(tx) == before
    old.prepare()
    with old.read() as tx:
        assert revisions.current_revision(tx) == "9998"
        assert tx.scalar(sa.text("SELECT more FROM sources")) == "x"
        (row,) = queries.post_rows(tx)
        assert (row.text, row.status, row.receipt) == (
            "what it said",
            PostStatus.PUBLISHED,
            Receipt("77", "https://x.com/77"),
        )
        assert len(queries.post_history(tx, 1)[0]) == 1
        assert tx.scalar(sa.select(schema.editions.c.shape)) == "single"
    with old.begin() as tx, pytest.raises(IntegrityError):  # references are enforced again
        tx.execute(
            schema.posts.insert().values(
                id=9, edition_id=99, position=0, channel="x", status="pending", text="", made_at=START
            )
        )
    assert old.check() == []
    old.close()


def test_preparing_twice_changes_nothing(ledger: Ledger) -> None:
    fill(ledger, 1)
    ledger.prepare()
    with ledger.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(schema.summaries)) == 1


def test_a_newer_digestbots_ledger_is_refused(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(LedgerError, match=r"revision 9999.*newer"):
        ledger.prepare()


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("nonsense", "not a URL"),
        ("mysql://root@localhost/x", "use sqlite or postgresql"),
        ("sqlite:////nowhere/at/all/ledger.db", "does not exist; make it first"),
        ("postgresql://nobody:hunter22@127.0.0.1:1/none", "127.0.0.1"),
    ],
)
def test_an_address_that_cannot_be_used(url: str, mend: str) -> None:
    with pytest.raises(LedgerError, match=mend) as caught:
        Ledger(url).prepare()
    assert "hunter22" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("this is not a database, " * 100)
    with pytest.raises(LedgerError, match="not a database"):
        Ledger("sqlite:///ledger.db", tmp_path).prepare()


def test_sqlite_is_set_up_for_durability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    as_operators_have_it = connections.set_up_sqlite.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.setattr(connections, "set_up_sqlite", as_operators_have_it)
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with ledger.read() as tx:
        journal = tx.exec_driver_sql("PRAGMA journal_mode").scalar()
        synchronous = tx.exec_driver_sql("PRAGMA synchronous").scalar()
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    expected = ("wal", 2) if wal_is_safe(sqlite3.sqlite_version_info) else ("delete", 3)
    assert (journal, synchronous) == expected
    ledger.close()


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
    ],
)
def test_wal_only_where_its_bug_is_mended(version: tuple[int, int, int], safe: bool) -> None:
    assert wal_is_safe(version) is safe


def test_times_without_a_zone_are_refused(ledger: Ledger) -> None:
    with pytest.raises(sa.exc.StatementError, match="without a zone"), ledger.begin() as tx:
        tx.execute(sa.insert(schema.sources).values(name="s", polled_at=START.replace(tzinfo=None)))


def test_a_rehearsal_leaves_no_trace(ledger: Ledger) -> None:
    fill(ledger, 1)
    with ledger.rehearsal() as other:
        fill(other, 5)
        with other.read() as tx:
            assert tx.scalar(sa.select(sa.func.count()).select_from(schema.summaries)) == 5
    with ledger.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(schema.summaries)) == 1


# ---- taking in


def test_taking_in_adds_what_is_new_and_updates_what_changed(ledger: Ledger) -> None:
    fill(ledger, 3)
    again = [make_summary(0), make_summary(1, body="edited", votes=9), make_summary(5)]
    with ledger.begin() as tx:
        assert intake.ingest(tx, "store", again, START) == intake.IngestResult(new=1, changed=1, unchanged=1)
    with ledger.begin() as tx:
        assert intake.ingest(tx, "store", again, START) == intake.IngestResult(unchanged=3)
        assert tx.scalar(sa.select(sa.func.count()).select_from(schema.summaries)) == 4


def test_a_feed_that_repeats_itself_adds_once(ledger: Ledger) -> None:
    paper = Paper("k", "t")
    twins = [
        make_summary(1, paper=paper),
        make_summary(1, paper=paper, body="again"),
        make_summary(2, paper=paper, handle=None, body="a"),
        make_summary(3, paper=paper, handle=None, body="a"),
    ]
    with ledger.begin() as tx:
        assert intake.ingest(tx, "store", twins, START).new == 2


def test_many_papers_go_in_batches(ledger: Ledger) -> None:
    fill(ledger, intake.BATCH * 2 + 1)
    with ledger.begin() as tx:
        everything = [make_summary(n) for n in range(intake.BATCH * 2 + 1)]
        assert intake.ingest(tx, "store", everything, START) == intake.IngestResult(unchanged=intake.BATCH * 2 + 1)


def test_only_one_process_polls_and_a_clock_put_back_does_not_silence_a_source(ledger: Ledger) -> None:
    every = timedelta(minutes=15)

    def due(now: object, *, at_once: bool = False) -> bool:
        with ledger.begin() as tx:
            return source_states.claim_poll(tx, "s", every, now, at_once=at_once) is not None  # type: ignore[arg-type]

    assert due(START)
    assert not due(START)
    assert not due(START + timedelta(minutes=14))
    assert due(START, at_once=True)
    assert due(START + timedelta(minutes=15))
    assert due(START - timedelta(days=3))


# ---- backlog


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        ("all", 5),
        ("skip", 0),
        (0, 0),
        (2, 2),
        (99, 5),
        (date(2026, 10, 3), 5),
        (date(2026, 10, 4), 0),
    ],
)
def test_what_is_there_at_first_sight(ledger: Ledger, policy: str | int | date, kept: int) -> None:
    fill(ledger, 5)
    assert extend(ledger, policy) == kept
    with ledger.read() as tx:
        counts = queries.backlog_counts(tx, "latest", "x")
    assert (counts.get("waiting", 0), counts.get("skipped", 0)) == (kept, 5 - kept)


def test_a_number_keeps_the_newest(ledger: Ledger) -> None:
    fill(ledger, 5)
    extend(ledger, 2)
    assert waiting(ledger) == ["3", "4"]


def test_what_comes_later_waits_whatever_its_date(ledger: Ledger) -> None:
    fill(ledger, 3)
    extend(ledger, "skip")
    with ledger.begin() as tx:
        intake.ingest(tx, "store", [make_summary(7, dated=START - timedelta(days=900))], START)
    assert extend(ledger, "skip") == 1
    assert extend(ledger, "skip") == 0
    assert waiting(ledger) == ["7"]


def test_a_source_never_read_gives_no_first_sight(ledger: Ledger) -> None:
    assert extend(ledger, "skip") == 0
    fill(ledger, 2)
    extend(ledger, "skip")
    assert waiting(ledger) == []


def test_orders_and_votes(ledger: Ledger) -> None:
    fill(ledger, 0)
    with ledger.begin() as tx:
        votes = {1: 5, 2: 1, 3: 9, 4: None}
        intake.ingest(
            tx,
            "store",
            [make_summary(n, votes=v, **({"dated": None} if n == 4 else {})) for n, v in votes.items()],
            START,
        )
    extend(ledger)
    assert waiting(ledger) == ["1", "2", "3", "4"]
    assert waiting(ledger, Order.NEWEST) == ["3", "2", "1", "4"]
    assert waiting(ledger, Order.VOTES) == ["3", "1", "2", "4"]
    assert waiting(ledger, min_votes=2) == ["1", "3"]


def test_a_summary_goes_into_one_edition(ledger: Ledger) -> None:
    fill(ledger, 1)
    extend(ledger)
    with ledger.begin() as tx:
        chosen = up_next(tx, "latest", "x", 1, START)
        slot = editions.reach_slot(tx, "latest", "x", Slot("a", START), START)
        editions.make_edition(tx, slot, "latest", "x", chosen, drafts(chosen, [Message("t")]), START)
    with pytest.raises(editions.TakenElsewhereError), ledger.begin() as tx:
        slot = editions.reach_slot(tx, "latest", "x", Slot("b", START + timedelta(seconds=1)), START)
        editions.make_edition(tx, slot, "latest", "x", chosen, drafts(chosen, [Message("t")]), START)
    with ledger.read() as tx:  # the second slot was rolled back with its edition
        assert tx.scalar(sa.select(sa.func.count()).select_from(schema.slots)) == 1


def test_a_slot_is_reached_once(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        editions.reach_slot(tx, "latest", "x", Slot("a", START), START)
    with pytest.raises(editions.TakenElsewhereError), ledger.begin() as tx:
        editions.reach_slot(tx, "latest", "x", Slot("a", START), START)
    with ledger.begin() as tx:
        editions.reach_slot(tx, "latest", "page", Slot("a", START), START)


def test_the_past_is_the_last_scheduled_slot_and_that_of_the_last_edition(ledger: Ledger) -> None:
    fill(ledger, 1)
    extend(ledger)
    hour = timedelta(hours=1)
    with ledger.begin() as tx:
        assert editions.digest_histories(tx, START) == {("latest", "x"): DigestHistory(START, START)}
        slot = editions.reach_slot(tx, "latest", "x", Slot("a", START + hour), START)
        chosen = up_next(tx, "latest", "x", 1, START)
        editions.make_edition(tx, slot, "latest", "x", chosen, drafts(chosen, [Message("t")]), START + hour)
        editions.reach_slot(tx, "latest", "x", Slot("b", START + 2 * hour), START)
        editions.reach_slot(tx, "latest", "x", Slot("by hand", START + 3 * hour), START, scheduled=False)
        assert editions.digest_histories(tx, START + 3 * hour) == {
            ("latest", "x"): DigestHistory(START + 2 * hour, START, START + hour)
        }


# ---- delivery


def test_a_claim_is_exclusive_and_concludes_once(ledger: Ledger) -> None:
    first, second = make_posts(ledger, 2)
    held = claim(ledger)
    assert held is not None
    assert (held.post, held.epoch, held.message.text) == (first, 1, "text 0")
    assert claim(ledger) is None  # one at a time
    assert conclude(ledger, held, PUBLISHED)
    assert not conclude(ledger, held, Decision(PostStatus.FAILED, error="late"))
    assert status(ledger, first) == "published"
    after = claim(ledger)
    assert after is not None
    assert after.post == second


def test_an_unknown_outcome_holds_the_channel_and_is_never_sent_again(ledger: Ledger) -> None:
    make_posts(ledger, 2)
    held = claim(ledger)
    assert held is not None
    conclude(ledger, held, Decision(PostStatus.UNKNOWN, error="lost"))
    for days in range(3):
        assert claim(ledger, START + timedelta(days=days)) is None


def test_a_lease_that_ran_out_is_unknown_until_its_holder_knows_better(ledger: Ledger) -> None:
    (post,) = make_posts(ledger, 1)
    held = claim(ledger)
    assert held is not None
    with ledger.begin() as tx:
        assert delivery.expire(tx, LEASE, START + LEASE - timedelta(seconds=1)) == []
        assert delivery.expire(tx, LEASE, START + LEASE) == [(post, "x")]
    assert status(ledger, post) == "unknown"
    assert not conclude(ledger, held, Decision(PostStatus.PENDING, error="refused"))
    assert status(ledger, post) == "unknown"
    assert not conclude(ledger, held, PUBLISHED)
    assert status(ledger, post) == "published"  # a receipt is evidence of the best kind, however late it comes
    with ledger.read() as tx:
        assert tx.scalar(sa.select(schema.attempts.c.receipt_id)) == "11"


def test_a_clock_that_is_put_back_a_little_ends_no_healthy_claim(ledger: Ledger) -> None:
    make_posts(ledger, 1)
    assert claim(ledger) is not None
    with ledger.begin() as tx:
        assert delivery.expire(tx, LEASE, START - timedelta(minutes=9)) == []
        assert len(delivery.expire(tx, LEASE, START - timedelta(minutes=11))) == 1


def test_a_retry_has_a_new_epoch_and_holds_back_the_others(ledger: Ledger) -> None:
    make_posts(ledger, 2)
    held = claim(ledger)
    assert held is not None
    later = START + timedelta(minutes=1)
    conclude(ledger, held, Decision(PostStatus.PENDING, error="refused", not_before=later))
    assert claim(ledger) is None
    again = claim(ledger, later)
    assert again is not None
    assert (again.post, again.epoch) == (held.post, 2)
    assert not conclude(ledger, held, PUBLISHED)  # the old epoch


def test_a_paused_or_waiting_channel_claims_nothing(ledger: Ledger) -> None:
    make_posts(ledger, 1)
    held = claim(ledger)
    assert held is not None
    until = START + timedelta(minutes=5)
    conclude(ledger, held, Decision(PostStatus.PENDING, channel_until=until, refused=True))
    assert claim(ledger) is None
    with ledger.begin() as tx:
        assert channel_states.channel_state(tx, "x", START).rejections == 1
    held = claim(ledger, until)
    assert held is not None
    conclude(ledger, held, Decision(PostStatus.PENDING, pause="dead token", refused=True))
    assert claim(ledger, until + timedelta(days=30)) is None
    with ledger.read() as tx:
        assert queries.paused_channels(tx) == {"x": "dead token"}


def test_the_database_itself_refuses_a_second_post_in_flight(ledger: Ledger) -> None:
    first, second = make_posts(ledger, 2)
    with ledger.begin() as tx:
        tx.execute(schema.posts.update().where(schema.posts.c.id == first).values(status="unknown"))
    with pytest.raises((LedgerError, IntegrityError)), ledger.begin() as tx:
        tx.execute(schema.posts.update().where(schema.posts.c.id == second).values(status="publishing"))


def test_the_database_itself_refuses_a_receipt_twice_and_published_without_one(ledger: Ledger) -> None:
    first, second = make_posts(ledger, 2)
    where = schema.posts.c.id
    with ledger.begin() as tx:
        tx.execute(schema.posts.update().where(where == first).values(status="published", receipt_id="1"))
    for values in ({"status": "published", "receipt_id": "1"}, {"status": "published"}):
        with pytest.raises(LedgerError), ledger.begin() as tx:
            tx.execute(schema.posts.update().where(where == second).values(**values))


def test_listing_posts(ledger: Ledger) -> None:
    made = make_posts(ledger, 3)
    held = claim(ledger)
    assert held is not None
    conclude(ledger, held, PUBLISHED)
    with ledger.read() as tx:
        assert [row.id for row in queries.post_rows(tx)] == made
        assert [row.id for row in queries.post_rows(tx, after=queries.before_newest(tx, 2, (), None, None))] == made[1:]
        assert [row.id for row in queries.post_rows(tx, statuses=[PostStatus.PUBLISHED])] == made[:1]
        assert queries.post_rows(tx, channel="page") == []
        assert list(queries.post_rows(tx, digest="other")) == []
        row, *_ = queries.post_rows(tx)
        assert (row.digest, row.slot, row.receipt) == ("latest", "slot 0", PUBLISHED.receipt)
        assert queries.status_counts(tx) == {PostStatus.PUBLISHED: 1, PostStatus.PENDING: 2}


def test_a_rehearsal_keeps_nobody_waiting(ledger: Ledger) -> None:
    """Whatever is written in it, others write the same rows at once."""
    fill(ledger, 2)
    with ledger.rehearsal() as other:
        fill(other, 5)
        with other.begin() as tx:
            source_states.claim_poll(tx, "store", timedelta(hours=1), START, at_once=True)  # locks its row
            tx.execute(sa.update(schema.summaries).values(body="in the rehearsal"))
        write_elsewhere(ledger)
        with other.read() as tx:
            assert set(tx.scalars(sa.select(schema.summaries.c.body))) == {"in the rehearsal"}
    with ledger.read() as tx:
        assert set(tx.scalars(sa.select(schema.summaries.c.body))) == {"by the writer"}


def write_elsewhere(ledger: Ledger) -> None:
    """Write the same rows from another thread, which must not have to wait."""

    def write() -> None:
        with ledger.begin() as tx:
            source_states.claim_poll(tx, "store", timedelta(hours=1), START, at_once=True)
            tx.execute(sa.update(schema.summaries).values(body="by the writer"))

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(20)
    assert not writer.is_alive()


def test_what_a_rehearsal_takes_back_it_does_not_write_elsewhere_later(ledger: Ledger) -> None:
    fill(ledger, 1)
    with ledger.rehearsal() as other:
        with pytest.raises(RuntimeError, match="on the way"), other.begin() as tx:
            tx.execute(sa.update(schema.summaries).values(body="first"))
            raise RuntimeError("on the way")
        with other.begin() as tx:
            tx.execute(sa.update(schema.summaries).values(body="in the rehearsal"))
        write_elsewhere(ledger)
    with ledger.read() as tx:
        assert set(tx.scalars(sa.select(schema.summaries.c.body))) == {"by the writer"}


def test_no_free_connection_is_an_error_of_the_ledger(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_free(*_: object, **__: object) -> None:
        raise sa.exc.TimeoutError("QueuePool limit")

    monkeypatch.setattr(ledger.engine.pool, "connect", none_free)
    with pytest.raises(LedgerError, match="no connection was free in time"), ledger.read():
        pass


def test_a_copy_that_cannot_be_made_is_an_error_of_the_ledger(
    sqlite_ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(LedgerError, match="cannot be copied"), sqlite_ledger.rehearsal():
        pass
