"""`python -m bench.catalogue` writes docs/errors.md from the platforms' error catalogues."""

from __future__ import annotations

from collections.abc import Sequence

from bench.common import ROOT
from digestbot.platforms.error_catalogue import ErrorRow
from digestbot.platforms.facebook.errors import ROWS as FACEBOOK_ROWS
from digestbot.platforms.twitter.errors import ROWS as X_ROWS

PAGE = ROOT / "docs" / "errors.md"
HEAD = """\
# What platforms answer, and what digestbot does

Every answer belongs to somebody: this post, this account, this application, the platform, or nobody knows. What happens
reaches exactly as far. This page is made from the tables that the code uses (`digestbot/platforms/*_errors.py`), by
`python -m bench.catalogue`. The first row that fits counts.

| whose fault | what happens |
|---|---|
| this post | The post is rejected, the next ones go on. Three different posts in a row pause the channel. |
| this account | The channel pauses, its posts stay pending, and the remedy is shown. |
| this application | Every channel of the same application pauses. |
| the platform | The channel waits as the answer says, else longer each time; after five tries the next goes first. |
| nobody knows | The post may exist: it is looked for on the timeline before anything else. |

An answer that no row fits: on X, what is not JSON or has an unknown status is *nobody knows*. On Facebook, an unlisted
code with a 4xx status is *this post*, everything else *nobody knows*.

`digestbot sandbox --fault error:NAME` gives any of these answers.
"""


def page() -> str:
    """The whole page."""
    return HEAD + _table("X", X_ROWS) + _table("Facebook", FACEBOOK_ROWS)


def _table(platform: str, rows: Sequence[ErrorRow]) -> str:
    lines = [
        f"\n## {platform}\n",
        "| name | answer | whose fault | what digestbot does | what to do |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = (f"`{row.name}`", _answer(row), row.fault, f"{row.reaction}: {row.meaning}", row.remedy or "nothing")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _answer(row: ErrorRow) -> str:
    parts = []
    if row.statuses:
        parts.append(_numbers(row.statuses))
    if row.codes:
        parts.append(f"code {_numbers(row.codes)}")
    if row.subcodes:
        parts.append(f"subcode {_numbers(row.subcodes)}")
    if row.words:
        parts.append(f"says `{row.words}`")
    if row.reply_only:
        parts.append("to a reply")
    return ", ".join(parts)


def _numbers(numbers: Sequence[int]) -> str:
    """Numbers in a line, those in a row as a range."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return " ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
