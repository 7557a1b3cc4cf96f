"""`python -m bench.samples`: docs/samples.md and docs/cards.png, made again from bench/corpus.py."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import count

from bench.common import ROOT
from bench.corpus import ALL
from digestbot.config import Appearance
from digestbot.domain.budget import Prices, dollars, estimate
from digestbot.domain.model import LinkPolicy, Shape, Summary
from digestbot.platforms.registry import FACEBOOK, TWITTER
from digestbot.platforms.twitter.config import PriceList
from digestbot.rendering.cards import CardMaker
from digestbot.rendering.renderer import Renderer, RenderTarget

HEAD = """\
# What posts look like

Made by `python -m bench.samples` from the summaries in `bench/corpus.py`, with the built-in templates. Lengths are as
the platform counts them, costs as X's prices of August 2026 have it.

## Cards
![Six cards: titles, authors, first sentences, typeset formulas](cards.png)
"""
SETTINGS = [
    ("X, `shape = \"single\"`", TWITTER, {}, ALL),
    ("X, `shape = \"thread\"`, `link = \"last\"`", TWITTER, {"shape": Shape.THREAD, "link": LinkPolicy.LAST},
     [ALL[0], ALL[11]]),
    ("X, `shape = \"roundup\"`", TWITTER,
     {"shape": Shape.ROUNDUP, "heading": "Best of the week", "hashtags": ("#papers",)}, ALL[:5]),
    ("X, `shape = \"roundup\"`, `link = \"last\"`", TWITTER, {"shape": Shape.ROUNDUP, "link": LinkPolicy.LAST},
     ALL[:5]),
    ("Facebook, `shape = \"single\"`, `hashtags = [\"category\"]`", FACEBOOK, {"hashtags": ("category",)},
     [ALL[0], ALL[7]]),
    ("Facebook, `shape = \"roundup\"`", FACEBOOK, {"shape": Shape.ROUNDUP}, ALL[:3]),
]  # fmt: skip


def known(chosen: list[Summary]) -> list[Summary]:
    numbers = count(1)
    return [replace(summary, id=next(numbers)) for summary in chosen]


def page() -> str:
    renderer, pieces = Renderer(), [HEAD]
    for heading, platform, look, chosen in SETTINGS:
        pieces.append(f"## {heading}\n")
        place = RenderTarget("weekly", "x", platform, {})
        for draft in renderer.drafts(Appearance.model_validate(look), place, known(chosen)):
            limit = platform.limit
            cost = estimate(draft.message, Prices(**PriceList().model_dump())) if platform is TWITTER else 0
            told = f"{limit.measure(draft.message.text)} of {limit.most} characters"
            told += f", {dollars(cost)}" if cost else ""
            pieces.append(f"```text\n{draft.message.text}\n```\n{told}\n")
    return "\n".join(pieces)


def sheet() -> bytes:
    """Six cards side by side."""
    from PIL import Image

    maker = CardMaker()
    chosen = [ALL[number] for number in (0, 1, 6, 7, 5, 9)]
    out = Image.new("RGB", (2 * 800 + 30, 3 * 450 + 40), "#8a929b")
    for number, summary in enumerate(chosen):
        with Image.open(io.BytesIO(maker.make(summary, TWITTER).content)) as card:
            small = card.convert("RGB").resize((800, 450), Image.Resampling.LANCZOS)
        out.paste(small, (10 + number % 2 * 810, 10 + number // 2 * 460))
    file = io.BytesIO()
    out.quantize(64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    (ROOT / "docs" / "samples.md").write_text(page(), encoding="utf-8")
    (ROOT / "docs" / "cards.png").write_bytes(sheet())
