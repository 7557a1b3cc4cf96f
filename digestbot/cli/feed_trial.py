"""Reading a feed before it is configured, as the command init does."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from digestbot.cli.common import rehearsing
from digestbot.domain.errors import ConfigError, DigestbotError

if TYPE_CHECKING:
    from digestbot.cli.dialogue import Terminal
    from digestbot.domain.model import Summary


@dataclass(frozen=True)
class FeedTrial:
    """A feed, and its newest summaries if it could be read. ``private``: it may be read from a private network."""

    url: str
    private: bool = False
    newest: Sequence[Summary] = ()


def choose_feed(terminal: Terminal, given: str | None, default: str) -> FeedTrial:
    """Ask for a feed until one can be read, or until the operator insists on one. ``given`` was named on the command
    line, so that there is no question about it. Raises ConfigError if that is not a URL."""
    if given is not None:
        if not _is_url(given):
            raise ConfigError([f"--feed: {given!r} is not a URL that starts with http:// or https://"])
        return _try_feed(terminal, given)
    url = ""
    while True:
        answer = terminal.ask("Feed (RSS or Atom), or a web page that names its feed", default=url or default)
        if "://" not in answer:
            answer = f"https://{answer}"
        if not _is_url(answer):
            terminal.tell("This is not a URL, such as https://www.example.org/feed.xml.")
            continue
        if answer == url:
            return FeedTrial(url, private=_leads_inside(url))
        trial = _try_feed(terminal, answer)
        if trial.newest:
            return trial
        url = answer
        terminal.tell("Enter another one, or press Enter to use this one anyway.")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False


def _try_feed(terminal: Terminal, url: str) -> FeedTrial:
    """Read a feed, or the one that this web page names, and tell what came of it."""
    from digestbot.sources.feed.discovery import named_feeds

    private = _leads_inside(url)
    if private and not terminal.confirm("This address is on a private network. Read it anyway?"):
        return FeedTrial(url)
    trial, problem = _read(terminal, url, private=private)
    if trial.newest:
        return trial
    try:
        named = named_feeds(url, allow_private=private)
    except DigestbotError:
        named = []
    for feed in named[:1]:
        terminal.tell(f"This page names the feed {feed}")
        private = private and _leads_inside(feed)
        trial, problem = _read(terminal, feed, private=private)
        if trial.newest:
            return trial
    terminal.tell(f"The feed cannot be read: {problem}")
    return FeedTrial(url, private=private)


def _read(terminal: Terminal, url: str, *, private: bool) -> tuple[FeedTrial, str]:
    """Return the feed with its newest summaries, or without any and the problem."""
    from digestbot import config

    terminal.tell(f"Reading {url} …")
    source = {"kind": "feed", "url": url, "allow_private_addresses": private}
    try:
        with rehearsing(config.build({"sources": {"feed": source}})) as service:
            feed = service.poller.source("feed")
            contents = feed.probe(votes_wanted=False, sections_wanted=False)
    except DigestbotError as error:
        return FeedTrial(url, private), str(error)
    terminal.tell(f"It has {contents}.")
    return FeedTrial(url, private, feed.examples), ""


def _leads_inside(url: str) -> bool:
    """Return True if the URL's host has an address that is not on the public Internet."""
    from digestbot.infra.http_client import is_public

    host = urlsplit(url).hostname or ""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # reading it will say what is wrong
    return any(not is_public(address) for address in addresses)
