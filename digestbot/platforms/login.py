"""Logins: how a platform's account gives digestbot its tokens, as a dialogue with a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from digestbot.domain.errors import DigestbotError


class LoginError(DigestbotError):
    """The platform refused the login, or the person gave something that cannot be used. Nothing was stored."""


class Dialogue(Protocol):
    """The conversation with the person who logs in: on a terminal, perhaps over ssh."""

    def tell(self, text: str) -> None:
        """Show a step."""

    def ask(self, question: str, *, secret: bool = False, default: str | None = None) -> str:
        """Return the answer to a question, stripped; the default for an empty answer. A secret is not echoed. Raises
        LoginError at the end of input if there is no default."""

    def ask_secret(self, question: str, stored: str) -> str:
        """Return the answer to a question for a secret. If one is stored, an empty answer keeps it."""

    def choose(self, question: str, options: Sequence[str], *, default: int | None = None) -> int:
        """Return the index of the option that the person chose; the default for an empty answer."""

    def confirm(self, question: str, *, default: bool = True) -> bool:
        """Return the answer to a yes-or-no question; the default for an empty answer."""


@dataclass(frozen=True)
class LoginResult:
    """What a login brought: ``secrets`` and ``settings`` by their keys in ``[channels.NAME]``.

    ``account`` describes the account for people. ``notes`` are what they should know, such as a missing permission.
    """

    account: str
    secrets: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


class Login(Protocol):
    """One platform's login."""

    def __call__(self, settings: Mapping[str, str], dialogue: Dialogue) -> LoginResult:
        """Lead a person through the login of a channel whose section has these settings. Raises LoginError."""
