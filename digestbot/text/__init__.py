"""Text processing: Markdown and LaTeX to plain text, platform lengths, truncation, and sanitization.

A post's text passes through `blocks`, then `sanitize`, then `truncate`, which shortens it to what the platform accepts,
counted as the platform does.
"""

from digestbot.text.excerpt import Choice, Excerpt
from digestbot.text.images import first_image
from digestbot.text.labels import section_of
from digestbot.text.languages import TextSection
from digestbot.text.latex import to_unicode
from digestbot.text.latex_speech import spoken
from digestbot.text.markdown import FORMULA, MOST_FORMULAS, Block, blocks, plain_blocks, plain_title
from digestbot.text.names import format_names, is_group, split_names, whole_name
from digestbot.text.sanitization import UNBROKEN, ascii_link, defang_urls, sanitize
from digestbot.text.seams import split
from digestbot.text.sentences import sentence_ends, sentences
from digestbot.text.truncation import ELLIPSIS, truncate
from digestbot.text.urls import find_urls

__all__ = [
    "ELLIPSIS",
    "FORMULA",
    "MOST_FORMULAS",
    "UNBROKEN",
    "Block",
    "Choice",
    "Excerpt",
    "TextSection",
    "ascii_link",
    "blocks",
    "defang_urls",
    "find_urls",
    "first_image",
    "format_names",
    "is_group",
    "plain_blocks",
    "plain_title",
    "sanitize",
    "section_of",
    "sentence_ends",
    "sentences",
    "split",
    "split_names",
    "spoken",
    "to_unicode",
    "truncate",
    "whole_name",
]
