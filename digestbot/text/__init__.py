"""Text processing: Markdown and LaTeX to plain text, platform lengths, truncation, and sanitization.

A post's text passes through `blocks`, then `sanitize`, then `truncate`, which shortens it to what the platform accepts,
counted as the platform does.
"""

from digestbot.text.latex import to_unicode
from digestbot.text.markdown import FORMULA, MOST_FORMULAS, Block, blocks, first_image, plain_title
from digestbot.text.sanitization import UNBROKEN, ascii_link, defang_urls, sanitize
from digestbot.text.truncation import ELLIPSIS, sentence_ends, split, truncate
from digestbot.text.urls import find_urls

__all__ = [
    "ELLIPSIS",
    "FORMULA",
    "MOST_FORMULAS",
    "UNBROKEN",
    "Block",
    "ascii_link",
    "blocks",
    "defang_urls",
    "find_urls",
    "first_image",
    "plain_title",
    "sanitize",
    "sentence_ends",
    "split",
    "to_unicode",
    "truncate",
]
