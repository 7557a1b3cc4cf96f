"""Several hosts on one ledger: clocks that differ, a link that is cut in a transaction, an older release beside a
newer."""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.common import ROOT
from bench.faults.harness import Outcome, count, fill, finish, operate, settled, workers
from bench.faults.worker import CUT_IDLE
from digestbot.ledger import Ledger, schema
from digestbot.ledger.schema import attempts
from digestbot.sandbox import Sandbox

FAKETIME = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


def fake_clock(offset: str = "", file: str = "") -> dict[str, str]:
    """The environment of a host whose clock is off by so much, or by what a file says at the time."""
    assert FAKETIME is not None
    found = {"LD_PRELOAD": FAKETIME, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}
    return found | ({"FAKETIME_TIMESTAMP_FILE": file} if file else {"FAKETIME": offset})


def expired(database: str) -> int:
    """How many healthy claims were taken for dead: their receipts came after somebody had given them up."""
    ledger = Ledger(database)
    with ledger.read() as tx:
        late = sa.and_(attempts.c.receipt_id.is_not(None), attempts.c.error.is_not(None))
        found = int(tx.scalar(sa.select(sa.func.count()).where(late)) or 0)
    ledger.close()
    return found


def clocks_apart(database: str, seed: int, seconds: float, strategy: str = "digestbot") -> tuple[Outcome, int]:
    """Two hosts on one database, their clocks so far apart; the platform takes its time, so claims overlap ticks."""
    with Sandbox() as sandbox:
        sandbox.faults.refuse_duplicates = False
        fill(database, sandbox.url, 8)
        sandbox.faults.at_random({"drop-after": 0.1, "503-before": 0.1}, seed)
        api: Any = sandbox.apis["twitter"]
        real = api.create

        def slow(*arguments: object) -> object:
            time.sleep(0.15)
            return real(*arguments)

        api._routes[0] = ("POST", r"/2/tweets", slow)
        with (
            workers(sandbox.url, database, strategy) as here,
            workers(sandbox.url, database, strategy, fake_clock(f"{seconds:+g}s")) as there,
        ):
            for crowd in (here, there, here, there):
                crowd.spawn()
            _until_settled(database, sandbox, 60)
        outcome = count(database, sandbox)
    return outcome, expired(database)


def clock_steps(database: str, seed: int) -> Outcome:
    """One machine, whose clock is put forward and back by up to an hour while processes work and die."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, Sandbox() as sandbox:
        file = Path(folder, "offset")
        file.write_text("+0")
        sandbox.faults.refuse_duplicates = False
        fill(database, sandbox.url, 8)
        sandbox.faults.at_random({"drop-after": 0.1, "503-before": 0.1}, seed)
        with workers(sandbox.url, database, "digestbot", fake_clock(file=str(file))) as crowd:
            end = time.monotonic() + 60
            kills = 0
            while time.monotonic() < end and not (settled(database) and kills >= 6):
                while len(crowd.pids) < 3:
                    crowd.spawn()
                time.sleep(draw.uniform(0.1, 0.5))
                if kills < 6:
                    file.write_text(draw.choice(["+0", "+1", "-1", "+600", "-600", "+3600", "-3600"]))
                    crowd.kill(draw.choice(crowd.pids))
                    kills += 1
        outcome = finish(database, sandbox)
    outcome.kills = kills
    return outcome


def _until(reached: Callable[[], bool], seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not reached():
        meanwhile()
        time.sleep(0.05)


def _until_settled(database: str, sandbox: Sandbox, seconds: float) -> None:
    _until(lambda: settled(database), seconds, lambda: operate(database, sandbox))


def releases(database: str, seed: int) -> tuple[Outcome, int]:
    """Two processes publish; a newer release upgrades the ledger when a part is out. Return also how many of the old
    ones are left: each looks at the ledger's revision before it claims, whether there is anything to claim or not."""
    upgraded_at = random.Random(seed).randint(4, 30)  # of 40 posts
    with Sandbox() as sandbox:
        sandbox.faults.refuse_duplicates = False
        fill(database, sandbox.url, 20)
        ledger = Ledger(database)

        def stand_at(revision: str) -> None:
            with ledger.begin() as tx:
                tx.execute(sa.text("UPDATE alembic_version SET version_num = :to"), {"to": revision})

        stand_at("0000")  # what the old release knows
        with workers(sandbox.url, database, "old") as old, workers(sandbox.url, database, "digestbot") as new:
            for _ in range(2):
                old.spawn()
            _until(
                lambda: (
                    len(sandbox.world.timelines["twitter"]) + len(sandbox.world.timelines["facebook"]) >= upgraded_at
                ),
                30,
            )
            stand_at(schema.REVISION)
            new.spawn()
            _until_settled(database, sandbox, 60)
            _until(lambda: not any(map(_lives, old.pids)), 10)
            left = sum(map(_lives, old.pids))
        ledger.close()
        outcome = count(database, sandbox)
    return outcome, left


def _lives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    return False


# ---- two hosts in network namespaces


class Bridge:
    """Carries TCP from an address of the bridge to a database on loopback, as a network between two hosts does."""

    def __init__(self, host: str, target: tuple[str, int]) -> None:
        self._listener = socket.create_server((host, 0))
        self._target = target
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    @staticmethod
    def _carry(near: socket.socket, far: socket.socket) -> None:
        with near, far, contextlib.suppress(OSError):
            while True:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(65536)
                    if not data:
                        return
                    (far if one is near else near).sendall(data)

    def close(self) -> None:
        self._listener.close()


CUT = """
import sys, time, pathlib
sys.argv = ["worker", {url!r}, {database!r}, "digestbot"]
from bench.faults import worker
from digestbot.pipeline import delivery_worker
real = delivery_worker.DeliveryWorker._claim
def slowly(self, *arguments):
    claim = real(self, *arguments)
    if claim is not None:
        pathlib.Path({flag!r}).touch()  # inside the transaction: cut the link now
        time.sleep(1)
    return claim
delivery_worker.DeliveryWorker._claim = slowly
worker.main()
"""


@contextlib.contextmanager
def namespace() -> Iterator[str | None]:
    """A network namespace of its own behind a link; returns the link's near end, None where none can be made."""
    name, near, far = "digestbot-far", "dgbt2", "dgbt3"
    if subprocess.run(["ip", "netns", "add", name], check=False).returncode:
        yield None
        return
    try:
        for command in (
            f"ip link add {near} type veth peer name {far} netns {name}",
            f"ip addr add 10.77.1.1/24 dev {near}",
            f"ip link set {near} up",
            f"ip -n {name} addr add 10.77.1.2/24 dev {far}",
            f"ip -n {name} link set {far} up",
            f"ip -n {name} link set lo up",
        ):
            subprocess.run(command.split(), check=True)
        yield near
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def cut_in_a_transaction(database: str, times: int = 3) -> tuple[Outcome, float] | None:
    """A host is cut off the database inside its claim's transaction, and killed; how long does that block another
    host, on the same channels?"""
    address = sa.make_url(database)
    with namespace() as link, tempfile.TemporaryDirectory() as folder:
        if link is None:
            return None
        bridge = Bridge("10.77.1.1", (str(address.host), int(address.port or 5432)))
        far = address.set(host="10.77.1.1", port=bridge.port).render_as_string(hide_password=False)
        blocked = 0.0
        with Sandbox(host="10.77.1.1") as sandbox:
            sandbox.faults.refuse_duplicates = False
            fill(database, sandbox.url, 6)
            for number in range(times):
                flag = Path(folder, f"in{number}")
                script = CUT.format(url=sandbox.url, database=far, flag=str(flag))
                host = subprocess.Popen(
                    ["ip", "netns", "exec", "digestbot-far", sys.executable, "-c", script],
                    cwd=ROOT, stderr=subprocess.DEVNULL, env=os.environ,
                )  # fmt: skip
                end = time.monotonic() + 20
                while not flag.exists() and time.monotonic() < end:
                    time.sleep(0.01)
                subprocess.run(["ip", "link", "set", link, "down"], check=True)
                host.kill()
                host.wait()
                begin = time.monotonic()
                before = len(sandbox.world.timelines["twitter"]) + len(sandbox.world.timelines["facebook"])
                with workers(sandbox.url, database, "digestbot") as crowd:
                    crowd.spawn()
                    while (
                        len(sandbox.world.timelines["twitter"]) + len(sandbox.world.timelines["facebook"]) < before + 3
                    ):
                        if settled(database) or time.monotonic() > begin + CUT_IDLE + 60:
                            break
                        time.sleep(0.05)
                blocked = max(blocked, time.monotonic() - begin)
                subprocess.run(["ip", "link", "set", link, "up"], check=True)
            outcome = finish(database, sandbox)
        bridge.close()
    return outcome, blocked
