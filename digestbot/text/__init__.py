"""Pure text work: Markdown and LaTeX to plain text, platform lengths, cutting, taking the sting out.

What a post's text goes through, in this order: `markdown.blocks` -> `harmless` -> `cut` to what the platform
takes, counted by `LIMITS`.
"""

from digestbot.text.cutting import cut
from digestbot.text.length import LIMITS, Limit, find_urls, weighted_length
from digestbot.text.markdown import Block, blocks, plain_title
from digestbot.text.safety import ascii_link, harmless

__all__ = [
    "LIMITS",
    "Block",
    "Limit",
    "ascii_link",
    "blocks",
    "cut",
    "find_urls",
    "harmless",
    "plain_title",
    "weighted_length",
]
