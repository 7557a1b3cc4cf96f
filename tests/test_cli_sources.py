"""sources, adopt, backlog --take-in and db copy as an operator meets them."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from helpers.basics import Feed
from helpers.feeds import HOST, item, rss, served
from test_cli import called, config, digestbot, world, write  # noqa: F401 - fixtures among them

from digestbot.sandbox import Answer, Sandbox


def test_sources_say_what_their_last_poll_read(config: str, feed: Feed) -> None:  # noqa: F811
    code, _, err = digestbot("sources", "-c", config)
    assert code == 2
    assert "there is no ledger" in err
    feed.override = served(rss([item(1), item(2, link="mailto:x"), *[item(3 + at, link="") for at in range(4)]]))
    digestbot("once", "-c", config)
    code, out, _ = digestbot("sources", "-c", config)
    assert code == 0
    assert "store: OK\n  5 known; next poll " in out
    assert "6 entries: " in out
    assert "1 dropped" in out
    assert "  dropped: 'Essay 2 on" in out
    code, out, _ = digestbot("sources", "store", "--json", "-c", config)
    (one,) = json.loads(out)
    assert one["last_poll"]["dropped"] == 1
    assert one["held_entries"] == []
    code, _, err = digestbot("sources", "nope", "-c", config)
    assert (code, "there is no source 'nope'; known: store" in err) == (2, True)


def test_a_failing_source_and_one_that_was_never_polled(config: str, world: Sandbox, feed: Feed) -> None:  # noqa: F811
    feed.override = Answer(503, b"")
    digestbot("once", "-c", config)
    file = Path(config)
    file.write_text(
        file.read_text().replace("[channels.x]", f'[sources.other]\nkind = "feed"\nurl = "{world.url}/o"\n[channels.x]')
    )
    _, out, _ = digestbot("sources", "-c", config)
    assert "store: failing: " in out
    assert "returned 503" in out
    assert "other: not polled yet" in out


def test_held_entries_are_listed(config: str, feed: Feed) -> None:  # noqa: F811
    feed.override = served(rss([item(58), item(59)]))
    digestbot("once", "-c", config)
    feed.override = served(rss([item(58), item(59), *map(item, range(1, 26))]))
    digestbot("backlog", "latest", "-c", config)
    from digestbot import config as configuration
    from digestbot.cli.common import now_, open_ledger
    from digestbot.pipeline.app import Report, Service

    loaded = configuration.load(Path(config), {})
    ledger = open_ledger(loaded)
    service = Service(loaded, ledger, now_)
    service.poller.poll("store", Report(), at_once=True)
    service.close()
    ledger.close()
    _, out, _ = digestbot("sources", "store", "-c", config)
    assert "  25 old entries arrived at once and are held: digestbot alerts" in out
    assert out.count("  held: 2026-") == 10


def test_a_move_is_accepted_into_the_file(config: str, world: Sandbox, feed: Feed) -> None:  # noqa: F811
    target = Feed()
    target.override = served(rss([item(1)]))
    world.documents["/new.xml"] = target
    _, _, err = digestbot("sources", "--accept-move", "-c", config)
    feed.override = Answer(308, b"", {"Location": f"{world.url}/new.xml"})
    digestbot("once", "-c", config)
    assert "moved to" in digestbot("sources", "-c", config)[1]
    _, _, err = digestbot("sources", "--accept-move", "-c", config)
    assert "name the source" in err
    code, out, _ = digestbot("sources", "store", "--accept-move", "-c", config)
    assert code == 0
    assert f"sources.store.url is now {world.url}/new.xml" in out
    assert f'url = "{world.url}/new.xml"' in Path(config).read_text()
    code, _, err = digestbot("sources", "store", "--accept-move", "-c", config)
    assert (code, "has not moved" in err) == (2, True)


def test_a_url_that_is_not_in_the_file_once_is_left_to_the_operator(
    config: str,  # noqa: F811
    world: Sandbox,  # noqa: F811
    feed: Feed,
) -> None:
    world.documents["/new.xml"] = feed
    feed.override = served(rss([item(1)]))
    world.documents["/rss-full.xml"] = lambda _: Answer(301, b"", {"Location": "/new.xml"})
    digestbot("once", "-c", config)
    file = Path(config)
    file.write_text(file.read_text() + f'# once: "{world.url}/rss-full.xml"\n')
    code, _, err = digestbot("sources", "store", "--accept-move", "-c", config)
    assert (code, "yourself: it is not written there exactly once" in err) == (2, True)


def test_adopting_shows_the_cost_first(config: str, world: Sandbox, feed: Feed) -> None:  # noqa: F811
    feed.override = served(rss([item(1), item(2)]))
    world.by_hand("twitter", f"{item(1)['title']} {HOST}/essays/1", ago=60)
    world.by_hand("twitter", "Have a nice weekend!", ago=30)
    code, _, err = digestbot("adopt", "x", "-c", config)
    assert code == 2
    assert "Reading up to 1000 posts of x costs $1.02 at most: add --yes" in err
    assert "GET" not in " ".join(world.world.calls)
    code, out, _ = digestbot("adopt", "x", "--yes", "-c", config)
    assert code == 0
    assert "x: 2 posts read, for $0.0" in out
    assert "1 summary found on the account; 1 of them pending until now" in out
    assert "1 post with none of the known summaries:" in out
    code, out, _ = digestbot("adopt", "x", "--yes", "--limit", "5", "--json", "-c", config)
    (adopted,) = json.loads(out)["adopted"]
    assert adopted["summary"] == 1
    code, _, err = digestbot("adopt", "nowhere", "-c", config)
    assert (code, "there is no channel 'nowhere'" in err) == (2, True)


def test_adopting_a_free_account_asks_nothing_and_a_failure_is_told(
    config: str,  # noqa: F811
    world: Sandbox,  # noqa: F811
    feed: Feed,
) -> None:
    feed.override = served(rss([item(1)]))
    assert digestbot("adopt", "page", "-c", config)[0] == 0
    world.faults.add("503-before", "facebook", 9, reading=True)
    feed.override = Answer(500, b"")
    code, out, err = digestbot("adopt", "page", "-c", config)
    assert code == 1
    assert "older posts are not known" in out
    assert "returned 500" in err


def test_what_was_skipped_at_first_can_be_taken_in(config: str, world: Sandbox, feed: Feed) -> None:  # noqa: F811
    write(Path(config), world.url, backlog="skip", schedule="0 0 1 1 *")
    feed.override = served(rss([item(number) for number in range(1, 6)]))
    digestbot("once", "-c", config)
    assert "0 pending, 0 taken, 5 skipped" in digestbot("backlog", "latest", "--channel", "x", "-c", config)[1]
    code, out, _ = digestbot("backlog", "latest", "--channel", "x", "--take-in", "2", "-c", config)
    assert (code, out) == (0, "latest on x: 2 summaries are now pending\n")
    digestbot("backlog", "latest", "--channel", "x", "--take-in", "2026-09-06", "-c", config)
    out = digestbot("backlog", "latest", "--channel", "x", "-c", config)[1]
    assert "3 pending" in out
    assert "Essay 3" in out
    assert "Essay 2" not in out
    out = digestbot("backlog", "latest", "--skip", "--json", "-c", config)[1]
    assert [one["skipped"] for one in json.loads(out)] == [3, 0]
    out = digestbot("backlog", "latest", "--take-in", "all", "-c", config)[1]
    assert out == "latest on x: 5 summaries are now pending\nlatest on page: 5 summaries are now pending\n"
    code, _, err = digestbot("backlog", "latest", "--take-in", "some", "-c", config)
    assert (code, 'write "all", how many of the newest' in err) == (2, True)


def test_a_changed_backlog_is_said_to_have_no_effect(config: str, world: Sandbox, feed: Feed) -> None:  # noqa: F811
    feed.override = served(rss([item(1)]))
    digestbot("once", "-c", config)
    assert "no effect" not in digestbot("check", "-c", config)[1]
    write(Path(config), world.url, backlog="skip")
    out = digestbot("check", "-c", config)[1]
    assert 'digest latest on x, backlog: backlog = "skip" has no effect any more: it was "all"' in out


def test_check_online_shows_entries_as_they_would_be_posted(config: str, feed: Feed) -> None:  # noqa: F811
    feed.override = served(rss([item(number) for number in range(1, 6)]))
    out = digestbot("check", "--online", "-c", config)[1]
    assert "source store, now: 5 entries, the newest of " in out
    assert out.count("source store, entry ") == 3
    assert "source store, entry 1 on x: \n  │ Essay 5 on" in out


def test_the_ledger_is_copied_to_another_database(config: str, feed: Feed, tmp_path: Path) -> None:  # noqa: F811
    feed.add(1)
    digestbot("once", "-c", config)
    code, out, _ = digestbot("db", "copy", "--to", "sqlite:///copy.db", "-c", config)
    assert code == 0
    assert "every row was compared" in out
    assert oct((tmp_path / "copy.db").stat().st_mode)[-3:] == "600"
    code, _, err = digestbot("db", "copy", "--to", "sqlite:///copy.db", "-c", config)
    assert (code, "the target is not empty" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "postgresql://ada:secret-word@host/name"], "other users of this machine can see a password there"),
        (["--to", "nonsense"], "write a database URL"),
        (["--to", "mysql://host/name"], "--to: "),
        (["--to-file", "nowhere"], "nowhere: cannot be read"),
        ([], "one of the arguments --to --to-file is required"),
    ],
)
def test_a_target_that_cannot_be_used_is_explained(
    config: str,  # noqa: F811
    feed: Feed,
    arguments: list[str],
    words: str,
) -> None:
    feed.add(1)
    digestbot("once", "-c", config)
    code, out, err = digestbot("db", "copy", *arguments, "-c", config)
    assert code == 2
    assert words in err
    assert "secret-word" not in out + err


def test_the_target_may_be_named_in_a_file(config: str, feed: Feed, tmp_path: Path) -> None:  # noqa: F811
    feed.add(1)
    digestbot("once", "-c", config)
    (tmp_path / "target").write_text("sqlite:///other.db\n")
    assert digestbot("db", "copy", "--to-file", os.fspath(tmp_path / "target"), "-c", config)[0] == 0


def test_posts_of_an_unknown_channel_or_digest_are_rejected(config: str, feed: Feed) -> None:  # noqa: F811
    feed.add(1)
    digestbot("send", "latest", "-c", config)
    assert digestbot("posts", "--channel", "x", "--digest", "latest", "-c", config)[0] == 0
    code, _, err = digestbot("posts", "--channel", "y", "-c", config)
    assert (code, "there is no channel 'y'; known: x, page" in err) == (2, True)
    assert "there is no digest 'z'" in digestbot("posts", "--digest", "z", "-c", config)[2]
    file = Path(config)
    file.write_text(file.read_text().replace("digests.latest", "digests.renamed"))
    assert digestbot("posts", "--digest", "latest", "-c", config)[0] == 0  # the ledger still knows it


def test_every_type_of_column_can_be_exported() -> None:
    import json
    from datetime import UTC, date, datetime

    from digestbot.ledger.exporting import _plain
    from digestbot.ledger.schema import metadata

    examples = {
        "Integer": 1, "BigInteger": 1, "Boolean": True, "String": "a", "Text": "a", "Float": 1.5, "LargeBinary": b"a",
        "JSON": {}, "Date": date(2026, 1, 2), "UtcTime": datetime(2026, 1, 2, tzinfo=UTC),
    }  # fmt: skip
    for table in metadata.tables.values():
        for column in table.columns:
            json.dumps(_plain(examples[type(column.type).__name__]))


def test_everything_can_be_exported(config: str, feed: Feed, tmp_path: Path) -> None:  # noqa: F811
    feed.add(1, body='naïve, 数学 and "quotes"')
    digestbot("send", "latest", "-c", config)
    folder = tmp_path / "export"
    code, out, _ = digestbot("export", str(folder), "-c", config)
    assert (code, f"to {folder}, as JSON and CSV" in out) == (0, True)
    assert oct(folder.stat().st_mode)[-3:] == "700"
    (summary,) = json.loads((folder / "summaries.json").read_text())
    assert (summary["body"], summary["writer"]) == ('naïve, 数学 and "quotes"', "Reader 1")
    with (folder / "posts.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    posts = json.loads((folder / "posts.json").read_text())
    assert [row["text"] for row in rows] == [post["text"] for post in posts]
    assert len(rows) == 2
    names = {one.stem for one in folder.iterdir()}
    assert {"papers", "summaries", "posts", "attempts", "backlog", "editions"} <= names
    assert "web_sessions" not in names
    code, _, err = digestbot("export", str(folder), "-c", config)
    assert (code, "File exists" in err) == (1, True)
