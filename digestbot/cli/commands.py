"""What each command does, from parsed arguments to an exit code."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digestbot.cli import ATTENTION, OK, TROUBLE, logs
from digestbot.errors import ConfigError, DigestbotError, RenderError
from digestbot.model import PostStatus

if TYPE_CHECKING:
    from digestbot.config import Config
    from digestbot.ledger import Ledger
    from digestbot.service import Report, Service


def _now() -> datetime:
    return datetime.now(UTC)


def _config(arguments: argparse.Namespace) -> Config:
    from digestbot import config

    logs.set_up(verbose=arguments.verbose, quiet=arguments.quiet)
    loaded = config.load(config.find(arguments.config, os.environ), os.environ)
    logs.set_up(verbose=arguments.verbose, quiet=arguments.quiet, secrets=loaded.secrets())
    return loaded


def _ledger(config: Config) -> Ledger:
    from digestbot.ledger import Ledger

    return Ledger(config.database.get_secret_value(), config.folder)


@contextmanager
def _service(config: Config, **options: Any) -> Iterator[Service]:
    from digestbot.service import Service

    gc.freeze()  # what was imported stays for good: no collection needs to walk through it
    ledger = _ledger(config)
    try:
        service = Service(config, ledger, _now, **options)
        service.prepare()
        yield service
    finally:
        ledger.close()


def _digest(config: Config, name: str) -> str:
    if name not in config.digests:
        raise ConfigError([f"there is no digest {name!r}; known: {', '.join(config.digests) or 'none'}"])
    return name


def run(arguments: argparse.Namespace) -> int:
    """The service, until a signal."""
    import logging

    from digestbot.scheduler import Metronome

    config = _config(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log = logging.getLogger("digestbot")
    slowest = max((source.timeout for source in config.sources.values()), default=timedelta())
    patience = config.delivery.lease + slowest + timedelta(minutes=5)
    signs: list[Callable[[], None]] = [lambda: None]
    with _service(config, progress=lambda: signs[0](), stopping=stop.is_set) as service:

        def tick(sign: Callable[[], None]) -> None:
            signs[0] = sign
            service.tick()

        log.info(
            "running: %d source(s), %d channel(s), %d digest(s)",
            len(config.sources),
            len(config.channels),
            len(config.digests),
        )
        if not Metronome(tick, patience=patience).run(stop):
            logging.shutdown()
            os._exit(TROUBLE)  # the thread that hangs would keep an orderly exit waiting for ever
        log.info("stopped")
    return OK


def once(arguments: argparse.Namespace) -> int:
    """All that is due, once."""
    with _service(_config(arguments)) as service:
        return _report(arguments, service, service.tick())


def send(arguments: argparse.Namespace) -> int:
    """Editions outside the schedule."""
    config = _config(arguments)
    digest = _digest(config, arguments.digest)
    with _service(config) as service:
        report = service.send(digest, arguments.count)
        if not report.made and not arguments.json:
            print(f"nothing waits for digest {digest}; digestbot preview {digest} says why")
        return _report(arguments, service, report)


def _report(arguments: argparse.Namespace, service: Service, report: Report) -> int:
    from digestbot.cli import output
    from digestbot.ledger import views

    touched = {*report.made, *(post for post, _ in report.concluded)}
    with service.ledger.read() as tx:
        rows = list(views.post_rows(tx, ids=sorted(touched))) if touched else []
        counts = views.status_counts(tx)
        paused = views.paused_channels(tx)
    if arguments.json:
        output.as_json(
            {
                "posts": [output.post_json(row) for row in rows],
                "source_errors": report.source_errors,
                "render_errors": report.render_errors,
                "paused_channels": paused,
                "waiting_for_a_person": sum(counts.get(status, 0) for status in views.ATTENTION),
            }
        )
    else:
        for row in rows:
            print(output.post_line(row))
    if paused or any(counts.get(status) for status in views.ATTENTION):
        for name, reason in paused.items():
            print(f"channel {name} is paused: {reason}", file=sys.stderr)
        return ATTENTION
    return TROUBLE if report.source_errors or report.render_errors else OK


def preview(arguments: argparse.Namespace) -> int:
    """What would be sent next."""
    from digestbot.cli import output
    from digestbot.ledger import Ledger
    from digestbot.service import Service
    from digestbot.text import LIMITS

    config = _config(arguments)
    digest = _digest(config, arguments.digest)
    channels = config.digests[digest].channels
    if arguments.channel is not None and arguments.channel not in channels:
        raise ConfigError([f"digest {digest} has no channel {arguments.channel!r}; it has {', '.join(channels)}"])
    ledger = _ledger(config)
    if ledger.file is not None and not ledger.file.exists():
        ledger = Ledger("sqlite://")  # so that not even an empty file is left behind
    shown = []
    try:
        for channel in [arguments.channel] if arguments.channel else channels:
            found = Service(config, ledger, _now).preview(digest, channel)
            platform, zone = config.platform(channel), config.zone(digest)
            limit = LIMITS[platform]
            slot = found.slot.due.astimezone(zone) if found.slot else None
            shown.append(
                {
                    "digest": digest,
                    "channel": channel,
                    "slot": slot.isoformat() if slot else None,
                    "waiting": found.backlog.get("waiting", 0),
                    "skipped": found.backlog.get("skipped", 0),
                    "posts": [
                        {
                            "text": message.text,
                            "link": message.link,
                            "length": limit.measure(message.text),
                            "limit": limit.most,
                        }
                        for message in found.messages
                    ],
                }
            )
            if arguments.json:
                continue
            when = f"{slot:%a %d %b %Y %H:%M} {zone.key}" if slot else "never again"
            print(
                f"{digest} on {channel} ({platform}), slot {when}; "
                f"{found.backlog.get('waiting', 0)} waiting, {found.backlog.get('skipped', 0)} skipped at first sight"
            )
            for message in found.messages:
                print("\n" + output.framed(message, platform))
            if not found.messages:
                print("\nNothing would be sent." + (" A post would look like this:" if found.sample else ""))
            if found.sample:
                print("\n" + output.framed(found.sample, platform))
            print()
    finally:
        ledger.close()
    if arguments.json:
        output.as_json(shown)
    return OK


def posts(arguments: argparse.Namespace) -> int:
    """What the ledger remembers."""
    from digestbot.cli import output
    from digestbot.ledger import views

    try:
        statuses = [PostStatus(status) for status in arguments.status or ()]
    except ValueError:
        raise ConfigError([f"--status: one of {', '.join(PostStatus)}"]) from None
    ledger = _ledger(_config(arguments))
    if ledger.file is not None and not ledger.file.exists():
        raise ConfigError([f"there is no ledger at {ledger.file} yet; digestbot run or once makes it"])
    try:
        with (
            ledger.read() as tx,
            closing(
                views.post_rows(
                    tx, statuses=statuses, channel=arguments.channel, digest=arguments.digest, newest=arguments.limit
                )
            ) as rows,
        ):
            if arguments.json:
                output.json_rows(rows)
            else:
                output.post_table(rows)
    finally:
        ledger.close()
    return OK


def check(arguments: argparse.Namespace) -> int:
    """Configuration, templates, ledger, and with --online the credentials."""
    from digestbot.cli import output
    from digestbot.publishers import publisher_for
    from digestbot.service import Service

    config = _config(arguments)
    found: list[tuple[str, bool, str]] = [("configuration", True, str(config.path))]

    def look(what: str, test: Callable[[], str]) -> None:
        try:
            found.append((what, True, test()))
        except DigestbotError as error:
            found.append((what, False, str(error)))

    ledger = _ledger(config)
    service = Service(config, ledger, _now)
    for digest, channel in config.pairs():
        look(f"template of {digest} for {channel}", lambda d=digest, c=channel: _renders(service, d, c))  # type: ignore[misc]

    def opens() -> str:
        with ledger.rehearsal() as rehearsed:
            rehearsed.prepare()
        return "can be written"

    if ledger.file is not None and not ledger.file.exists():
        folder = ledger.file.parent
        writable = folder.is_dir() and os.access(folder, os.W_OK)
        found.append(
            (
                "ledger",
                writable,
                f"{ledger.file} "
                + (
                    "will be made at the first run"
                    if writable
                    else f"cannot be made: {folder} is not a folder one may write to"
                ),
            )
        )
    else:
        look("ledger", opens)
    ledger.close()
    if arguments.online:
        for name, channel_settings in config.channels.items():

            def asks(channel_settings: Any = channel_settings) -> str:
                account, advice = publisher_for(channel_settings).verify(seconds=60)
                if advice:
                    raise RenderError("; ".join([account, *advice]))
                return account

            look(f"channel {name}", asks)
    if arguments.json:
        output.as_json([{"what": what, "ok": ok, "detail": detail} for what, ok, detail in found])
    else:
        for what, ok, detail in found:
            print(f"{'ok  ' if ok else 'BAD '} {what}: {detail}")
    return OK if all(ok for _, ok, _ in found) else TROUBLE


def _renders(service: Service, digest: str, channel: str) -> str:
    from digestbot.service import SAMPLE
    from digestbot.text import LIMITS

    message = service.message(digest, channel, SAMPLE)
    limit = LIMITS[service.config.platform(channel)]
    return f"renders ({limit.measure(message.text)} of {limit.most} characters for a sample)"


def init(arguments: argparse.Namespace) -> int:
    """A commented configuration."""
    target = Path(arguments.file)
    packaged = Path(__file__).parent.parent / "config.example.toml"
    example = packaged if packaged.is_file() else packaged.parent.parent / packaged.name
    try:
        with target.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # it is going to hold keys
            file.write(example.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError([f"{target} exists already; it was left as it is"]) from None
    except OSError as error:
        raise ConfigError([f"{target}: cannot be written: {error.strerror}"]) from error
    print(f"wrote {target}; fill in the keys, then: digestbot -c {target} check")
    return OK


def sandbox(arguments: argparse.Namespace) -> int:
    """A local X and Facebook, until a signal."""
    from digestbot.sandbox import Sandbox

    logs.set_up(verbose=arguments.verbose, quiet=arguments.quiet)
    try:
        server = Sandbox(arguments.port)
    except OSError as error:
        raise DigestbotError(f"port {arguments.port} cannot be had: {error.strerror}") from error
    server.faults.lag = arguments.lag
    for wanted in arguments.fault:
        kind, _, times = wanted.partition(":")
        try:
            server.faults.add(kind, times=int(times or 1))
        except ValueError as error:
            raise ConfigError([f"--fault {wanted}: {error}"]) from error
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with server:
        print(f"sandbox at {server.url} (api_url for both platforms; its pages are there too)", flush=True)
        stop.wait()
    return OK


def demo(arguments: argparse.Namespace) -> int:
    """The main job, shown."""
    from digestbot import demo as show
    from digestbot.cli import output
    from digestbot.model import Message, Platform

    logs.set_up(verbose=arguments.verbose, quiet=not arguments.verbose)
    database = Path(arguments.database) if arguments.database else None
    with show.play(_now(), database, arguments.port) as played:
        world, url = played.sandbox.world, played.sandbox.url
        made = sum(len(report.made) for report in played.reports)
        failed = [row for row in played.rows if row.status != PostStatus.PUBLISHED]
        if arguments.json:
            output.as_json(
                {
                    "url": url,
                    "new_posts": made,
                    "twitter": [{"id": post.id, "text": post.text} for post in world.tweets],
                    "facebook": [{"id": post.id, "text": post.text, "link": post.link} for post in world.page_posts],
                    "posts": [output.post_json(row) for row in played.rows],
                }
            )
        else:
            for name, path, timeline, platform in (
                ("X", "/x", world.tweets, Platform.TWITTER),
                ("the Facebook Page", "/facebook", world.page_posts, Platform.FACEBOOK),
            ):
                print(f"\n=== What appeared on {name} ({len(timeline)} posts; {url}{path}) ===")
                for post in timeline:
                    print(f"\n  {datetime.fromtimestamp(post.at, UTC):%a %d %b, %H:%M}")
                    print(output.framed(Message(post.text, post.link), platform))
                if not timeline:
                    print("\n  nothing new: the ledger knows every summary of the feed already")
            print("\n=== What the ledger says ===\n")
            for row in played.rows:
                print(output.post_line(row))
            print(
                f"\n{made} new posts, {len(played.rows)} in all, {len(failed)} not published; ledger: "
                f"{played.database if database else 'in a temporary folder (--database PATH keeps it)'}"
            )
            print(
                f"Both timelines as followers see them: {url}/"
                + ("  (Ctrl-C ends)" if arguments.keep else "  (with --keep it stays up)"),
                flush=True,
            )
        if arguments.keep:
            stop = threading.Event()
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
            stop.wait()
    return TROUBLE if failed else OK


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run,
    "once": once,
    "send": send,
    "preview": preview,
    "posts": posts,
    "check": check,
    "init": init,
    "sandbox": sandbox,
    "demo": demo,
}
