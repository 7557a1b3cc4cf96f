"""Pure: a rendered text, and the link that goes with it, as the parts of a thread."""

from __future__ import annotations

from digestbot.model import LinkPolicy
from digestbot.text import Limit, split

_NUMBERINGS = (" (9/9)", " (99/99)")  # what is kept free for a part's number


def parts(text: str, link: str, where: LinkPolicy, limit: Limit, *, whole: bool = False) -> list[str]:
    """The text as one post if it fits, else as numbered parts that end where a reader would stop.

    The link stands in the first part (`post`) or in the last (`last`). With ``whole``, paragraphs that fit a part stay
    in one piece. No part is over the limit, unless the link alone is.
    """
    tail = f"\n\n{link}" if link and where is not LinkPolicy.NONE else ""
    alone = text + tail
    if limit.measure(alone) <= limit.most:
        return [alone]
    reserve = limit.measure(tail)
    found: list[str] = []
    for numbering in _NUMBERINGS:
        room = limit.most - len(numbering)
        first = room - (reserve if where is LinkPolicy.POST else 0)
        found = split(text, room, limit.measure, first=first, whole=whole)
        if where is LinkPolicy.LAST and found and limit.measure(found[-1]) + reserve > room:
            found[-1:] = split(found[-1], room, limit.measure, first=room - reserve, whole=whole)
            if limit.measure(found[-1]) + reserve > room:
                found.append("")  # a part of the link alone
        if len(found) <= 9:
            break
    if len(found) < 2:
        return [(found[0] if found else "") + tail]
    numbered = [f"{part} ({number}/{len(found)})".lstrip(" ") for number, part in enumerate(found, 1)]
    place = 0 if where is LinkPolicy.POST else -1
    numbered[place] += tail
    return numbered
