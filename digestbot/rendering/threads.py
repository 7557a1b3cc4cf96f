"""Pure functions that split a rendered text and its link into the parts of a thread."""

from __future__ import annotations

from digestbot.domain.model import LinkPolicy
from digestbot.platforms.base import LengthLimit
from digestbot.text import split

_NUMBERINGS = (" (9/9)", " (99/99)")  # room reserved for a part's number


def split_into_parts(
    text: str, link: str, where: LinkPolicy, limit: LengthLimit, *, whole: bool = False, most: int = 99
) -> list[str]:
    """Return the text as one post if it fits, otherwise as numbered parts that end where a reader would pause.

    The link is in the first part (`post`) or in the last (`last`). If more than ``most`` parts would be needed, the
    text ends early, and the link is in the last part, so that a reader finds the rest. With ``whole``, paragraphs that
    fit into a part are not split. No part exceeds the limit, unless the link alone does.
    """
    tail = f"\n\n{link}" if link and where is not LinkPolicy.NONE else ""
    alone = text + tail
    if limit.measure(alone) <= limit.most:
        return [alone]
    numbering = _NUMBERINGS[0]
    parts = _divided(text, tail, limit, numbering, whole=whole, in_first=where is LinkPolicy.POST)
    if len(parts) > 9 and most > 9:
        numbering = _NUMBERINGS[1]
        parts = _divided(text, tail, limit, numbering, whole=whole, in_first=where is LinkPolicy.POST)
    place = 0 if where is LinkPolicy.POST else -1
    if len(parts) > most:
        place = -1
        parts = _divided(text, tail, limit, numbering, whole=whole, in_first=False, most=most)
    if len(parts) < 2:
        return [(parts[0] if parts else "") + tail]
    numbered = [f"{part} ({number}/{len(parts)})".lstrip(" ") for number, part in enumerate(parts, 1)]
    numbered[place] += tail
    return numbered


def _divided(
    text: str, tail: str, limit: LengthLimit, numbering: str, *, whole: bool, in_first: bool, most: int = 99
) -> list[str]:
    """Return the parts, with room for their numbers and for the link at the end of the first or the last part."""
    room, reserve = limit.most - len(numbering), limit.measure(tail)
    if in_first:
        return split(text, room, limit.measure, first=room - reserve, whole=whole, most=most)
    return split(text, room, limit.measure, first=room, last=room - reserve, whole=whole, most=most)
