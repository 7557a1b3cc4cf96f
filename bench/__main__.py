"""`python -m bench [NAME ...]`: medians of paired runs, each against a floor measured in the same run."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from bench import database, intake, memory, pages, plans, polls, posts, publishing, punctual, regenerated, startup

ALL = {
    "startup": startup.main,
    "intake": intake.main,
    "polls": polls.main,
    "publish": publishing.main,
    "memory": memory.main,
    "posts": posts.main,
}
STORES: dict[str, Callable[..., None]] = {
    "regenerated": regenerated.main,
    "database": database.main,
    "plans": plans.main,
    "pages": pages.main,
    "punctual": punctual.main,
}  # minutes each


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "name", nargs="*", choices=[[], *ALL, *STORES], help=f"which ({', '.join([*ALL, *STORES])}); all without one"
    )
    parser.add_argument("--runs", type=int, default=7, help="counted runs of each (7)")
    parser.add_argument("--short", action="store_true", help="small stores: to see that it runs, not for figures")
    arguments = parser.parse_args()
    for name in arguments.name or [*ALL, *STORES]:
        if name in ALL:
            ALL[name](arguments.runs)
        else:
            STORES[name](arguments.runs, short=arguments.short)


if __name__ == "__main__":
    main()
