"""Types of command-line arguments."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """Return a whole number from 1 to 10,000. Raises ArgumentTypeError."""
    if text.isdecimal() and 0 < int(text) <= 10_000:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 10000")


def row_id(text: str) -> int:
    """Return the id of a post, an alert or a summary. Raises ArgumentTypeError."""
    if text.isascii() and text.isdecimal() and len(text) < 19:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number")


def seconds(text: str) -> float:
    """Return a time span in seconds: a number of them, or a span such as "15m". Raises ArgumentTypeError."""
    from digestbot.infra.config_values import parse_duration

    try:
        return float(text) if text.replace(".", "", 1).isdecimal() else parse_duration(text).total_seconds()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time span, such as 30 (seconds) or 15m") from None


def port(text: str) -> int:
    """Return a TCP port number; 0 stands for any free port. Raises ArgumentTypeError."""
    if text.isdecimal() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port number")
