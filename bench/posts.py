"""Texts and pictures. 1,000 summaries of 2 kB with eight formulas each to both platforms' texts, CPU of this process,
against pylatexenc alone on the same formulas (goal: 2.5 s). How many texts a second X's length is counted of, against
normalising them alone (goal: 5,000). A card, against an empty page of its size from the same typesetter, both as
PNG (goal: 40 ms warm, 150 ms the first, in a process of its own; imports are in neither)."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.common import FORMULAS, PROSE, ROOT, paired
from digestbot.config import Appearance
from digestbot.domain.model import Paper, Summary
from digestbot.platforms.registry import PLATFORMS, TWITTER
from digestbot.platforms.twitter.length import weighted_length
from digestbot.rendering.renderer import Renderer, RenderTarget
from digestbot.text import to_unicode

FIRST = (
    "import time; from bench.posts import summaries; import typst, tex2typst;"
    "from digestbot.rendering.cards import CardMaker; from digestbot.platforms.registry import TWITTER;"
    "(one,) = summaries(1, 0); start = time.perf_counter();"
    "CardMaker().make(one, TWITTER); print(time.perf_counter() - start)"
)


def body(draw: random.Random) -> str:
    """About 2 kB with eight formulas, no two alike."""
    vocabulary, sentences = PROSE.split(), []
    for number in range(24):
        words = [draw.choice(vocabulary) for _ in range(12)]
        if number % 3 == 0:
            words[6] = draw.choice(FORMULAS).replace("}", f"}}{draw.randrange(1000)}", 1)
        sentences.append(" ".join(words).capitalize() + ".")
    return "\n\n".join(" ".join(sentences[start : start + 6]) for start in range(0, 24, 6))


def summaries(number: int, seed: int) -> list[Summary]:
    draw = random.Random(seed)
    return [
        Summary(
            Paper(f"conf/bench/Paper{n}", f"A Paper of Number {n} on $\\mathcal{{O}}(n^{{{n}}})$ Learning"),
            f"Reader {n}",
            f"reader{n}",
            body(draw),
            f"http://www.shortscience.org/paper?bibtexKey=conf/bench/{n}#r{n}",
            id=n + 1,
        )
        for n in range(number)
    ]  # fmt: skip


def main(runs: int, *, items: int = 1000) -> None:
    seeds = iter(range(10**6))
    ours, floor, ratio = paired(lambda: _texts(items, next(seeds)), lambda: _formulas(items, next(seeds)), runs)
    told = f"{ours:.2f} s CPU (goal 2.5), pylatexenc alone {floor:.2f} s: {ratio:.2f} times"
    print(f"posts    {items} summaries to both platforms {told}")
    rate, bare, _ = paired(lambda: _lengths(items, weighted_length), lambda: _lengths(items, _normalised), runs)
    print(f"length   {1 / rate:,.0f} texts a second (goal 5,000), {rate / bare:.1f} times NFC alone")
    warm, empty, ratio = paired(*_cards(), runs)
    first = statistics.median(_first() for _ in range(runs))
    print(
        f"card     {warm * 1e3:.1f} ms warm (goal 40), {ratio:.2f} times an empty page ({empty * 1e3:.1f}); the first "
        f"{first * 1e3:.0f} ms (goal 150)"
    )


def _texts(items: int, seed: int) -> float:
    """With caches as they are in a process that has just begun."""
    from digestbot.rendering import template_views

    chosen, renderer = summaries(items, seed), Renderer()
    to_unicode.cache_clear()
    template_views.readable_blocks.cache_clear()
    start = time.process_time()
    for platform in PLATFORMS.values():
        drafts = renderer.drafts(Appearance(), RenderTarget("all", "x", platform, {}), chosen)
        assert len(drafts) == items
    return time.process_time() - start


def _formulas(items: int, seed: int) -> float:
    from pylatexenc.latex2text import LatexNodes2Text

    found = [piece for one in summaries(items, seed) for piece in one.body.split("$")[1::2]]
    converter = LatexNodes2Text(math_mode="text")
    start = time.process_time()
    for formula in found:
        converter.latex_to_text(formula)
    return time.process_time() - start


def _normalised(text: str) -> int:
    return len(unicodedata.normalize("NFC", text))


def _lengths(items: int, measure: Callable[[str], int]) -> float:
    """Seconds a text of a post's length, with an address and some signs beyond ASCII."""
    texts = [f"{one.paper.title}\n\n{one.body[:200]} ∑ᵢ “x” 👍🏽 setup.py\n\n{one.link}" for one in summaries(items, 1)]
    start = time.process_time()
    for text in texts:
        measure(text)
    return (time.process_time() - start) / len(texts)


def _cards() -> tuple[Callable[[], float], Callable[[], float]]:
    import typst

    from digestbot.rendering.cards import CardMaker

    maker, chosen = CardMaker(), iter(summaries(1000, 2))
    folder = TemporaryDirectory()
    file = Path(folder.name) / "empty.typ"
    file.write_text("#set page(width: 1200pt, height: 675pt)\n")
    empty = typst.Compiler(str(file))

    def ours() -> float:
        start = time.perf_counter()
        maker.make(next(chosen), TWITTER)
        return time.perf_counter() - start

    def floor(_keep: TemporaryDirectory[str] = folder) -> float:
        start = time.perf_counter()
        empty.compile(format="png", ppi=72)
        return time.perf_counter() - start

    return ours, floor


def _first() -> float:
    found = subprocess.run([sys.executable, "-c", FIRST], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(found.stdout)
