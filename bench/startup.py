"""`digestbot --version` against a bare interpreter. Goal: at most 4 times."""

from __future__ import annotations

from bench.common import child, paired


def main(runs: int) -> None:
    ours, floor, ratio = paired(
        lambda: child("-m", "digestbot", "--version")[0], lambda: child("-c", "pass")[0], max(runs, 15)
    )
    print(
        f"startup  --version {ours * 1e3:.0f} ms CPU, python -c pass {floor * 1e3:.0f} ms: {ratio:.2f} times (goal 4)"
    )
