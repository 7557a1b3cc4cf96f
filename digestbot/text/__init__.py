"""Pure text work: Markdown and LaTeX to plain text, platform lengths, cutting, taking the sting out.

What a post's text goes through, in this order: `markdown.blocks` -> `harmless` -> `cut` to what the platform
takes, counted by `LIMITS`.
"""

from digestbot.text.addresses import find_urls
from digestbot.text.cutting import ELLIPSIS, cut, sentence_ends, split
from digestbot.text.latex import to_unicode
from digestbot.text.length import LIMITS, Limit, weighted_length
from digestbot.text.markdown import FORMULA, MOST_FORMULAS, Block, blocks, first_image, plain_title
from digestbot.text.safety import UNBROKEN, ascii_link, harmless, unlinked

__all__ = [
    "ELLIPSIS",
    "FORMULA",
    "LIMITS",
    "MOST_FORMULAS",
    "UNBROKEN",
    "Block",
    "Limit",
    "ascii_link",
    "blocks",
    "cut",
    "find_urls",
    "first_image",
    "harmless",
    "plain_title",
    "sentence_ends",
    "split",
    "to_unicode",
    "unlinked",
    "weighted_length",
]
