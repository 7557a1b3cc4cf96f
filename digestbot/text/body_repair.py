"""Repair of a summary's source before it is read as Markdown: line breaks that were lost, LaTeX documents, bare images.

ShortScience's pages often arrive with all line breaks lost: "… score. ## See also * R-CNN * Fast R-CNN".
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable

from digestbot.text.labels import section_of
from digestbot.text.languages import TextSection
from digestbot.text.sentences import STARTERS

# ---- formulas and code, in which nothing is a structure
_OPAQUE = re.compile(r"\$\$[^$]*\$\$|\$[^$\n]{1,300}\$|`[^`\n]*`|\]\([^()\s]*\)")

# ---- accents within a word
_ACCENTS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", '"': "\u0308", "~": "\u0303", "H": "\u030b"}
_ACCENT = re.compile(r"\\(?<=[^\W\d_]\\)([`'^\"~]|H(?=\{))\{?([A-Za-z])\}?")

# ---- labels in bold letters, without a colon
_BOLD = re.compile(r"(\*\*|__)([^\W\d_][\w /&-]{1,40})\1[ ]+(?=[^\W_])")

# ---- documents in LaTeX
_LATEX = re.compile(
    r"[ \t]*\\(?:(?P<level>(?:sub){0,2}section|chapter|(?:sub)?paragraph)\*?\{(?P<heading>[^{}\n]{1,200})\}"
    r"|(?P<item>item)\b(?:[ \t]*\[(?P<name>[^\[\]\n]{0,80})\])?"
    r"|(?P<edge>begin|end)\{(?P<kind>itemize|enumerate|description|center|quote|quotation|abstract|figure|table|document"
    r"|flushleft|flushright|small|footnotesize|theorem|lemma|proof|definition|remark|corollary|proposition|example)\*?\}"
    r"(?:\[[^\[\]\n]{0,40}\])?)[ \t]*"
)

# ---- images and videos
_IMAGE = re.compile(
    r"(?<![(\[\"'=<\w/.%&?-])<?(https?://[^\s<>()\[\]\"']+\.(?:png|jpe?g|gif|svg|webp|bmp)(?:\?[^\s<>()\"']*)?)>?"
    r"(?=[\s.,;)]|\Z)",
    re.IGNORECASE,
)
_VIDEO = re.compile(
    r"^[ \t]*<?https?://(?:www\.|m\.)?(?:youtube\.com/(?:watch|embed|shorts)|youtu\.be/|vimeo\.com/\d)\S*>?[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)

_PRODUCT = re.compile(r"(?<=\d)\*(?=\d)")

# ---- headings without a space, bullets that Markdown does not know
_TIGHT_HEADING = re.compile(r"^(#{1,6})(?=[^\W\d_])([^\n#]{1,60})$", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*[•‣▪●○◦·➢➤✓✔–—][ \t]+(?=\S)", re.MULTILINE)
_BULLETED = re.compile(r"^[ \t]*[•‣▪●○◦·➢➤]", re.MULTILINE)

# ---- lost line breaks
_HEADING = re.compile(r"(?:^|(?<=\s))(#{2,6})\s+(?=[^\sa-z0-9])|(?:^|(?<=[.!?:)\]。] ))(#)\s+(?=[^\sa-z0-9])")
_IMAGE_BEFORE = re.compile(r"!\[\]\([^()\s]{0,500}\)\s*\Z")
_STAR = re.compile(r"(?<=\s)([*•+-])\s+(?=\S)")
_QUOTE = re.compile(r"(?<=\s)>\s+(?=\S)")
_NUMBER = re.compile(r"(?<=\s)(\d{1,2})[.)]\s+(?=[^\W_])")
_ITEM_STARTS = re.compile(r"[A-ZÀ-ÞА-Я\[`\"“$\d*_(]|[^\x00-\u024f\u0400-\u04ff\s]")
_HEADING_WORD = re.compile(r"(?:[A-Z0-9][\w'’/&-]*|of|and|the|a|an|in|on|for|to|with|&|/|[-–]|I|we)[:.]?(?=\s)\s*")
_BEGINNING = rf"(?:{STARTERS}|I|A)\b"  # of a sentence
_STARTER = re.compile(_BEGINNING)
_QUESTION = re.compile(r"(?:What|How|Why|Who|When|Where|Which|Is|Are|Does|Do|Can)\b[^.!?:]{3,70}\?(?=\s)")
_SUBJECT = re.compile(r"[A-Z]\w* (?:is|are|has|have|was|were|can|shows?|uses?|gets?|does)\b")
# where a heading with words in lower case ends: after a stop, or before a sentence's first word
_LOWER_END = re.compile(rf"[.!?:](?=\s)|\s(?={_BEGINNING})")
# what may follow a heading: a sentence
_SENTENCE = re.compile(rf"{_BEGINNING}|[A-Z][\w-]* [a-z]|[^\sA-Za-z]")
_LOST_END = re.compile(rf"(?<=[a-z0-9)])\s(?=(?:{STARTERS}|To me|All in all|In short)\b[,\s][^.]*[a-z])")
# headings and labels that say nothing of the text under them
_PLAIN_HEADINGS = frozenset(
    ("summary", "abstract", "overview", "method", "methods", "approach", "model", "experiments", "evaluation",
     "architecture", "details", "training", "datasets", "implementation", "problem", "solution", "task", "setup")
)  # fmt: skip
MOST_MARKS = 400  # of each kind in a body without line breaks


def repair(body: str) -> str:
    """Return the body with the structure that its writer gave it. Nothing inside formulas, code and links changes."""
    if "\\" in body:
        body = _ACCENT.sub(_accented, body)
    if body.startswith(("    ", "\t")) and all(
        line.startswith(("    ", "\t")) for line in body.splitlines() if line.strip()
    ):
        body = textwrap.dedent(body)
    if "\\item" in body or "section{" in body or "\\begin{" in body or "\\paragraph" in body:
        body = _LATEX.sub(_from_latex, body)
    if "**" in body or "__" in body:
        body = _BOLD.sub(_bold_label, body)
    if "http" in body:
        body = _IMAGE.sub(lambda match: f"![]({match[1]})", body)
        body = _VIDEO.sub("", body)
    if "*" in body:
        opaque = [match.span() for match in _OPAQUE.finditer(body)]
        for match in reversed(_outside(_PRODUCT.finditer(body), opaque)):  # "3*4*5" is no emphasis
            body = f"{body[: match.start()]}\\{body[match.start() :]}"
    if "#" in body:
        body = _TIGHT_HEADING.sub(_heading, body)
    if _BULLETED.search(body):
        body = _BULLET.sub("* ", body)
    return body if "\n" in body.strip() else _with_line_breaks(body.strip())


def _accented(match: re.Match[str]) -> str:
    """Return a letter with the accent of LaTeX, which Markdown would take for an escaped sign."""
    letter = unicodedata.normalize("NFC", match[2] + _ACCENTS[match[1]])
    return letter if len(letter) == 1 else match[0]


def _bold_label(match: re.Match[str]) -> str:
    """Return a label with a colon, in a paragraph of its own: "… done. **Results** We beat all"."""
    label, before = match[2], match.string[max(0, match.start() - 8) : match.start()]
    line = before.rpartition("\n")[2]
    if not label[0].isupper() or match.string[match.end()].islower() or not _is_heading(label):
        return match[0]
    if not line.strip(" \t-*+•>") and (line != before or len(before) < 8):
        return f"**{label}:** "
    return f"\n\n**{label}:** " if line.rstrip()[-1:] in ".!?" else match[0]


def _is_heading(words: str) -> bool:
    """Return whether these words are known as a heading or a label."""
    return section_of(words) is not TextSection.BODY or words.lower() in _PLAIN_HEADINGS


def _from_latex(match: re.Match[str]) -> str:
    if match["heading"]:
        return f"\n\n## {match['heading']}\n\n"
    if match["item"]:
        return "\n* " + (f"{match['name']}: " if match["name"] else "")
    return "\n\n"


def _heading(match: re.Match[str]) -> str:
    """Return "#Summary" as a heading; a hashtag in a sentence stays."""
    words = match[2].strip()
    known = section_of(words) is not TextSection.BODY or len(words.split()) <= 2
    if len(match[1]) == 1 and not known:
        return match[0]
    return f"\n{match[1]} {words}\n" if words[-1] not in ".!?;," else match[0]


def _with_line_breaks(body: str) -> str:
    """Return a body that lost its line breaks with those that its marks imply."""
    opaque = [match.span() for match in _OPAQUE.finditer(body)]
    breaks: dict[int, tuple[int, str]] = {}  # position of a break: where the text continues, and what is put in between
    edges, last = [], 0
    for match in _outside(_HEADING.finditer(body), opaque):
        end = _heading_end(body, match.end())
        breaks[match.start()] = (match.end(), f"\n\n{match[1] or match[2]} ")
        breaks.setdefault(end, (end, "\n\n"))
        edges.append(end)
    for pattern in (_STAR, _QUOTE):
        marks = list(_outside(pattern.finditer(body), opaque))
        for mark in ("*", "-", "+", "•") if pattern is _STAR else (">",):
            for match in _structure(body, [one for one in marks if one[0].startswith(mark)], edges):
                breaks[match.start()] = (match.end(), "\n* " if pattern is _STAR else "\n\n> ")
                last = max(last, match.end())
    items, inline = _numbered(body, list(_outside(_NUMBER.finditer(body), opaque)))
    for match in items:
        breaks[match.start()] = (match.end(), f"\n{match[1]}. ")
        last = max(last, match.end())
    for match in inline:
        breaks[match.start()] = (match.end(), f"({match[1]}) ")
    if last and (lost := _LOST_END.search(body, last)):
        breaks.setdefault(lost.start(), (lost.end(), "\n\n"))
    pieces, at = [], 0
    for start, (end, between) in sorted(breaks.items()):
        if start >= at:
            piece = body[at:start]
            pieces += [piece if between.startswith("(") else piece.rstrip(), between]
            at = end
    return "".join([*pieces, body[at:]]) if pieces else body


def _outside(matches: Iterable[re.Match[str]], opaque: list[tuple[int, int]]) -> list[re.Match[str]]:
    """Return the matches that are in no formula, code or link."""
    results, at = [], 0
    for match in matches:
        while at < len(opaque) and opaque[at][1] <= match.start():
            at += 1
        if at == len(opaque) or match.start() < opaque[at][0]:
            results.append(match)
        if len(results) == MOST_MARKS:
            break
    return results


def _heading_end(body: str, start: int) -> int:
    """Return where the heading that begins at a position ends: before a list, or before the words of a sentence."""
    longest = body[start : start + 100]
    marks = [found.start() for pattern in (_STAR, _QUOTE, _HEADING, _NUMBER) if (found := pattern.search(longest, 1))]
    nearest = min(marks, default=len(longest))
    if question := _QUESTION.match(longest):
        return start + question.end()
    words = longest.split(" ")
    for count in (5, 4, 3, 2, 1):  # the longest beginning that is a known heading
        head = " ".join(words[:count])
        following = longest[len(head) :].lstrip()
        if len(head) > nearest or (following and len(head) < nearest - 1 and not _SENTENCE.match(following)):
            continue
        if _is_heading(head):
            return start + len(head)
    if marks and not re.search(r"[.!?]\s", longest[:nearest]):
        return start + nearest
    at = 0
    while word := _HEADING_WORD.match(longest, at):
        if at and (_STARTER.match(longest, at) or _SUBJECT.match(longest, at)):
            break
        at = word.end()
        if word[0].rstrip().endswith((":", ".")):
            break
    at = at or len(words[0])
    if longest[at:].lstrip()[:1].islower() and (end := _LOWER_END.search(longest, at)):
        return start + end.end()
    return start + at


def _structure(body: str, marks: list[re.Match[str]], edges: list[int]) -> list[re.Match[str]]:
    """Return the marks that are list items or quotations: from one that follows a heading, a stop or an image on, those
    whose text begins like its text."""
    results: list[re.Match[str]] = []
    capital = True
    for match in marks:
        starts = bool(_ITEM_STARTS.match(body, match.end()))
        before = _sign_before(body, match.start())
        if _follows(edges, match) or before in (":", "："):
            capital = starts
            results.append(match)
        elif results:
            if starts or not capital:
                results.append(match)
        elif starts and (
            before in ("", ".", "!", "?", "。")
            or _IMAGE_BEFORE.search(body, max(0, match.start() - 520), match.start())
        ):
            results.append(match)
    return results if len(results) > 1 or (results and _follows(edges, results[0])) else []


def _follows(edges: list[int], mark: re.Match[str]) -> bool:
    """Return whether a mark is right after the end of a heading."""
    return any(0 <= mark.start() - edge <= 2 for edge in edges)


def _numbered(body: str, marks: list[re.Match[str]]) -> tuple[list[re.Match[str]], list[re.Match[str]]]:
    """Return the marks of a numbered list (1., 2., …), as items if their texts begin with capitals, else as numbers
    within a sentence."""
    sequence: list[re.Match[str]] = []
    for match in marks:
        if int(match[1]) == len(sequence) + 1:
            sequence.append(match)
    if len(sequence) < 2:
        return [], []
    signs = [_sign_before(body, match.start()) for match in sequence]
    introduced = signs[0] in ("", ":", "：")
    # a word before a number is no end of a sentence: "Theorem 1."
    if not introduced and (signs[0] == ";" or not all(sign in (".", "!", "?", ";") for sign in signs)):
        return [], []
    capital = all(not body[match.end()].islower() for match in sequence)
    return (sequence, []) if capital else ([], sequence)


def _sign_before(body: str, at: int) -> str:
    """Return the last character before a position that is no white space; "" without one."""
    while at and body[at - 1].isspace():
        at -= 1
    return body[at - 1 : at] if at else ""
