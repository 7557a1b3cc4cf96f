"""Random lives of a service: two processes at every moment, and an operator who changes schedules, zones and channels,
a clock that is set, and editions that are approved, declined or forgotten. What must hold of each is checked."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import sqlalchemy as sa

from digestbot import config as configuration
from digestbot.config import Config
from digestbot.config.rules import build_posting_rules
from digestbot.domain.errors import LedgerError
from digestbot.domain.model import Paper
from digestbot.ledger import Ledger, alerts, approvals, edit_queue
from digestbot.ledger.schema import editions, posts, slots
from digestbot.operator.approval import Approver
from digestbot.pipeline.app import Report, Service
from digestbot.pipeline.jobs import ALERTS, CHANNELS, UPKEEP
from helpers.basics import START, make_summary
from helpers.planning_harness import Run, planned, raw

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ZONES = ["Europe/Berlin", "Europe/London", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]
SCHEDULES: list[Any] = [
    "hourly",
    "every 3 hours",
    "weekdays at 09:00, 13:00 and 17:30",
    "mondays at 09:00",
    "every 2 hours between 20:00 and 04:00",
    "every 2 weeks on tuesday at 09:00",
    "30 2 * * *",
    ["every day at 09:00", "every other day at 21:00"],
    "first working day of the month at 12:00",
]
KEYS: dict[str, list[Any]] = {
    "schedule": SCHEDULES,
    "timezone": ZONES,
    "quiet_hours": ["22:00-07:00", ["12:00-13:00", "23:00-01:00"]],
    "not_on": [["2026-11-03"], "11-04..11-05", ["2026-11-01..2026-11-30"]],
    "per_day": [1, 2, 5],
    "jitter": ["10 minutes"],
    "catch_up": ["one", "none", "all"],
    "size": [1, 2],
    "approval": [True],
}
_MADE = (
    sa.select(slots, editions.c.id.label("edition"))
    .join(editions, editions.c.slot_id == slots.c.id)
    .where(slots.c.scheduled, editions.c.id > sa.bindparam("after"))
)


class Life(Run):
    """A service, another process beside it, and all that happens to them."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self._folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self._records = _Records()
        logging.getLogger("digestbot").addHandler(self._records)
        self.raw = self._random()
        self.rules: list[tuple[datetime, Config]] = []
        self.beside: tuple[Ledger, Service] | None = None
        super().__init__(
            self.raw, [self._summary(number) for number in range(1, 40)], f"sqlite:///{self._folder.name}/l.db"
        )
        self.arrived = 40
        self.compared = self.checked = 0
        self.undecided_most: Counter[tuple[str, str]] = Counter()

    def _summary(self, number: int) -> Any:
        return make_summary(number, paper=Paper(f"conf/sim/{number}", f"Paper {number}"))

    def _random(self) -> dict[str, Any]:
        draw = self.draw
        found = raw({"x": {"min_distance": draw.choice(["20 minutes", "3 hours"])} if draw.random() < 0.3 else {}})
        digests = {}
        for number in range(draw.randint(1, 2)):
            digest = {"sources": ["store"], "channels": draw.choice([["x"], ["x", "page"]]), "backlog": "all"}
            digest |= {"schedule": draw.choice(SCHEDULES), "overlap": draw.random() < 0.5}
            digest |= {name: draw.choice(values) for name, values in KEYS.items() if draw.random() < 0.25}
            digests[f"d{number}"] = digest
        return found | {"timezone": draw.choice(ZONES), "digests": digests}

    def configure(self, raw: dict[str, Any]) -> None:
        if self.beside is not None:
            self.beside[1].close()
            self.beside[0].close()
        self.config = configuration.build(raw)
        self.service = self.process(self.ledger)
        self.service.prepare()
        url = self.ledger.engine.url.render_as_string(hide_password=False)
        other = Ledger(url, clock=self.clock)
        self.beside = other, self.process(other)
        self.beside[1].prepare()
        since = max([self.clock(), *(at for at, _ in self.rules)])  # as the ledger has it where the clock was put back
        self.rules.append((since, self.config))

    # ---- what happens

    def tick(self, at: datetime) -> None:
        """Both processes do all that is due, at the same moment."""
        self.clock.now = at
        assert self.beside is not None
        services = [self.service, self.beside[1]]
        self.draw.shuffle(services)
        meet, reports = threading.Barrier(2), [Report(), Report()]

        def work(service: Service, report: Report) -> None:
            jobs = {job.name: job for job in service.jobs()}
            meet.wait(30)
            for group in (UPKEEP, CHANNELS, ALERTS):
                for job in jobs.values():
                    if job.group == group:
                        job.run(report)

        threads = [threading.Thread(target=work, args=pair) for pair in zip(services, reports, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        for report in reports:
            assert not report.troubles, report.troubles
        self._count_undecided()
        self._check_slots()

    def stretch(self) -> None:
        """Live on for a while with nothing changed: what the plan says is what is posted."""
        now = self.clock()
        self.tick(now)  # as it does once a configuration is taken up
        end = now + self.draw.choice([5, 11, 30]) * HOUR
        rows = self.service.plan(now, end)
        with self.ledger.read() as tx:
            undecided = approvals.posts_needing_approval(tx)
        before = self.posted()
        moments = {row.at for row in rows} | {now + self.draw.uniform(0, 1) * (end - now) for _ in range(3)} | {end}
        for moment in sorted(moment for moment in moments if now <= moment <= end):
            self.tick(moment)
        after = {key: value for key, value in self.posted().items() if key not in before}
        if not (undecided or any(digest.approval for digest in self.config.digests.values())):
            plan = planned(rows)
            assert after == plan, {
                key: (plan.get(key), after.get(key)) for key in {*plan, *after} if plan.get(key) != after.get(key)
            }
            self.compared += len(rows)

    def stop(self) -> None:
        """Nothing runs for a while."""
        self.clock.now += self.draw.choice([2, 9, 26, 100]) * HOUR

    def arrive_more(self) -> None:
        """New summaries."""
        number = self.draw.choice([1, 3, 20])
        self.arrive([self._summary(self.arrived + one) for one in range(number)])
        self.arrived += number

    def change(self) -> None:
        """Another configuration is taken up; as often as not the processes were stopped meanwhile."""
        draw = self.draw
        if draw.random() < 0.5:
            self.stop()
        digests = {name: dict(digest) for name, digest in self.raw["digests"].items()}
        name = draw.choice(sorted(digests))
        chance = draw.random()
        if chance < 0.1:
            digests[f"{name}again"] = digests.pop(name)  # renamed, and perhaps back later
        elif chance < 0.2 and name.endswith("again"):
            digests[name.removesuffix("again")] = digests.pop(name)
        elif chance < 0.3:
            digests[name]["channels"] = ["x"] if "page" in digests[name]["channels"] else ["x", "page"]
        elif chance < 0.4:
            self.raw["timezone"] = draw.choice(ZONES)
        else:
            key = draw.choice(sorted(KEYS))
            digests[name].pop(key, None) if draw.random() < 0.3 and key != "schedule" else digests[name].update(
                {key: draw.choice(KEYS[key])}
            )
        self.raw = self.raw | {"digests": digests}
        self.configure(self.raw)

    def set_clock(self) -> None:
        """The clock is put back by little or by much, or is far ahead for one tick."""
        chance = self.draw.random()
        if chance < 0.4:
            self.clock.now -= self.draw.choice([10 * MINUTE, 50 * MINUTE, 3 * HOUR])
        else:
            right = self.clock()
            self.tick(right + self.draw.choice([2 * HOUR, 50 * HOUR, 400 * 24 * HOUR]))
            self.clock.now = right
        self.tick(self.clock() + MINUTE)

    def decide(self) -> None:
        """What waits for a person is decided, or not."""
        now = self.clock()
        with self.ledger.read() as tx:
            waiting, raised = approvals.posts_needing_approval(tx), alerts.open_alerts(tx)
        for post in waiting:
            with self.ledger.read() as tx:
                if post not in approvals.posts_needing_approval(tx):
                    continue  # with one before it
            chance = self.draw.random()
            with suppress(LedgerError):  # it is too late, or would be made anew
                if chance < 0.4:
                    Approver(self.service).approve(post)
                elif chance < 0.6:
                    with self.ledger.begin() as tx:
                        approvals.decline(tx, post, "no", now, later=self.draw.random() < 0.5)
        for alert in raised:
            if self.draw.random() < 0.7:
                with self.ledger.begin() as tx:
                    edit_queue.decide_alert(tx, alert.id, confirm=self.draw.random() < 0.5, now=now)

    def live(self, steps: int = 10) -> None:
        """So many things happen, with stretches between."""
        happen = [self.stop, self.arrive_more, self.change, self.change, self.change, self.set_clock, self.decide]
        for _ in range(steps):
            self.draw.choice(happen)()
            if self.draw.random() < 0.7:
                self.decide_about_slots()
                self.stretch()
        self.check()

    def decide_about_slots(self) -> None:
        """The operator answers what keeps slots back: then the plan has nothing open."""
        with self.ledger.read() as tx:
            raised = [alert for alert in alerts.open_alerts(tx) if alert.kind == alerts.MAKE_UP]
        for alert in raised:
            with self.ledger.begin() as tx:
                confirm = self.draw.random() < 0.5
                edit_queue.decide_alert(tx, alert.id, confirm=confirm, now=self.clock())

    # ---- what must hold

    def _count_undecided(self) -> None:
        columns = (editions.c.digest, editions.c.channel, sa.func.count().label("count"))
        query = sa.select(*columns).where(editions.c.approval == "waiting").group_by(*columns[:2])
        with self.ledger.read() as tx:
            for row in tx.execute(query):
                pair = row.digest, row.channel
                self.undecided_most[pair] = max(self.undecided_most[pair], row.count)

    def _check_slots(self) -> None:
        """Each slot that made an edition was one by the rules of its time."""
        with self.ledger.read() as tx:
            for row in tx.execute(_MADE, {"after": self.checked}).all():
                assert self._was_slot(row.digest, row.channel, row.due), (row.digest, row.channel, row.due)
                self.checked = max(self.checked, row.edition)

    def check(self) -> None:
        """No instant twice, nothing made up for that was no slot when it was due, limits kept, no error logged."""
        with self.ledger.read() as tx:
            made = tx.execute(_MADE, {"after": 0}).all()
            shown = Counter(
                tx.scalars(sa.select(posts.c.text).where(posts.c.channel == "page", posts.c.status == "published"))
            )
        assert max(Counter((row.digest, row.channel, row.due) for row in made).values(), default=1) == 1
        if all(not digest.overlap for _, config in self.rules for digest in config.digests.values()):
            assert max(shown.values(), default=1) == 1, shown.most_common(3)
        self._check_undecided()
        assert self._records.errors == [], self._records.errors

    def _was_slot(self, digest: str, channel: str, due: datetime) -> bool:
        """Whether the rules of its time had an open slot then."""
        having = [(since, config) for since, config in self.rules if (digest, channel) in list(config.routes())]
        config = next((config for since, config in reversed(self.rules) if since < due), self.rules[0][1])
        if (digest, channel) not in list(config.routes()):
            if due > having[0][0]:
                return False
            config = having[0][1]  # it is new, and the clock was put back to before it came
        calendar = build_posting_rules(config, digest, channel).calendar
        slot = next(calendar.slots(due - timedelta(seconds=1)), None)
        return slot is not None and slot.due == due

    def _check_undecided(self) -> None:
        """Editions that wait for approval are never more than a limit that held all the time allows."""
        for (digest, channel), most in self.undecided_most.items():
            limits = {
                config.timing(digest, channel).per_day if (digest, channel) in list(config.routes()) else None
                for _, config in self.rules
            }
            if len(limits) == 1 and None not in limits:
                assert most <= max(limit for limit in limits if limit)

    def close(self) -> None:
        logging.getLogger("digestbot").removeHandler(self._records)
        if self.beside is not None:
            self.beside[1].close()
            self.beside[0].close()
        super().close()
        self._folder.cleanup()


class _Records(logging.Handler):
    """The errors that were logged, but for what is said of a clock that stepped back, and of planned pauses."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "the clock stepped back" not in record.getMessage():
            self.errors.append(record.getMessage())


def live(seed: int) -> int:
    """Live a life, and return how many rows of plans were compared with what was posted."""
    life = Life(seed)
    try:
        life.tick(START + HOUR)
        life.live()
        return life.compared
    finally:
        life.close()
