"""The context of log lines: the id of the current post or request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("context", default={})  # noqa: B039 - never mutated


@contextmanager
def log_context(**names: object) -> Iterator[None]:
    """Add these names and values to every line that is logged during the block."""
    before = CONTEXT.set({**CONTEXT.get(), **{name: str(value) for name, value in names.items()}})
    try:
        yield
    finally:
        CONTEXT.reset(before)
