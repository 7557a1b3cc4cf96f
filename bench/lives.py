"""`python -m bench.lives --lives 500`: random lives of a service whose schedules, zones, clock and approvals change
(`tests/helpers/lives.py`), with two processes at every moment. Ends with 1 where anything that must hold did not."""

from __future__ import annotations

import argparse
import sys
import time
from importlib import import_module

from bench.common import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lives", description=__doc__)
    parser.add_argument("--lives", type=int, default=500)
    parser.add_argument("--first", type=int, default=1000, help="seed of the first life")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    live = import_module("helpers.lives").live
    begun, compared, failed = time.monotonic(), 0, []
    for seed in range(arguments.first, arguments.first + arguments.lives):
        try:
            compared += live(seed)
        except Exception as error:  # noqa: BLE001 - shown, and the next life is lived
            failed.append(seed)
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
    spent = time.monotonic() - begun
    print(f"{arguments.lives} lives, {compared} rows of plans compared, {len(failed)} failed {failed}, {spent:.0f} s")
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
