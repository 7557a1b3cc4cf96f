"""`python -m bench [NAME ...]`: medians of paired runs, each against a floor measured in the same run."""

from __future__ import annotations

import argparse

from bench import intake, memory, polls, publishing, startup

ALL = {
    "startup": startup.main,
    "intake": intake.main,
    "polls": polls.main,
    "publish": publishing.main,
    "memory": memory.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="*", choices=[[], *ALL], help=f"which ({', '.join(ALL)}); all without one")
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each (7)")
    arguments = parser.parse_args()
    for name in arguments.name or ALL:
        ALL[name](arguments.runs)


if __name__ == "__main__":
    main()
