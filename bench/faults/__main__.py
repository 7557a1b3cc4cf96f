"""`python -m bench.faults [PART …]`: the campaign, or parts of it; docs/reliability.md quotes it."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from bench.common import ROOT
from bench.faults import restored
from bench.faults.harness import HEADING, RATES, Outcome, count, fill, finish, settled, soak, workers
from bench.faults.hosts import FAKETIME, clock_steps, clocks_apart, cut_in_a_transaction, releases
from bench.faults.worker import CUT_IDLE
from digestbot.sandbox import Sandbox

BLIND = 12  # seconds for which timelines show nothing: longer than the first two resends take
CALLS = "write,pwrite64,writev,fsync,fdatasync,ftruncate,unlink,connect,sendto,sendmsg,recvfrom,shutdown"


@contextmanager
def databases(kind: str) -> Iterator[str]:
    """An empty database's address."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/ledger.db"
        return
    server = sa.make_url(os.environ["DIGESTBOT_TEST_POSTGRESQL"]).set(drivername="postgresql+psycopg")
    name = f"bench_{uuid.uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


def kinds() -> list[str]:
    return ["sqlite", "postgresql"] if "DIGESTBOT_TEST_POSTGRESQL" in os.environ else ["sqlite"]


def controls(kills: int) -> bool:
    """What is known to be wrong must be caught by this harness, or it proves nothing."""
    print(f"\ncontrols\n{'strategy':<28} {HEADING}")
    caught = True
    for strategy, fault, lies, blind in (
        ("mark-after", "duplicates", False, 0),
        ("mark-before", "lost", False, 0),
        ("no-witness", "duplicates", False, BLIND),
        ("by-link", "touched", True, 0),
    ):
        total = 0
        for seed in range(5):
            with databases("sqlite") as database:
                outcome = soak(database, seed, strategy=strategy, kills=kills, lies=lies, blind=blind)
            total += getattr(outcome, fault)
            print(f"{strategy + f', seed {seed}':<28} {outcome.row()}", flush=True)
            if total:
                break
        caught = caught and total > 0
    print("all are caught" if caught else "NOT CAUGHT: the harness is worth nothing")
    return caught


def soaks(seeds: int, kills: int, *, lies: bool = False, blind: float = 0) -> bool:
    kind_of_soak = ", with lies" if lies else ", behind empty timelines" if blind else ""
    print(f"\nsoak{kind_of_soak}\n{'database, seed':<28} {HEADING}")
    total = Outcome(0, 0, 0, 0, 0)
    for kind in kinds():
        for seed in range(seeds):
            with databases(kind) as database:
                outcome = soak(database, seed, kills=kills, lies=lies, blind=blind)
            total.add(outcome)
            print(f"{kind + f', seed {seed}':<28} {outcome.row()}", flush=True)
    print(f"{'all':<28} {total.row()}")
    return total.fine


def clocks(seeds: int) -> bool:
    """Two hosts whose clocks differ, on PostgreSQL; one machine whose clock steps, on SQLite."""
    if FAKETIME is None:
        print("\nclocks: not tried: needs libfaketime (Debian package faketime)")
        return True
    print(f"\nclocks\n{'':<38} {HEADING}  healthy claims expired")
    fine = True
    if "postgresql" in kinds():
        late = 0
        for strategy, offsets in (("local-clocks", (600,)), ("digestbot", (1, -1, 600, -600, 3600, -3600))):
            for offset in offsets:
                total, expired = Outcome(0, 0, 0, 0, 0), 0
                for seed in range(seeds):
                    with databases("postgresql") as database:
                        outcome, found = clocks_apart(database, seed, offset, strategy)
                    total.add(outcome)
                    expired += found
                print(f"{f'hosts {offset:+d} s apart, {strategy}':<38} {total.row()}  {expired}", flush=True)
                if strategy == "digestbot":
                    fine = fine and total.fine and not expired
                else:
                    late += expired + total.duplicates
        print("local clocks are caught" if late else "LOCAL CLOCKS ARE NOT CAUGHT")
        fine = fine and late > 0
    total = Outcome(0, 0, 0, 0, 0)
    for seed in range(seeds):
        with databases("sqlite") as database:
            total.add(clock_steps(database, seed))
    print(f"{'one clock, put forward and back':<38} {total.row()}", flush=True)
    return fine and total.fine


def hosts(seeds: int) -> bool:
    """An old release beside a new one; a host that is cut off inside a transaction."""
    print(f"\nhosts\n{'':<38} {HEADING}")
    fine = True
    for kind in kinds():
        total, left = Outcome(0, 0, 0, 0, 0), 0
        for seed in range(seeds):
            with databases(kind) as database:
                outcome, still = releases(database, seed)
            total.add(outcome)
            left += still
        print(f"{kind + ', an old release beside a new':<38} {total.row()}  {left} old ones went on", flush=True)
        fine = fine and total.fine and not left
    if "postgresql" in kinds():
        with databases("postgresql") as database:
            found = cut_in_a_transaction(database)
        if found is None:
            print("cut inside a transaction: not tried: network namespaces cannot be made here")
        else:
            outcome, blocked = found
            print(f"{'cut inside a transaction':<38} {outcome.row()}  others blocked for {blocked:.1f} s", flush=True)
            fine = fine and outcome.fine and blocked < CUT_IDLE + 15
    return fine


def restores(seeds: int) -> bool:
    print(f"\nrestored ledgers\n{'':<38} {HEADING}")
    fine = True
    for kind in kinds():
        for way in restored.KINDS:
            total = Outcome(0, 0, 0, 0, 0)
            for seed in range(seeds):
                with databases(kind) as database:
                    total.add(restored.run(database, seed, way))
            print(f"{f'{kind}, {way}':<38} {total.row()}", flush=True)
            fine = fine and total.fine
    return fine


def syscalls(most: int, injections: list[str], first: int = 1, step: int = 1) -> bool:
    """End, or fail, one process at its Nth system call that writes or talks, for every N; then let another one
    bring the work to its end. The platform's faults are on, seeded with N."""
    print(f"\nsystem calls\n{'database, injected':<34} {'runs':>5} {HEADING}")
    fine = True
    for kind in kinds():
        for injected in injections:
            total, runs, missed = Outcome(0, 0, 0, 0, 0), 0, 0
            for number in range(first, most + 1, step):
                with databases(kind) as database, Sandbox() as sandbox:
                    sandbox.faults.refuse_duplicates = False
                    fill(database, sandbox.url, 1, parts=2)
                    sandbox.faults.at_random(RATES, number)
                    worker = [sys.executable, "-m", "bench.faults.worker", sandbox.url, database, "digestbot", "once"]
                    inject = ["-e", f"trace={CALLS}", "-e", f"inject={CALLS}:{injected}:when={number}"]
                    command = ["strace", "-f", "-qq", "-o", "/dev/null", *inject, *worker]
                    code = subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode
                    reached = code != 0 or injected.startswith("error")
                    outcome = finish(database, sandbox)
                runs += 1
                total.add(outcome)
                if not outcome.fine:
                    print(f"  {kind}, {injected} at call {number}: {outcome.row()}", flush=True)
                missed = 0 if reached else missed + 1
                if missed == 5:
                    break  # the process gets through: there is no Nth call, whatever the platform's faults
            total.kills = runs
            print(f"{kind + ', ' + injected:<34} {runs:>5} {total.row()}", flush=True)
            fine = fine and total.fine
    return fine


def disk() -> bool:
    """The ledger on a small tmpfs that fills up while posts are claimed and concluded, then gets room again."""
    print(f"\nfull disk\n{'':<24} {HEADING}")
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder], check=False).returncode:
            print("not tried: a tmpfs cannot be mounted here")
            return True
        try:
            database = f"sqlite:///{folder}/ledger.db"
            with Sandbox() as sandbox:
                sandbox.faults.refuse_duplicates = False
                fill(database, sandbox.url, 40)
                ledger = Path(folder, "ledger.db").stat().st_size
                subprocess.run(["mount", "-o", f"remount,size={ledger // 1024 + 24}k", folder], check=True)
                with workers(sandbox.url, database, "digestbot") as crowd:
                    crowd.spawn()
                    time.sleep(8)
                    crowd.kill(crowd.pids[0])
                before = count(database, sandbox)
                subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
                outcome = finish(database, sandbox)
            print(f"{'while full':<24} {before.row()}\n{'with room again':<24} {outcome.row()}", flush=True)
        finally:
            subprocess.run(["umount", folder], check=True)
    return outcome.fine and before.shown < before.summaries


def link(seconds: float = 25) -> bool:
    """A worker in a network namespace of its own, behind a link that goes down in the middle of requests."""
    print(f"\nlink\n{'':<24} {HEADING}")
    name, near, far = "digestbot", "dgbt0", "dgbt1"
    if subprocess.run(["ip", "netns", "add", name], check=False).returncode:
        print("not tried: network namespaces cannot be made here")
        return True
    draw = random.Random(1)
    try:
        for command in (
            f"ip link add {near} type veth peer name {far} netns {name}",
            f"ip addr add 10.77.0.1/24 dev {near}",
            f"ip link set {near} up",
            f"ip -n {name} addr add 10.77.0.2/24 dev {far}",
            f"ip -n {name} link set {far} up",
            f"ip -n {name} link set lo up",
        ):
            subprocess.run(command.split(), check=True)
        with databases("sqlite") as database, Sandbox(host="10.77.0.1") as sandbox:
            sandbox.faults.refuse_duplicates = False
            fill(database, sandbox.url, 60)
            worker = [sys.executable, "-m", "bench.faults.worker", sandbox.url, database, "digestbot"]
            process = subprocess.Popen(["ip", "netns", "exec", name, *worker], cwd=ROOT, stderr=subprocess.DEVNULL)
            downs, end = 0, time.monotonic() + seconds
            while time.monotonic() < end and not settled(database):
                subprocess.run(["ip", "link", "set", near, "down"], check=True)
                downs += 1
                time.sleep(draw.uniform(0.02, 0.9))
                subprocess.run(["ip", "link", "set", near, "up"], check=True)
                time.sleep(draw.uniform(0.05, 0.6))
            for _ in range(600):
                if settled(database):
                    break
                time.sleep(0.1)
            process.terminate()
            process.wait(10)
            outcome = count(database, sandbox)
        print(f"{f'{downs} times down':<24} {outcome.row()}", flush=True)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    return outcome.fine


def main() -> None:
    parts = ("controls", "soak", "lies", "blind", "clocks", "hosts", "restored", "syscalls", "disk", "link")
    parser = argparse.ArgumentParser(prog="python -m bench.faults", description=__doc__)
    parser.add_argument("what", nargs="*", help=f"{', '.join(parts)}; all without one")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--kills", type=int, default=25, help="to each seed (25)")
    parser.add_argument("--calls", type=int, default=400, help="system calls to try at most (400)")
    parser.add_argument("--first", type=int, default=1, help="begin at this system call, to share the work out (1)")
    parser.add_argument("--step", type=int, default=1, help="and try only every Nth (1)")
    arguments = parser.parse_args()
    seeds, kills = arguments.seeds, arguments.kills
    what = arguments.what or parts
    fine = True
    if "controls" in what:
        fine = controls(kills) and fine
    if "soak" in what:
        fine = soaks(seeds, kills) and fine
    if "lies" in what:
        fine = soaks(seeds, kills, lies=True) and fine
    if "blind" in what:
        fine = soaks(seeds, kills, blind=BLIND) and fine
    if "clocks" in what:
        fine = clocks(seeds) and fine
    if "hosts" in what:
        fine = hosts(seeds) and fine
    if "restored" in what:
        fine = restores(seeds) and fine
    if "syscalls" in what:
        fine = syscalls(arguments.calls, ["signal=KILL"], arguments.first, arguments.step) and fine
        fine = syscalls(min(arguments.calls, 40), ["error=ENOSPC", "error=EIO"]) and fine
    if "disk" in what:
        fine = disk() and fine
    if "link" in what:
        fine = link() and fine
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()
