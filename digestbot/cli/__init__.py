"""The command line: arguments, logging, the clock; where all is put together.

Nothing heavy is imported before a command is known to need it.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from importlib import import_module

from digestbot import __version__

OK, TROUBLE, USAGE, ATTENTION = 0, 1, 2, 3

# command -> the module beside this one and the function in it
COMMANDS = {name: ("commands", name) for name in ("run", "once", "preview")}
COMMANDS |= {"send": ("sending", "send"), "check": ("checking", "check")}
COMMANDS |= {name: ("care", name) for name in ("posts", "pause", "resume", "db")}
COMMANDS |= {name: ("asking", name) for name in ("backlog", "alarms")}
COMMANDS |= {name: ("schedules", name) for name in ("plan", "why", "approve", "edit", "decline")}
COMMANDS |= {"web": ("pages", "web")}
COMMANDS |= {name: ("local", name) for name in ("init", "sandbox", "demo")}

_EPILOG = """\
exit codes: 0 done; 1 something went wrong; 2 wrong usage or configuration;
3 done, but something was rejected, is still pending, or needs your decision
(digestbot posts and alarms show what).
The configuration is -c FILE, else $DIGESTBOT_CONFIG, ./config.toml, or
digestbot/config.toml in $XDG_CONFIG_HOME. Results go to stdout, logs to stderr."""


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    raw = argparse.RawDescriptionHelpFormatter
    main_ = argparse.ArgumentParser(
        prog="digestbot",
        description="Publishes digests of research-paper summaries to X and to a Facebook Page.",
        epilog=_EPILOG,
        formatter_class=raw,
    )
    main_.add_argument("--version", action="version", version=f"digestbot {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    for target, default in ((main_, None), (common, argparse.SUPPRESS)):
        target.add_argument("-c", "--config", metavar="FILE", default=default, help="the configuration file")
        target.add_argument(
            "-v",
            "--verbose",
            action="store_true",
            default=default or False if target is main_ else default,
            help="log every step",
        )
        target.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            default=default or False if target is main_ else default,
            help="log only what went wrong",
        )
    commands = main_.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, help_: str, *, json: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, help=help_, description=help_[0].upper() + help_[1:] + ".", parents=[common]
        )
        if json:
            command.add_argument("--json", action="store_true", help="print results as JSON")
        return command

    add("run", "run the service: publish on schedule until told to stop (SIGTERM or SIGINT)", json=False)
    add("once", "do all that is due now, then end: for cron")
    send = add("send", "make and publish editions of a digest now, outside its schedule")
    send.add_argument("digest", metavar="DIGEST")
    send.add_argument("--count", type=_positive, default=1, metavar="N", help="how many editions on each channel (1)")
    send.add_argument("--channel", metavar="CHANNEL", help="only on this one of the digest's channels")
    send.add_argument("--approve", action="store_true", help="approve the editions of a digest that needs approval")
    send.add_argument("--yes", action="store_true", help="do not ask before more than five posts")
    send.add_argument("--dry-run", action="store_true", help="show what would be sent; sends and writes nothing")
    preview = add("preview", "show exactly what would be sent next; reads the sources, touches nothing")
    preview.add_argument("digest", metavar="DIGEST")
    preview.add_argument("--channel", metavar="CHANNEL", help="only this one of the digest's channels")
    plan = add("plan", "show what will be posted when, at which cost, and which slots stay empty; touches nothing")
    plan.add_argument("--days", type=_positive, default=7, metavar="N", help="for so many days (7)")
    plan.add_argument(
        "--from", dest="begin", metavar="TIME", help="from this time on, such as 2026-12-24 or 2026-12-24T18:00"
    )
    plan.add_argument("--digest", metavar="DIGEST", help="only this digest")
    plan.add_argument("--channel", metavar="CHANNEL", help="only this channel")
    why = add("why", "explain a summary: why it appeared, what holds it, when it goes out, or why it does not")
    why.add_argument(
        "summary", metavar="SUMMARY", help="its id (digestbot backlog shows it), its address, or its paper's key"
    )
    approve = add("approve", "let an edition be posted that waits for your word; without ID, list those that do")
    edit = add("edit", "change the text of a post that waits for approval", json=False)
    texts = edit.add_mutually_exclusive_group()
    texts.add_argument("--text", metavar="TEXT", help="what it is to say")
    texts.add_argument(
        "--file", metavar="FILE", help="the file that has it (- for standard input); without either, $EDITOR"
    )
    decline = add("decline", "do not post an edition that waits for your word", json=False)
    decline.add_argument("--reason", default="by hand", metavar="TEXT", help="kept with its summaries")
    decline.add_argument("--later", action="store_true", help="let its summaries wait for another edition")
    approve.add_argument("id", type=_id, nargs="?", metavar="ID", help="one of its posts")
    edit.add_argument("id", type=_id, metavar="ID", help="the post")
    decline.add_argument("id", type=_id, metavar="ID", help="one of its posts")
    backlog = add("backlog", "list what a digest would publish next, and what waits for what")
    backlog.add_argument("digest", metavar="DIGEST")
    backlog.add_argument("--channel", metavar="CHANNEL", help="only for this one of the digest's channels")
    backlog.add_argument("--limit", type=_positive, metavar="N", help="only the first N of each channel")
    alarms = add("alarms", "list what waits for your word, and give it")
    words = alarms.add_subparsers(dest="action", metavar="[ACTION]", title="your word on one alarm")
    for name, help_ in (
        ("confirm", "it is right: do what the alarm holds back"),
        ("dismiss", "let the posts be as they are"),
    ):
        words.add_parser(name, help=help_, parents=[common]).add_argument("id", type=_id, metavar="ID")
    posts = add("posts", "list what was posted and what waits, in the order it was made")
    posts.add_argument(
        "--status", action="append", metavar="STATUS", help="only posts that stand here (may be repeated)"
    )
    posts.add_argument("--channel", metavar="CHANNEL", help="only posts on this channel")
    posts.add_argument("--digest", metavar="DIGEST", help="only posts of this digest")
    posts.add_argument("--limit", type=_positive, metavar="N", help="only the newest N")
    actions = posts.add_subparsers(dest="action", metavar="[ACTION]", title="actions on one post")
    show = actions.add_parser("show", help="everything about one post: text, attempts, what was seen", parents=[common])
    show.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print it as JSON")
    resolve = actions.add_parser("resolve", help="settle a post that needs your decision", parents=[common])
    decision = resolve.add_mutually_exclusive_group(required=True)
    decision.add_argument(
        "--published", metavar="URL", help="it is on the platform, at this address or id: read back and compared"
    )
    decision.add_argument("--retry", action="store_true", help="it is not: look for it once more, then send it again")
    decision.add_argument("--skip", action="store_true", help="it is not, and is not wanted")
    retry = actions.add_parser(
        "retry", help="look for a failed or quarantined post, then send it again", parents=[common]
    )
    reopen = actions.add_parser("reopen", help="take back what was decided about a post by hand", parents=[common])
    for action in (show, resolve, retry, reopen):
        action.add_argument("id", type=_id, metavar="ID")
    pause = add("pause", "pause a channel until it is resumed; its posts stay pending", json=False)
    pause.add_argument("channel", metavar="CHANNEL")
    pause.add_argument("--reason", default="paused by hand", metavar="TEXT", help="shown wherever the pause is")
    add("resume", "resume a paused or waiting channel", json=False).add_argument("channel", metavar="CHANNEL")
    db = add("db", "care for the ledger", json=False)
    care = db.add_subparsers(dest="action", metavar="ACTION", required=True)
    backup = care.add_parser("backup", help="copy the ledger while it is in use (SQLite)", parents=[common])
    backup.add_argument("file", metavar="FILE", help="a file that is not there yet")
    care.add_parser("check", help="look for damage", parents=[common])
    care.add_parser("upgrade", help="bring the ledger of an older digestbot up to date", parents=[common])
    care.add_parser(
        "restored", help="this ledger is an older copy: read the timelines before posting", parents=[common]
    )
    check = add("check", "check configuration, templates and ledger")
    check.add_argument(
        "--online",
        action="store_true",
        help="also read the sources, ask the platforms about the credentials (X charges for it), send a test alert",
    )
    web = add(
        "web", "show the operators' pages without publishing; run shows them too, if [web] is configured", json=False
    )
    web.add_argument(
        "--set-password",
        action="store_true",
        help="ask for a password (or read it from standard input) and keep its hash",
    )
    init = add("init", "write a commented configuration to start from", json=False)
    init.add_argument("file", nargs="?", default="config.toml", metavar="FILE", help="where to (config.toml)")
    sandbox = add("sandbox", "run a local X and Facebook to rehearse with", json=False)
    sandbox.add_argument(
        "--port", type=_port, default=8780, metavar="N", help="on this loopback port (8780; 0 takes a free one)"
    )
    sandbox.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:TIMES]",
        help="let this go wrong at the next posts, such as drop-after:2; see docs/sandbox.md",
    )
    sandbox.add_argument(
        "--lag", type=float, default=0.0, metavar="SECONDS", help="new posts show in timelines this late"
    )
    demo = add("demo", "show the main job on a bundled feed and a sandbox: no account, no configuration")
    demo.add_argument("--keep", action="store_true", help="leave the pages up for looking, until interrupted")
    demo.add_argument("--database", metavar="PATH", help="keep the ledger in this file; a second run posts nothing new")
    demo.add_argument("--port", type=_port, default=0, metavar="N", help="the sandbox's port (a free one)")
    return main_


def _positive(text: str) -> int:
    if text.isdecimal() and 0 < int(text) <= 10_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 10000")


def _id(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not the number of one")


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port number")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = parser().parse_args(argv)
    from digestbot.errors import ConfigError, DigestbotError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character is no reason to fail
    try:
        module, function = COMMANDS[arguments.command]
        return int(getattr(import_module(f"digestbot.cli.{module}"), function)(arguments))
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        return USAGE
    except DigestbotError as error:
        print(f"digestbot: {error}", file=sys.stderr)
        return TROUBLE
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # the reader of our output went away; keep the interpreter from complaining about it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            print(f"digestbot: {error.strerror or error}", file=sys.stderr)
        return TROUBLE
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        import logging

        logging.getLogger("digestbot").debug("unforeseen", exc_info=True)
        what = f"unforeseen {type(error).__name__}: {error}"
        print(f"digestbot: {what} (-v shows where); please report it", file=sys.stderr)
        return TROUBLE
