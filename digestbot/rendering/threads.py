"""Pure functions that split a rendered text and its link into the parts of a thread."""

from __future__ import annotations

from digestbot.domain.model import LinkPolicy
from digestbot.platforms.base import LengthLimit
from digestbot.text import split

_NUMBERINGS = (" (9/9)", " (99/99)")  # room reserved for a part's number


def split_into_parts(text: str, link: str, where: LinkPolicy, limit: LengthLimit, *, whole: bool = False) -> list[str]:
    """Return the text as one post if it fits, otherwise as numbered parts that end where a reader would pause.

    The link is in the first part (`post`) or in the last (`last`). With ``whole``, paragraphs that fit into a part are
    not split. No part exceeds the limit, unless the link alone does.
    """
    tail = f"\n\n{link}" if link and where is not LinkPolicy.NONE else ""
    alone = text + tail
    if limit.measure(alone) <= limit.most:
        return [alone]
    reserve = limit.measure(tail)
    results: list[str] = []
    for numbering in _NUMBERINGS:
        room = limit.most - len(numbering)
        first = room - (reserve if where is LinkPolicy.POST else 0)
        results = split(text, room, limit.measure, first=first, whole=whole)
        if where is LinkPolicy.LAST and results and limit.measure(results[-1]) + reserve > room:
            results[-1:] = split(results[-1], room, limit.measure, first=room - reserve, whole=whole)
            if limit.measure(results[-1]) + reserve > room:
                results.append("")  # a part with only the link
        if len(results) <= 9:
            break
    if len(results) < 2:
        return [(results[0] if results else "") + tail]
    numbered = [f"{part} ({number}/{len(results)})".lstrip(" ") for number, part in enumerate(results, 1)]
    place = 0 if where is LinkPolicy.POST else -1
    numbered[place] += tail
    return numbered
