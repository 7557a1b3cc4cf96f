"""A summary as a picture with its formulas typeset, by Typst (the wheel `typst`) and tex2typst.

Nothing is fetched. A formula that cannot be typeset is set as text. A card with a missing glyph is not made.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from digestbot.domain.errors import PictureError
from digestbot.domain.model import CardDesign, Picture, Summary
from digestbot.platforms.base import Platform
from digestbot.rendering.renderer import BUILT_IN, PaperView, SummaryView
from digestbot.rendering.template_views import build_link
from digestbot.rendering.typst_math import typeset
from digestbot.text import (
    FORMULA,
    MOST_FORMULAS,
    UNBROKEN,
    blocks,
    format_names,
    plain_title,
    sanitize,
    sentence_ends,
    spoken,
    to_unicode,
    truncate,
)

MOST_ALT = 420  # characters: a screen reader reads no more at once (X takes 1,000)
MOST_SENTENCES = 12
MOST_TITLE = 300  # characters
MOST_SENTENCE = 260  # characters: four lines in the smallest size
COMPARED = 20  # letters and digits by which a sentence is recognised
CENTRAL = 3  # sentences in one of which a formula is central
MOST_IDEA = 400  # characters of the excerpt with which a card begins
MISSING = "pip install 'digestbot[cards]' for pictures"

_MARK = re.compile(f"([{chr(FORMULA)}-{chr(FORMULA + MOST_FORMULAS)}])")
_DISPLAYED_END = re.compile(f"([{chr(FORMULA)}-{chr(FORMULA + MOST_FORMULAS)}])(?= [A-ZÀ-ÞА-Я])")
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_KANA, _HANGUL, _HAN = re.compile("[\u3040-\u30ff]"), re.compile("[\uac00-\ud7af]"), re.compile("[\u4e00-\u9fff]")
_LONG_WORD = re.compile(r"(\S{24})(?=\S{8})")
_EMOJI = re.compile(" ?[\U0001f000-\U0001fbff\u2600-\u27bf\ufe0f\u200d\u20e3]+")


class CardMaker:
    """A maker of cards, one at a time for all threads. Fonts are read only once."""

    def __init__(
        self,
        template: Path | None = None,
        font_paths: Sequence[Path] = (),
        design: CardDesign = CardDesign.AUTO,
    ) -> None:
        self._design = design
        self._template = template or BUILT_IN / "card.typ"
        self._font_paths = [str(path) for path in font_paths]
        self._compiler: Any = None
        self._bad: set[str] = set()  # formulas that Typst cannot typeset
        self._lock = threading.Lock()

    def make(self, summary: Summary, platform: Platform, *, required: bool = False) -> Picture:
        """Return the summary's card.

        Raises PictureError if no typesetter is installed, a glyph is missing, or the template fails.
        """
        with self._lock:
            return self._make(summary, platform, required=required)

    def _make(self, summary: Summary, platform: Platform, *, required: bool) -> Picture:
        width, height = platform.card_size
        view = SummaryView(summary, build_link(summary, {}))
        formulas: list[tuple[str, bool]] = []
        sentences = _sentences(summary.body, formulas)
        sentences = sentences[_first_of_idea(view, sentences, formulas) :]
        design, first = self._designed(sentences, formulas)
        sentences = sentences[first:]
        about = _about(view.paper)
        title = _plain(truncate(view.paper.title, MOST_TITLE))
        card: dict[str, Any] = {
            "width": width,
            "height": height,
            "title": title,
            "about": about,
            "by": view.by,
            "site": urlsplit(view.link).hostname or "",
            "design": design,
            "lang": _language(sample := f"{title} {view.lead[:MOST_IDEA]}"),
            "rtl": len(_RIGHT_TO_LEFT.findall(sample)) * 2 > sum(map(str.isalpha, sample)),
        }
        content, shown = self._typeset(card, sentences[:MOST_SENTENCES], formulas, more=len(sentences) > MOST_SENTENCES)
        lines = [_plain(_in_words(sentence, formulas)) for _, sentence in sentences[:shown]]
        named = _plain(sanitize(plain_title(summary.paper.title, spoken)))
        alt = ". ".join(filter(None, (named, about, view.by))) + ". " + " ".join(lines)
        return Picture(content, "image/png", truncate(alt.replace("\u200b", "").strip(), MOST_ALT), required)

    def _designed(self, sentences: list[tuple[str, str]], formulas: list[tuple[str, bool]]) -> tuple[CardDesign, int]:
        """Return the design, and the sentence with which it begins: the one with the central formula if that is set
        large."""
        central = next(
            (
                at
                for at, (_, sentence) in enumerate(sentences[:CENTRAL])
                if any(formulas[ord(mark) - FORMULA][1] for mark in _MARK.findall(sentence))
            ),
            None,
        )
        if self._design is CardDesign.AUTO:
            design = CardDesign.TEXT if central is None else CardDesign.FORMULA
        else:
            design = self._design
        if design is not CardDesign.FORMULA:
            return design, 0
        return (CardDesign.TEXT, 0) if central is None else (design, central)

    def _typeset(
        self, card: dict[str, Any], sentences: list[tuple[str, str]], formulas: list[tuple[str, bool]], *, more: bool
    ) -> tuple[bytes, int]:
        """Return the picture, and how many of the sentences it shows."""
        compiler = self._opened()
        from typst import TypstError

        trouble = ""
        for attempt in range(3):
            data = card | {
                "more": more,
                "sentences": [
                    {"kind": kind, "pieces": self._pieces(sentence, formulas)} for kind, sentence in sentences
                ],
            }
            if attempt == 2:  # last try, for any error: without emoji, which few fonts have
                data = json.loads(_EMOJI.sub("", json.dumps(data, ensure_ascii=False)))
            inputs = {"card": json.dumps(data, ensure_ascii=False)}
            try:
                # PDF/A forbids missing glyphs, so this finds those that a picture would show as an empty box.
                compiler.compile(sys_inputs=inputs, format="pdf", pdf_standards=["a-2u"])
                content = compiler.compile(sys_inputs=inputs, format="png", ppi=72)
                if not isinstance(content, bytes):
                    raise PictureError(f"card {self._template.name}: makes {len(content)} pages; it must fit on one")
                return content, self._shown(compiler)
            except TypstError as error:
                trouble = _said(error, self._template.name)
                if attempt == 0 and not self._find_bad(formulas) and not _EMOJI.search(inputs["card"]):
                    break
        raise PictureError(f"card {trouble[:200]}")

    def _shown(self, compiler: Any) -> int:
        try:
            shown = json.loads(compiler.query("<shown>", field="value", one=True))
        except RuntimeError:
            shown = None
        if not isinstance(shown, int) or shown < 0:
            raise PictureError(
                f"card {self._template.name}: does not say how many sentences it shows; write #metadata(count) <shown>"
            )
        return shown

    def _opened(self) -> Any:
        if self._compiler is None:
            if not cards_available():
                raise PictureError(f"no typesetter is installed: {MISSING}")
            import typst

            if not self._template.is_file():
                raise PictureError(f"card {self._template}: template not found")
            # not the system's fonts: a card looks the same on every machine
            fonts = typst.Fonts(include_system_fonts=False, font_paths=[*self._font_paths, *_packaged_fonts()])
            self._compiler = typst.Compiler(str(self._template), root=str(self._template.parent), font_paths=fonts)
        return self._compiler

    def _pieces(self, sentence: str, formulas: list[tuple[str, bool]]) -> list[dict[str, str]]:
        """Return a sentence as pieces of text and formulas."""
        pieces: list[dict[str, str]] = []
        for part in _MARK.split(sentence):
            if not part:
                continue
            if _MARK.fullmatch(part):
                formula, displayed = formulas[ord(part) - FORMULA]
                set_out = typeset(formula) if formula not in self._bad else None
                plain = _plain(sanitize(to_unicode(formula)))
                if set_out is None:
                    pieces.append({"kind": "text", "body": plain})
                else:
                    pieces.append({"kind": "display" if displayed else "math", "body": set_out, "text": plain})
            else:
                goes_on = pieces and pieces[-1]["kind"] != "display" and part[0] == " "
                body = f"{' ' if goes_on else ''}{_plain(sanitize(part))}{' ' if part[-1] == ' ' else ''}"
                pieces.append({"kind": "text", "body": body})
        return pieces

    def _find_bad(self, formulas: list[tuple[str, bool]]) -> bool:
        """Find formulas that Typst rejects, to set them as text from now on. Return True if there are new ones."""
        import typst

        before = len(self._bad)
        for formula, _ in formulas:
            set_out = typeset(formula)
            if set_out is None or formula in self._bad:
                continue
            source = f'#set document(title: [x])\n#eval({json.dumps(set_out)}, mode: "math")'
            try:
                typst.compile(source.encode(), format="pdf", pdf_standards=["a-2u"])
            except typst.TypstError:
                self._bad.add(formula)
        return len(self._bad) > before


def _said(error: Any, name: str) -> str:
    """Return Typst's error in one line, with its position."""
    place = re.search(r"[^\s/]+\.typ:\d+:\d+", str(getattr(error, "diagnostic", "")))
    return f"{place[0] if place else name}: " + " ".join(error.message.split())


def _language(text: str) -> str:
    """Return the language whose forms of letters a text needs: "ja", "ko", "zh" or, for all others, "en"."""
    if _KANA.search(text):
        return "ja"
    return "ko" if _HANGUL.search(text) else "zh" if _HAN.search(text) else "en"


def _packaged_fonts() -> list[str]:
    """Return the folder of the package with a font for Chinese, Japanese and Korean."""
    package = find_spec("cvttf_NotoSansCJK_Regular")
    return [str(Path(package.origin).parent)] if package and package.origin else []


def cards_available() -> bool:
    """Return True if the typesetter is installed."""
    return find_spec("typst") is not None and find_spec("tex2typst") is not None


def _sentences(body: str, formulas: list[tuple[str, bool]]) -> list[tuple[str, str]]:
    """Return the prose of a summary's text as sentences, with marks in place of formulas.

    Each comes with its kind. It begins a paragraph ("paragraph") or a list item ("item"), or it continues one: after a
    space ("same"), or in a script without spaces ("close").
    """
    results: list[tuple[str, str]] = []
    label = ""
    for block in blocks(body, formulas):
        if block.kind in ("heading", "label"):
            label = f"{block.text}: " if block.kind == "label" else ""
            continue
        kind, start, text = "item" if block.kind == "item" else "paragraph", 0, label + block.text
        label = ""
        if kind == "item":
            text = f"• {text}" if block.number is None else f"{block.number}. {text}"
        displayed = [match.end() for match in _DISPLAYED_END.finditer(text) if formulas[ord(match[1]) - FORMULA][1]]
        for end in sorted({*sentence_ends(text), *displayed, len(text)}):
            if re.search(r"[^\W\d]|" + _MARK.pattern, text[start:end]):
                results.append((kind, truncate(text[start:end].strip(), MOST_SENTENCE)))
                kind, start = "same" if text[end : end + 1].isspace() else "close", end
        if len(results) > MOST_SENTENCES:
            break
    return _with_what_they_announce(results)


def _with_what_they_announce(sentences: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the sentences, those that end with a colon together with the next one."""
    results: list[tuple[str, str]] = []
    for kind, text in sentences:
        if results and results[-1][1].endswith((":", "：")) and kind != "item":
            results[-1] = (results[-1][0], f"{results[-1][1]} {text}")
        else:
            results.append((kind, text))
    return results


def _first_of_idea(view: SummaryView, sentences: list[tuple[str, str]], formulas: list[tuple[str, bool]]) -> int:
    """Return which sentence the summary's excerpt begins with; 0 if none does, as where a formula is cut."""
    beginning = _bare(view.lead.within(MOST_IDEA).text)[:COMPARED]
    texts = (
        sanitize(_MARK.sub(lambda match: to_unicode(formulas[ord(match[1]) - FORMULA][0]), one)) for _, one in sentences
    )
    return next((at for at, text in enumerate(texts) if beginning and _bare(text).startswith(beginning)), 0)


def _bare(text: str) -> str:
    return "".join(char for char in text.lower() if char.isalnum())


def _in_words(sentence: str, formulas: list[tuple[str, bool]]) -> str:
    """Return a sentence with its formulas as they are spoken."""

    def replacement(match: re.Match[str]) -> str:
        formula, displayed = formulas[ord(match[1]) - FORMULA]
        words = spoken(formula)
        following = sentence[match.end() :].lstrip()[:1]
        ends = displayed and (following.isupper() or not following) and words[-1:] not in ".,;:!?"
        return f"{words}." if ends else words

    return sanitize(_MARK.sub(replacement, sentence))


def _plain(text: str) -> str:
    """Return finished text in which even a word wider than the card can break."""
    return _LONG_WORD.sub("\\1\u200b", text.replace(UNBROKEN, " "))


def _about(paper: PaperView) -> str:
    """Return authors, venue and year in one line."""
    people = format_names(paper.authors, 5)
    where = ", ".join(
        str(part) for part in (truncate(paper.venue, 60) if paper.venue else "", paper.year or "") if part
    )
    return " · ".join(filter(None, (_plain(people), where)))
