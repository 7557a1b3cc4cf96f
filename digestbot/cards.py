"""A summary as a picture with its formulas typeset, by Typst (the wheel `typst`) and tex2typst.

Nothing is fetched. What cannot be typeset is set as text; a card that lacks a glyph is not made.
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

from digestbot.errors import PictureError
from digestbot.formulas import typeset
from digestbot.model import Picture, Platform, Summary
from digestbot.render import BUILT_IN, PaperView, SummaryView
from digestbot.render.views import names, shown_link
from digestbot.text import (
    FORMULA,
    MOST_FORMULAS,
    UNBROKEN,
    blocks,
    cut,
    harmless,
    sentence_ends,
    to_unicode,
)

SIZES = {Platform.TWITTER: (1200, 675), Platform.FACEBOOK: (1200, 630)}
MOST_ALT = 1000  # characters of X's alt text
MOST_SENTENCES = 12
MOST_TITLE = 300  # characters
MOST_SENTENCE = 420  # characters; no longer one is read on a card
MISSING = "pip install 'digestbot[cards]' for pictures"

_MARK = re.compile(f"([{chr(FORMULA)}-{chr(FORMULA + MOST_FORMULAS)}])")
_LONG_WORD = re.compile(r"(\S{24})(?=\S{8})")
_EMOJI = re.compile("[\U0001f000-\U0001fbff\u2600-\u27bf\ufe0f\u200d\u20e3]+")


class CardMaker:
    """Makes cards, one at a time, whichever thread asks; the fonts are read once."""

    def __init__(self, template: Path | None = None, font_paths: Sequence[Path] = ()) -> None:
        self._template = template or BUILT_IN / "card.typ"
        self._font_paths = [str(path) for path in font_paths]
        self._compiler: Any = None
        self._bad: set[str] = set()  # formulas that Typst cannot set
        self._lock = threading.Lock()

    def make(self, summary: Summary, platform: Platform, *, required: bool = False) -> Picture:
        """The summary's card. Raises PictureError where there is no typesetter, a glyph is missing, or the template
        fails."""
        with self._lock:
            return self._make(summary, platform, required=required)

    def _make(self, summary: Summary, platform: Platform, *, required: bool) -> Picture:
        width, height = SIZES[platform]
        view = SummaryView(summary, shown_link(summary, {}))
        formulas: list[tuple[str, bool]] = []
        sentences = _sentences(summary.body, formulas)
        about = _about(view.paper)
        title = _plain(cut(view.paper.title, MOST_TITLE))
        card: dict[str, Any] = {
            "width": width,
            "height": height,
            "title": title,
            "about": about,
            "by": view.by,
            "site": urlsplit(view.link).hostname or "",
        }
        content, shown = self._typeset(card, sentences[:MOST_SENTENCES], formulas, more=len(sentences) > MOST_SENTENCES)
        said = [_plain(_as_text(sentence, formulas)) for _, sentence in sentences[:shown]]
        alt = ". ".join(filter(None, (title, about, view.by))) + ". " + " ".join(said)
        return Picture(content, "image/png", cut(alt.replace("\u200b", "").strip(), MOST_ALT), required)

    def _typeset(
        self, card: dict[str, Any], sentences: list[tuple[str, str]], formulas: list[tuple[str, bool]], *, more: bool
    ) -> tuple[bytes, int]:
        """The picture, and how many of the sentences it shows."""
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
            if attempt == 2:  # whatever it is, without the pictographs that few fonts have
                data = json.loads(_EMOJI.sub("", json.dumps(data, ensure_ascii=False)))
            inputs = {"card": json.dumps(data, ensure_ascii=False)}
            try:
                # A document for keeping may lack no glyph: this finds what a picture would show as an empty box.
                compiler.compile(sys_inputs=inputs, format="pdf", pdf_standards=["a-2u"])
                content = compiler.compile(sys_inputs=inputs, format="png", ppi=72)
                if not isinstance(content, bytes):
                    raise PictureError(f"card {self._template.name}: makes {len(content)} pages; it has to fit one")
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
            if not available():
                raise PictureError(f"no typesetter is installed: {MISSING}")
            import typst

            if not self._template.is_file():
                raise PictureError(f"card {self._template}: there is no such template")
            fonts = typst.Fonts(font_paths=self._font_paths)
            self._compiler = typst.Compiler(str(self._template), root=str(self._template.parent), font_paths=fonts)
        return self._compiler

    def _pieces(self, sentence: str, formulas: list[tuple[str, bool]]) -> list[dict[str, str]]:
        """A sentence as text and formulas."""
        pieces: list[dict[str, str]] = []
        for part in _MARK.split(sentence):
            if not part:
                continue
            if _MARK.fullmatch(part):
                formula, displayed = formulas[ord(part) - FORMULA]
                set_out = typeset(formula) if formula not in self._bad else None
                if set_out is None:
                    pieces.append({"kind": "text", "body": _plain(harmless(to_unicode(formula)))})
                else:
                    pieces.append({"kind": "display" if displayed else "math", "body": set_out})
            else:
                goes_on = pieces and pieces[-1]["kind"] != "display" and part[0] == " "
                body = f"{' ' if goes_on else ''}{_plain(harmless(part))}{' ' if part[-1] == ' ' else ''}"
                pieces.append({"kind": "text", "body": body})
        return pieces

    def _find_bad(self, formulas: list[tuple[str, bool]]) -> bool:
        """Whether a formula is at fault; from now on it is set as text."""
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
    """Typst's complaint in a line, with its place."""
    place = re.search(r"[^\s/]+\.typ:\d+:\d+", str(getattr(error, "diagnostic", "")))
    return f"{place[0] if place else name}: " + " ".join(error.message.split())


def available() -> bool:
    """Whether the typesetter is installed."""
    return find_spec("typst") is not None and find_spec("tex2typst") is not None


def _sentences(body: str, formulas: list[tuple[str, bool]]) -> list[tuple[str, str]]:
    """The prose of a summary's text, sentence by sentence, with marks where formulas are. Each begins a paragraph or a
    list item, or continues, after a space or in a script that sets none ("paragraph", "item", "same", "close")."""
    found: list[tuple[str, str]] = []
    for block in blocks(body, formulas):
        if block.kind == "heading":
            continue
        kind, start, text = "item" if block.kind == "item" else "paragraph", 0, block.text
        if kind == "item":
            text = f"• {text}" if block.number is None else f"{block.number}. {text}"
        for end in [*sentence_ends(text), len(text)]:
            if re.search(r"[^\W\d]|" + _MARK.pattern, text[start:end]):
                found.append((kind, cut(text[start:end].strip(), MOST_SENTENCE)))
                kind, start = "same" if text[end : end + 1].isspace() else "close", end
        if len(found) > MOST_SENTENCES:
            break
    return found


def _as_text(sentence: str, formulas: list[tuple[str, bool]]) -> str:
    def said(match: re.Match[str]) -> str:
        formula, displayed = formulas[ord(match[1]) - FORMULA]
        text = to_unicode(formula)
        ends = displayed and sentence[match.end() :].lstrip()[:1].isupper() and text[-1:] not in ".,;:!?"
        return f"{text}." if ends else text

    return harmless(_MARK.sub(said, sentence))


def _plain(text: str) -> str:
    """Finished text, in which also a word that is wider than the card can break."""
    return _LONG_WORD.sub("\\1\u200b", text.replace(UNBROKEN, " "))


def _about(paper: PaperView) -> str:
    """Authors, venue and year in a line."""
    people = names(paper.authors, 5)
    where = ", ".join(str(part) for part in (cut(paper.venue, 60) if paper.venue else "", paper.year or "") if part)
    return " · ".join(filter(None, (_plain(people), where)))
