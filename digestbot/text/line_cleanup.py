"""Cleanup of one line of plain text: what is left of Markdown, HTML and LaTeX, and missing spaces."""

from __future__ import annotations

import re

from digestbot.text.block_cleanup import strike_pointers
from digestbot.text.html_tags import remove_tags, without_broken_tag
from digestbot.text.latex import prose_to_unicode
from digestbot.text.sanitization import UNBROKEN
from digestbot.text.sentences import STARTERS

COMMAND = re.compile(r"\\[A-Za-z]{2,}")
GAPS = re.compile(f"[^\\S{UNBROKEN}]+")
_LINK_ENDS = re.compile(r"[()\s]")
_MARKS = re.compile(r"\*\*+|(?<!\w)\*(?=\w)|``+")
_SHORTCODE = re.compile(r"(?<![\w:]):[a-z0-9_+-]{2,40}:(?!\w)")
# "works.The loss": a space is missing. A lower-case word must be one that begins sentences.
_GLUE = re.compile(r"[a-z)\]”][.!?][A-Za-z]")  # a hint of that
_GLUED = re.compile(
    rf"((?<![\w./@:-])[a-z]{{2,}}|[)\]”])([.!?])({STARTERS}|I|A"
    r"|(?:an|the|in|it|we|this|they|so|and|but)(?= [a-z]))(?=[ ,’'])"
)


def mend(text: str, *, truncated: bool) -> str:
    """Return the text on one line, without the words that introduced what is not shown, and without Markdown and LaTeX
    markup that has no meaning here."""
    if not text.isprintable() or "  " in text:
        text = GAPS.sub(" ", text)
    text = text.strip(" ")
    if "](" in text:
        text = _without_broken_link(text)
    if "*" in text or "`" in text:
        text = _MARKS.sub("", text)
    if "<" in text:  # also tags that were escaped twice, so that the parser took them for text
        text = without_broken_tag(remove_tags(text), truncated=truncated)
    if COMMAND.search(text):
        text = GAPS.sub(" ", prose_to_unicode(text))
    if _GLUE.search(text):
        text = _GLUED.sub(lambda match: f"{match[1]}{match[2]} {match[3].capitalize()}", text)
    if ":" in text:
        text = _SHORTCODE.sub(lambda match: _emoji(match[0]), text)
    return strike_pointers(text)


def _emoji(shortcode: str) -> str:
    """Return the emoji for a shortcode such as ":tada:"; the same where nobody knows it."""
    import emoji

    return emoji.emojize(shortcode, language="alias")


def _without_broken_link(text: str) -> str:
    """Return the text without remains of a Markdown link that was cut off, such as "[text](http://…"."""
    middle = text.rfind("](")
    if _LINK_ENDS.search(text, middle + 2):
        return text
    link = text.find("[", text.rfind("]", 0, middle) + 1, middle)
    return text[: link - (text[link - 1 : link] == "!")] + text[link + 1 : middle] if link >= 0 else text
