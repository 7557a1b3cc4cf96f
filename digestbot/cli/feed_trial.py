"""Reading a feed before it is configured, as the command init does."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from digestbot.cli.common import rehearsing
from digestbot.domain.errors import ConfigError, DigestbotError

if TYPE_CHECKING:
    from digestbot.cli.dialogue import Terminal
    from digestbot.domain.model import Summary


@dataclass(frozen=True)
class FeedTrial:
    """A feed, and its newest summaries if it could be read; otherwise ``problem`` says why. ``private``: it may be read
    from a private network."""

    url: str
    private: bool = False
    newest: Sequence[Summary] = ()
    problem: str = ""


def choose_feed(terminal: Terminal, given: str | None, default: str) -> FeedTrial:
    """Ask for a feed until one can be read, or until the operator insists on one. ``given`` was named on the command
    line, so that there is no question about it. Raises ConfigError if that is not a usable URL."""
    if given is not None:
        problem = _url_problem(given)
        if problem:
            raise ConfigError([f"--feed: {problem}"])
        return _try_feed(terminal, given)
    trial: FeedTrial | None = None
    while True:
        question = "Feed (RSS or Atom), or a web page that names its feed"
        answer = terminal.ask(question, default=trial.url if trial else default)
        if trial and answer == trial.url:
            return trial
        if "://" not in answer:
            answer = f"https://{answer}"
        problem = _url_problem(answer)
        if problem:
            terminal.tell(f"This cannot be used: {problem}.")
            continue
        trial = _try_feed(terminal, answer)
        if trial.newest:
            return trial
        terminal.tell("Enter another one, or press Enter to use this one anyway.")


def _url_problem(text: str) -> str:
    """Return why the configuration would reject this URL of a feed; empty if it would not."""
    from pydantic import ValidationError

    from digestbot.sources.feed.config import FeedSource

    try:
        FeedSource.model_validate({"kind": "feed", "url": text})
    except ValidationError as error:
        return error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
    return "" if text.isprintable() else "write a URL without control characters"


def _try_feed(terminal: Terminal, url: str) -> FeedTrial:
    """Read a feed, or the one that this web page names, and report the result."""
    from digestbot.sources.feed.discovery import named_feeds

    private = _is_private_host(url)
    if private and not terminal.confirm("This address is on a private network. Read it anyway?"):
        return FeedTrial(url, problem="it is on a private network")
    trial = _read(terminal, FeedTrial(url, private))
    if trial.newest:
        return trial
    try:
        named = [feed for feed in named_feeds(url, allow_private=private) if feed != url and not _url_problem(feed)]
    except DigestbotError:
        named = []
    for feed in named[:1]:
        terminal.tell(f"This page names the feed {feed}")
        inside = _is_private_host(feed)
        same_host = urlsplit(feed).hostname == urlsplit(url).hostname
        if inside and not same_host and not terminal.confirm("It is on a private network. Read it?", default=False):
            continue
        trial = _read(terminal, FeedTrial(feed, inside))
    if trial.problem:
        terminal.tell(f"The feed cannot be used: {trial.problem}")
    return trial


def _read(terminal: Terminal, trial: FeedTrial) -> FeedTrial:
    """Return the feed with its newest summaries, or with the problem."""
    from digestbot import config
    from digestbot.sources.fetch import redact_url

    terminal.tell(f"Reading {redact_url(trial.url)} …")
    source = {"kind": "feed", "url": trial.url, "allow_private_addresses": trial.private}
    try:
        with rehearsing(config.build({"sources": {"feed": source}})) as service:
            feed = service.poller.source("feed")
            contents = feed.probe(votes_wanted=False, sections_wanted=False)
    except DigestbotError as error:
        return replace(trial, problem=str(error))
    terminal.tell(f"It has {contents}.")
    return replace(trial, newest=feed.examples)


def _is_private_host(url: str) -> bool:
    """Return True if the URL's host has an address that is not on the public Internet."""
    from digestbot.infra.http_client import is_public

    host = urlsplit(url).hostname or ""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # reading it will explain what is wrong
    return any(not is_public(address) for address in addresses)
