"""A person at a real browser: every page and every action, in light and dark, on a desk and on a telephone; and axe-core,
which looks for what keeps people out. Needs Chromium: Debian's, or DIGESTBOT_TEST_CHROMIUM."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from helpers.web_app import Everything, served, world

from digestbot.domain.model import PostStatus, Route
from digestbot.ledger import (
    alerts,
    approvals,
    backlog_overrides,
    backlog_views,
    queries,
    schema,
    slot_overrides,
)
from digestbot.operator.action_list import ACTIONS
from digestbot.pipeline.app import Service

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = os.environ.get("DIGESTBOT_TEST_CHROMIUM") or shutil.which("chromium")
ROUTE = Route("latest", "x")
PAGES = (
    "/",
    "/calendar",
    "/calendar?view=month",
    "/calendar/slot?digest=latest&channel=page&slot=2026-11-06T09:00",
    "/calendar/slot?digest=best&channel=x&slot=2026-11-06T15:00",
    "/backlog",
    "/backlog?kind=skipped",
    "/approvals",
    "/posts",
    "/why",
    "/why?words=paper",
    "/why?summary=1",
    "/posts/1",
    "/schedules",
    "/schedules/latest",
    "/schedules/latest?channel=x",
    "/statistics",
    "/templates",
    "/templates?template=thread.facebook.txt.j2&summary=13",
    "/audit",
    "/nothing",
)
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 900}},
    "telephone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "has_touch": True},
    "dark telephone": {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}, "has_touch": True},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        message = "needs Chromium: install Debian's, or name one in DIGESTBOT_TEST_CHROMIUM"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Everything]]:
    with world(tmp_path_factory.mktemp("lived")) as made:
        made.live()
        with served(made) as url:
            yield url, made


@pytest.fixture(autouse=True)
def _without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests are told in variables is no configuration."""
    for name in [name for name in os.environ if name.startswith("DIGESTBOT_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def app_state(tmp_path: Path) -> Iterator[tuple[str, Everything]]:
    """A world of its own for what changes it."""
    with world(tmp_path) as made:
        made.live(hours=3)
        with served(made) as url:
            yield url, made


class Person:
    """At a page; whatever the browser complains about is a failure."""

    def __init__(self, browser: Any, url: str, look: str = "light") -> None:
        self.context = browser.new_context(**LOOKS[look])
        self.page, self.url = self.context.new_page(), url
        self.page.set_default_timeout(20_000)
        self.complaints: list[str] = []
        self.page.on("console", lambda line: line.type in ("error", "warning") and self.complaints.append(line.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append(f"dialog {dialog.message}"), dialog.dismiss()))

    def __enter__(self) -> Person:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            print(self.complaints, self.page.locator("main").inner_text())
        self.context.close()
        if kind is None:
            assert self.complaints == []

    def goes_to(self, path: str) -> None:
        self.page.goto(self.url + path)

    def presses(self, name: str, within: Any = None) -> str:
        """A button, and what the page says then."""
        (within or self.page).get_by_role("button", name=name, exact=True).first.click()
        return str(self.page.locator(".note p").inner_text())


@pytest.mark.parametrize("look", ["light", "dark telephone"])  # colors and widths do not depend on each other
def test_every_page_can_be_seen_by_everybody(browser: Any, lived: tuple[str, Everything], look: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    with Person(browser, lived[0], look) as person:
        for path in PAGES:
            answer = person.page.goto(lived[0] + path)
            assert answer.status == (404 if path == "/nothing" else 200), path
            if look in ("light", "dark telephone"):
                found = Axe().run(person.page).response["violations"]
                assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], path
            assert person.page.evaluate("document.documentElement.scrollWidth") <= LOOKS[look]["viewport"]["width"], (
                path
            )
            assert person.page.evaluate("document.images.length ? [...document.images].every(i => i.complete) : true")
        person.complaints = [one for one in person.complaints if "404" not in one]


def test_no_script_of_a_summary_runs_or_is_in_a_page(browser: Any, lived: tuple[str, Everything]) -> None:
    with Person(browser, lived[0]) as person:
        for path in (*PAGES, "/backlog?words=script"):
            person.goes_to(path)
            assert person.page.locator("script:not([src])").count() == 0, path
            assert person.page.locator("img[src='x']").count() == 0, path
            assert person.page.locator("[onerror]").count() == 0, path
        person.goes_to("/backlog?words=script")
        assert "<script>alert(1)</script>" in person.page.locator(".entries").inner_text()
        person.complaints = [one for one in person.complaints if "404" not in one]


def test_the_keyboard_reaches_everything(browser: Any, lived: tuple[str, Everything]) -> None:
    with Person(browser, lived[0]) as person:
        person.goes_to("/backlog")
        person.page.keyboard.press("Tab")
        assert person.page.evaluate("document.activeElement.textContent") == "Skip to content"
        person.page.keyboard.press("Enter")
        assert person.page.url.endswith("#main")
        reached = set()
        for _ in range(60):
            person.page.keyboard.press("Tab")
            reached.add(person.page.evaluate("document.activeElement.getAttribute('aria-label')"))
        assert "Pin: summary 8" in reached


# ---- what a person does


def test_summaries_are_pinned_held_and_skipped_with_undo(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state

    def entry(kind: str = "waiting") -> dict[int, backlog_views.BacklogEntry]:
        from digestbot.domain.filters import DigestFilters
        from digestbot.domain.model import Order

        with made.ledger.read() as tx:
            found = backlog_views.backlog_entries(tx, *ROUTE, Order.OLDEST, DigestFilters(), made.clock(), kind=kind)
        return {one.summary.id or 0: one for one in found}

    with Person(browser, url, "telephone") as person:
        person.goes_to("/backlog")
        assert "Summary 5 is pinned" in person.presses("Pin: summary 5")
        assert next(iter(entry())) == 5
        assert "Summary 5 is no longer pinned" in person.presses("Undo")
        assert next(iter(entry())) == 2
        person.presses("Pin: summary 6")
        assert "is no longer pinned" in person.presses("Unpin: summary 6")
        assert "Summary 3 is held" in person.presses("Hold: summary 3")
        assert entry()[3].waits_for == "held by hand"
        assert "is released" in person.presses("Release: summary 3")
        person.presses("Hold: summary 3")
        assert "is released" in person.presses("Undo")
        assert "Summary 4 is skipped" in person.presses("Skip: summary 4")
        assert 4 not in entry()
        assert "Summary 4 is pending again" in person.presses("Undo")
        person.presses("Skip: summary 4")
        person.page.get_by_label("Show").select_option("skipped")
        person.page.get_by_role("button", name="Show").click()
        assert "Summary 4 is pending again" in person.presses("Restore: summary 4")
        person.page.get_by_label("Search").fill("Number 12")
        person.page.get_by_label("Show").select_option("ready")
        person.page.get_by_role("button", name="Show").click()
        person.page.wait_for_url("**words=Number+12")
        assert person.page.locator(".entries li").count() == 1


def test_slots_are_moved_skipped_and_sent(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    slot = "/calendar/slot?digest=latest&channel=x&slot=2026-11-03T"
    with Person(browser, url, "dark") as person:
        person.goes_to("/calendar")
        person.page.get_by_role("link", name="13:00 latest page").first.click()
        assert person.page.get_by_role("article", name="A post on Facebook").count() == 1
        person.goes_to(slot + "09:00")
        assert person.page.get_by_role("article", name="A post on X").count() == 1
        person.page.get_by_label("Move to").fill("2026-11-03T10:30")
        assert "is moved to Tue 03 Nov, 10:30 UTC" in person.presses("Move")
        person.page.get_by_role("link", name="10:30 latest x").click()
        person.page.get_by_label("Move to").fill("2026-11-03T13:00")
        assert "the digest already has a slot at that time" in person.presses("Move")
        assert person.page.locator(".note.bad").count() == 1
        with made.ledger.read() as tx:
            assert [one.moved_to for one in slot_overrides.changes(tx)[ROUTE]] == [
                made.clock() + timedelta(minutes=1410)
            ]
        assert "follows the schedule again" in person.presses("Undo: latest on x, 2026-11-03T09:00")
        person.goes_to(slot + "17:00")
        assert "is skipped" in person.presses("Skip this slot")
        assert "follows the schedule again" in person.presses("Undo")
        person.goes_to(slot + "13:00")
        shown = person.page.locator(".mock-text").inner_text()
        assert "Created post 3" in person.presses("Send now")
        with made.ledger.read() as tx:
            assert queries.post_row(tx, 3).text.split("\n")[0] == shown.split("\n")[0]
            assert [one.nominal for one in slot_overrides.changes(tx)[ROUTE]] == ["2026-11-03T13:00"]


def test_a_post_is_written_and_approved_ahead(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    with Person(browser, url, "dark telephone") as person:
        person.goes_to("/calendar/slot?digest=latest&channel=x&slot=2026-11-03T09:00")
        person.page.locator("textarea").fill("In my own words: https://example.org/a")
        assert "will have your text" in person.presses("Save")
        assert "In my own words" in person.page.locator(".mock-text").inner_text()
        assert "uses the template again" in person.presses("Use the template again")
        person.page.locator("textarea").fill("x" * 300)
        assert "has 300 characters; it must have 1 to 280" in person.presses("Save")
        person.page.locator("textarea").fill("Mine.")
        person.presses("Save")
        assert "uses the template again" in person.presses("Undo")
        person.goes_to("/calendar/slot?digest=best&channel=x&slot=2026-11-06T15:00")
        assert "Approved" in person.presses("Approve")
        with made.ledger.read() as tx:
            assert backlog_overrides.preapproved(tx) == {("best", "x"): frozenset([1, 2, 3])}
        assert "needs approval again" in person.presses("Undo")
        person.presses("Approve")
        assert "needs approval again" in person.presses("Withdraw approval")


def test_posts_that_wait_are_edited_approved_declined_moved_and_sent(
    browser: Any, app_state: tuple[str, Everything]
) -> None:
    url, made = app_state
    made.tick(days=4, hours=5)  # Friday, 16:00: the roundup waits for approval
    with made.ledger.read() as tx:
        (waiting,) = approvals.posts_needing_approval(tx)
    with Person(browser, url, "telephone") as person:
        person.goes_to("/")
        person.page.get_by_role("link", name=f"Post {waiting}", exact=True).click()
        person.page.get_by_label("Edit the text").fill("x" * 300)
        assert "280" in person.presses("Save")
        assert person.page.get_by_label("Edit the text").input_value() == "x" * 300  # nothing typed is lost
        person.page.get_by_label("Edit the text").fill("Best of my week.")
        assert "has your text" in person.presses("Save")
        assert "has your text" in person.presses("Undo")
        with made.ledger.read() as tx:
            assert queries.post_row(tx, waiting).text.startswith("Best of the week")
        person.page.get_by_label("Create it again at").fill("2026-11-06T17:00")
        assert "is withdrawn; a new one is created at Fri 06 Nov, 17:00" in person.presses("Move")
        made.tick(hours=2)
        with made.ledger.read() as tx:
            (again,) = approvals.posts_needing_approval(tx)
        person.goes_to("/")
        assert f"Declined post {again}; its summaries stay pending" in person.presses(f"Not now: post {again}")
        made.tick(days=7)
        with made.ledger.read() as tx:
            (third,) = approvals.posts_needing_approval(tx)
        person.goes_to(f"/posts/{third}")
        person.page.get_by_label("Decline, with the reason").fill("too dull")
        assert "its summaries are skipped" in person.presses("Decline")
        made.tick(days=7)
        with made.ledger.read() as tx:
            (fourth,) = approvals.posts_needing_approval(tx)
        person.goes_to("/")
        assert f"Approved post {fourth}" in person.presses(f"Approve: post {fourth}")
        person.goes_to(f"/posts/{fourth}")
        assert f"Post {fourth} no longer waits for its time" in person.presses("Send now")
        made.tick(minutes=1)
        person.goes_to(f"/posts/{fourth}")
        assert person.page.locator("h1 .status").inner_text() == "published"
        person.goes_to(f"/posts/{third}")
        assert "too dull" in person.page.locator(".card").first.inner_text()


def waiting_editions(made: Everything) -> list[int]:
    with made.ledger.read() as tx:
        return list(approvals.posts_needing_approval(tx))


def test_many_editions_are_decided_at_once_and_by_keys(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    text = made.file.read_text()
    made.file.write_text(
        text.replace('schedule = "fridays at 15:00"', 'schedule = "0 * * * *"').replace("size = 3", "size = 1")
    )
    service = Service(made.config(), made.ledger, made.clock)
    service.prepare()  # as after a reload
    service.close()
    for _ in range(3):
        made.tick(hours=1)
    first, second, third = waiting_editions(made)[:3]
    with Person(browser, url) as person:
        page = person.page
        person.goes_to("/")
        assert "editions need approval" in page.locator("main").inner_text()
        person.goes_to("/approvals")
        assert "Select at least one edition." in person.presses("Approve selected")
        page.wait_for_load_state()  # with its scripts
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        assert page.evaluate("document.activeElement.getAttribute('aria-labelledby')") == f"edition-{first}"
        page.keyboard.press("x")
        assert page.locator(f"[name=post-{first}]").is_checked()
        page.keyboard.press("x")
        page.keyboard.press("e")
        area = page.get_by_label(f"The text of post {first}")
        with page.expect_response("**/approvals/length"):
            area.fill("A text by hand \U0001f600 https://www.example.org/a/long/path/that/counts/as/23")
        page.locator(f"#length-{first}").get_by_text("41 of 280").wait_for()
        area.fill("x" * 400)
        page.locator(f"#length-{first}").get_by_text("400 of 280, 120 too many").wait_for()
        said = page.get_by_role("button", name="Save").first
        said.click()
        assert "280" in page.locator(".note p").inner_text()
        assert page.get_by_label(f"The text of post {first}").input_value() == "x" * 400  # nothing typed is lost
        page.get_by_label(f"The text of post {first}").fill("Short.")
        assert "has your text" in person.presses("Save")
        page.get_by_label("Select all").check()
        page.locator(f"[name=post-{first}]").uncheck()
        said = person.presses("Approve selected")
        assert f"Approved post {second};" in said
        assert f"Approved post {third};" in said
        page.wait_for_load_state()  # with its scripts
        page.keyboard.press("j")
        page.keyboard.press("d")
        page.locator(".note p", has_text=f"Declined post {first}; its summaries are skipped").wait_for()
        person.goes_to("/approvals")
        assert "Nothing needs approval." in page.locator("main").inner_text()
    assert waiting_editions(made) == []


def test_why_a_paper_was_posted_or_not(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, _ = app_state
    with Person(browser, url) as person:
        page = person.page
        person.goes_to("/why")
        page.get_by_label("Paper or writer").fill("Paper Number 1")
        page.get_by_role("button", name="Search").click()
        assert "4 summaries match" in page.locator("main").inner_text()
        page.get_by_role("link", name="Paper Number 1", exact=True).click()
        shown = page.locator("article").inner_text()
        assert "latest on x: published post" in shown
        assert "best on x: ready It goes out" in shown
        person.goes_to("/why?words=Reader%2012")
        assert "It goes out" in page.locator("article").inner_text()
        person.goes_to("/why?words=nonesuch%00")
        assert "No summary matches “nonesuch”" in page.locator("main").inner_text()


def test_another_backlog_can_be_chosen(browser: Any, lived: tuple[str, Everything]) -> None:
    with Person(browser, lived[0]) as person:
        person.goes_to("/backlog")
        person.page.get_by_label("Digest").select_option("best|x")
        person.page.get_by_role("button", name="Show").click()
        assert "pending for best on x" in person.page.locator("main").inner_text()


def test_everything_is_stopped_with_two_clicks_and_resumed(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    with Person(browser, url, "telephone") as person:
        page = person.page
        person.goes_to("/posts")
        page.get_by_text("Stop everything", exact=True).click()
        page.get_by_label("Reason").fill("a wrong template")
        page.get_by_role("button", name="Stop all channels").click()
        banner = page.locator(".stopped")
        assert "a wrong template" in banner.inner_text()
        person.goes_to("/")
        assert "Stopped" in page.locator(".state").inner_text()
        assert "Nothing is planned while channels are paused." in page.locator("main").inner_text()
        before = {name: len(posts) for name, posts in made.sandbox.world.timelines.items()}
        made.tick(days=1)
        assert {name: len(posts) for name, posts in made.sandbox.world.timelines.items()} == before
        banner.get_by_role("button", name="Resume").click()
        assert "Posting resumed." in page.locator(".note p").inner_text()
        assert page.locator(".stopped").count() == 0


def test_what_is_quarantined_is_resolved_beside_what_was_seen(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    with made.ledger.begin() as tx:
        tx.execute(
            schema.posts.update()
            .where(schema.posts.c.channel == "x")
            .values(status="quarantined", receipt_id=None, receipt_url=None, error="two posts look like it")
        )
        tx.execute(
            schema.timeline_checks.insert().values(
                post_id=1, epoch=1, at=made.clock(), complete=True, read=7, note="two posts look like it: 11, 12"
            )
        )
    with Person(browser, url, "dark") as person:
        person.goes_to("/")
        person.page.get_by_role("link", name="Post 1", exact=True).first.click()
        assert "read 7 posts: two posts look like it: 11, 12" in person.page.locator("main").inner_text()
        assert "choose a decision" in person.presses("Decide")
        person.page.get_by_label("It is on the platform at this URL:").check()
        person.page.get_by_label("URL or id on the platform").fill("somewhere")
        assert "write the post's number, or its URL" in person.presses("Decide")
        person.page.get_by_label("It is on the platform at this URL:").check()
        there = made.sandbox.by_hand("twitter", "A person's own words")
        person.page.get_by_label("URL or id on the platform").fill(there.id)
        said = person.presses("Decide")
        assert "Post 1: quarantined -> published" in said
        assert "on the platform: “A person's own words”" in said
        with made.ledger.read() as tx:
            assert queries.post_row(tx, 1).status is PostStatus.PUBLISHED
        person.goes_to("/posts/1")
        assert "Post 1: published -> quarantined" in person.presses("Reopen")


def test_channels_and_alerts(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    with made.ledger.begin() as tx:
        for subject in ("a", "b"):
            alerts.raise_alert(tx, "deletions", subject, "12 posts would be deleted", made.clock())
    with Person(browser, url, "dark telephone") as person:
        person.goes_to("/")
        assert "Channel x is paused" in person.presses("Pause: x")
        assert "Channel x resumed" in person.presses("Undo")
        person.presses("Pause: page")
        assert "page is paused: paused by an operator" in person.page.locator("main").inner_text()
        assert "Channel page resumed" in person.presses("Resume: page")
        assert "Alert 1 is confirmed" in person.presses("Confirm: alert 1")
        assert "Alert 2 is dismissed" in person.presses("Dismiss: alert 2")
        with made.ledger.read() as tx:
            assert alerts.open_alerts(tx) == []
            done = tx.scalars(sa.select(schema.audit.c.what)).all()
        assert len(done) == 6
        person.goes_to("/audit")
        assert person.page.locator("tbody tr").count() == 6


def test_a_schedule_is_changed_in_its_form(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    before = made.file.read_text()
    with Person(browser, url, "telephone") as person:
        person.goes_to("/schedules")
        person.page.get_by_role("link", name="Edit latest").first.click()
        person.page.wait_for_url("**/schedules/latest")
        schedule = person.page.get_by_label("Schedule", exact=True)
        schedule.fill("daily at 25:00")
        error = person.page.locator("#error-schedule")
        error.get_by_text("25:00").wait_for()
        assert person.page.get_by_role("button", name="Save").is_disabled()
        schedule.fill("every day at 10:00\nfridays at 16:30")
        person.page.get_by_text("new 2026-11-03 10:00 UTC, latest on x").wait_for()
        assert error.inner_text() == ""
        assert person.page.locator(".times").first.locator("li").all_inner_texts()[:2] == [
            "Tue 3 Nov 2026, 10:00",
            "Wed 4 Nov 2026, 10:00",
        ]
        assert "no longer 2026-11-03 09:00 UTC, latest on x" in person.page.locator(".diff").inner_text()
        person.page.get_by_label("Maximum per edition").fill("2")
        said = person.presses("Save")
        assert "The schedule of latest was saved" in said
        kept = made.file.parent / re.findall(r"config\.toml\S+Z", said)[0]
        assert kept.read_text() == before
        after = made.file.read_text()
        assert 'schedule = ["every day at 10:00", "fridays at 16:30"]  # when people read' in after
        assert after.startswith("# Kept by hand.\n")
        assert made.config().digests["latest"].size == 2
        person.goes_to("/schedules/latest?channel=page")
        person.page.get_by_label("Quiet hours").fill("09:30-11:00")
        person.page.get_by_text("skipped: quiet hours").first.wait_for()
        person.presses("Save")
        assert made.config().timing("latest", "page").quiet_hours != ()
        assert made.config().timing("latest", "x").quiet_hours == ()
        person.goes_to("/schedules/latest?channel=page")
        made.file.write_text(made.file.read_text() + "\n# another hand\n")
        person.page.get_by_role("button", name="Save").click()
        assert "Someone else changed the file" in person.page.locator("#outcome").inner_text()
        person.complaints = [one for one in person.complaints if "409" not in one]


def test_templates_are_tried_and_their_mistakes_shown(browser: Any, app_state: tuple[str, Everything]) -> None:
    url, made = app_state
    folder = made.file.parent / "mine"
    folder.mkdir()
    (folder / "short.twitter.txt.j2").write_text("{{ paper.title }}\n{{ paper.nothing }}\n")
    made.file.write_text('templates = "mine"\n' + made.file.read_text())
    with Person(browser, url, "dark") as person:
        person.goes_to("/templates")
        person.page.get_by_role("link", name="summary.twitter.txt.j2").click()
        person.page.get_by_label("Summary", exact=True).fill("5")
        person.page.get_by_role("button", name="Preview").click()
        assert "Paper Number 5" in person.page.locator(".mock-text").inner_text()
        person.page.get_by_role("link", name="short.twitter.txt.j2").click()
        assert "line 2" in person.page.get_by_role("alert").inner_text()
        assert person.page.locator(".source .wrong").inner_text() == "{{ paper.nothing }}"
        person.goes_to("/templates?template=short.twitter.txt.j2&summary=999")
        assert "No summary matches '999'" in person.page.get_by_role("alert").inner_text()


def test_figures_are_drawn_without_scripts(browser: Any, lived: tuple[str, Everything]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(lived[0] + "/statistics")
    assert page.locator("svg.chart rect").count() > 6
    page.get_by_text("The numbers").first.click()
    assert page.get_by_role("region", name="Posts per day").get_by_role("row").count() == 31
    context.close()


def test_the_pages_move_without_being_asked(browser: Any, lived: tuple[str, Everything]) -> None:
    with Person(browser, lived[0]) as person:
        person.page.clock.install()
        person.goes_to("/")
        person.page.evaluate("document.querySelector('#today').dataset.old = 'yes'")
        with person.page.expect_response(lived[0] + "/"):
            person.page.clock.fast_forward(61_000)
        person.page.locator("#today:not([data-old])").wait_for()
        assert person.page.locator("#today h2").first.inner_text() == "Needs attention"


def test_a_refresh_leaves_alone_what_is_in_use_and_says_when_nobody_answers(
    browser: Any, lived: tuple[str, Everything]
) -> None:
    with Person(browser, lived[0]) as person:
        page = person.page
        page.clock.install()
        person.goes_to("/")
        page.get_by_role("button", name="Pause: x").focus()
        page.evaluate("document.querySelector('#today').dataset.old = 'yes'")
        page.clock.fast_forward(61_000)
        assert page.locator("#today[data-old]").count() == 1
        assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Pause: x"
        page.evaluate("document.activeElement.blur()")
        page.route("**/", lambda route: route.abort())
        page.clock.fast_forward(61_000)
        page.get_by_text("digestbot does not answer: this page shows how things were").wait_for()
        page.unroute("**/")
        page.clock.fast_forward(61_000)
        page.locator("#stale").wait_for(state="hidden")
        person.complaints.clear()


def test_logging_in_and_out(browser: Any, tmp_path: Path) -> None:
    token = "0123456789abcdef0123456789abcdef"
    with world(tmp_path, f'token = "{token}"') as made:
        made.live(hours=0)
        with served(made) as url, Person(browser, url, "light") as person:
            person.goes_to("/posts?status=failed")
            person.page.get_by_label("Password or token").fill("guess")
            person.page.get_by_role("button", name="Log in").click()
            assert "password or token is wrong" in person.page.get_by_role("alert").inner_text()
            person.page.get_by_label("Password or token").fill(token)
            person.page.get_by_role("button", name="Log in").click()
            person.page.wait_for_url("**/posts?status=failed")
            person.page.get_by_role("button", name="Log out").click()
            person.page.wait_for_url("**/login")
            person.goes_to("/posts")
            assert "/login?to=" in person.page.url
            person.complaints = [one for one in person.complaints if "401" not in one]


def test_every_verb_is_in_this_file() -> None:
    """A new verb is to be tried in a browser too."""
    assert set(ACTIONS) == {
        *("pin", "unpin", "hold", "release", "skip", "unskip", "write", "reset-text", "preapprove", "unapprove"),
        *("move-slot", "skip-slot", "restore-slot", "send-slot", "move-post", "send-now", "approve", "decline"),
        *("edit", "resolve", "retry", "reopen", "pause", "resume", "confirm-alert", "dismiss-alert"),
        *("pause-all", "resume-all"),
    }
