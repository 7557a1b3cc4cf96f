"""What an editor strikes from a summary's text: what pointed to a picture, a table or a citation that is not shown."""

from __future__ import annotations

import re

from digestbot.text.sentences import sentences

GONE = "\ue003"  # stands where a picture, a reference or a citation was
_FLOAT = (
    r"(?:Figures?|Figs?\.?|Tables?|Tab\.|Sections?|Sect?\.|Eqs?\.|Equations?|Appendix|App\.|Algorithm|Alg\.|Theorem|Thm\."
    r"|Lemma|Chapter|Abb(?:ildung|\.)|Tabelle|Fig\.|Tableau|Figura|Tabla|[Рр]ис(?:унок|\.)|[Тт]абл(?:ица|\.)|図|表|图)"
)
_WHICH = rf"{_FLOAT}\s*(?:\d+[a-z]?(?:\.\d+)*|[A-Z]\b|{GONE})(?:\s*(?:,|and|&|-|–|to)\s*\d+[a-z]?)*"
_SEEN = r"(?:shown|seen|depicted|illustrated|visible|visualized|described|given|listed|reported|presented|summarized)"
_THERE = (
    rf"(?:(?:the |this )?(?:{_WHICH}|(?:figure|table|image|picture|plot|diagram|graph|graphic)s?)"
    r"(?:\s+(?:above|below|here))?|above|below)"
)
_POINTERS = re.compile(
    # "(see Figure 3)", "[cf. Table 2 below]", "(siehe Abb. 2)"
    rf"\s*[(\[](?:(?:see|cf\.?|compare|e\.g\.|siehe|vgl\.|voir|ver|см\.|also)\s+)*(?:also\s+)?(?:in\s+)?{_WHICH}"
    r"(?:\s+(?:above|below|of the paper|in the paper))?[)\]]"
    # ", as shown in the table below"
    rf"|,?\s+as\s+(?:is\s+|can be\s+)?{_SEEN}\s+(?:in|by|on)\s+{_THERE}(?=[.,;:!?])"
    rf"|,?\s+as\s+(?:the\s+)?(?:{_WHICH}|(?:figure|table|image|plot|diagram)s?)(?:\s+(?:above|below))?\s+shows?(?=[.,;:!?])"
    # ", see Figure 3"
    rf"|[,;]\s+(?:see|cf\.|siehe|vgl\.|voir|см\.)\s+(?:also\s+)?{_THERE}(?=[.,;:!?])"
    # what is left of "(\cite{x})", "[](…)"
    rf"|\s*[(\[]\s*(?:(?:see|cf\.?|e\.g\.?|i\.e\.?|in|also|and|or|,|;|{_FLOAT})\s*){{0,6}}(?:{GONE}[\s,;]*)+[)\]]"
    r"|\s+[(\[]\s*[)\]]"
)
_AT_START = re.compile(rf"^As\s+(?:is\s+|can be\s+)?{_SEEN}\s+(?:in|by|on)\s+{_THERE},\s*(\w)")
_BEFORE_GONE = re.compile(
    rf"(?:(?<=see |the |cf\. )|(?<=in |at )|\A\s*){GONE}\s*(?:,|\band\b|\bor\b)\s*|{GONE}\s*(?:,|and|or)\s*(?={GONE})"
    rf"|(?:,?\s*\b(?:and|or|see|cf\.|in|at|here|also|plus|with|like|below|above|by|from|of|as|e\.g\.,?|{_FLOAT})){{0,6}}"
    rf"[:\s]*{GONE}(?=\s*(?:[.,;:!?)\]]|\Z))",
    re.IGNORECASE,
)
_POINTER_SENTENCE = re.compile(
    rf"(?:(?:please\s+)?(?:see|cf\.|compare|refer to|siehe|vgl\.|voir|véase|см\.)\s+(?:also\s+)?{_THERE}"
    r"(?:\s+(?:for|of|in)\s+[^.]{1,60})?|(?:here|below|above) (?:is|are) [^.]{0,60}\b(?:figure|table|image|picture|"
    r"plot|diagram|screenshot|code)s?)\s*[.:!]?",
    re.IGNORECASE,
)
_CAPTION = re.compile(rf"{_FLOAT}\s*\d+[a-z]?\s*[.:：|]\s", re.IGNORECASE)
_ANNOUNCES = re.compile(r"[:：]\s*\Z|\b(?:as follows|the following|below|like (?:this|so))\s*[.:]?\s*\Z", re.IGNORECASE)
LONGEST_ANNOUNCER = 160  # characters
# Every pointer has one of these in it.
_HINTS = ("fig", "tab", "sec", "eq", "app", "alg", "theorem", "thm", "lemma", "chapter", "abb", "рис", "図", "表", "图",
          "image", "picture", "plot", "diagram", "graph", "above", "below", " (", " [")  # fmt: skip
_MAY_POINT = re.compile(r"\b(?:see|cf|compare|refer|siehe|vgl|voir|véase|см|here|below|above)\b", re.IGNORECASE)
_GAPS = re.compile(r"  +")
_SPACE_BEFORE = re.compile(r"(?<=\S) +(?=[.,;!?)\]](?:\s|\Z))")
_TWO_COMMAS = re.compile(r",(?:\s*,)+")


def strike_pointers(text: str) -> str:
    """Return the text without pointers to what is not shown: "(see Figure 3)", ", as the table below shows"."""
    small = text.lower()
    if GONE in text or any(word in small for word in _HINTS):
        text = _POINTERS.sub("", text)
        text = _AT_START.sub(lambda match: match[1].upper(), text)
    if GONE in text:
        text = _TWO_COMMAS.sub(",", _SPACE_BEFORE.sub("", _BEFORE_GONE.sub("", text).replace(GONE, "")))
    if _MAY_POINT.search(text):
        for sentence in sentences(text):
            if _POINTER_SENTENCE.fullmatch(sentence):
                text = text.replace(sentence, "", 1)
    return _GAPS.sub(" ", text).strip(" ")


def is_caption(text: str) -> bool:
    """Return whether a paragraph is the caption of a figure or a table."""
    return bool(_CAPTION.match(text))


def strike_announcer(text: str) -> str:
    """Return the text without its last sentence if that announces what came after it and is gone: "It looks like
    this:"."""
    if not _ANNOUNCES.search(text):
        return text
    last = sentences(text)[-1:]
    if not last or len(last[0]) > LONGEST_ANNOUNCER:
        return text
    return text[: text.rindex(last[0])].rstrip(" ")
