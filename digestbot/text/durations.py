"""Time spans, formatted for people."""

from datetime import timedelta


def duration(span: timedelta) -> str:
    """Return a time span as people write it: "3 h 20 min"."""
    minutes = round(abs(span.total_seconds()) / 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"
    if hours:
        return f"{hours} h {rest} min" if rest else f"{hours} h"
    return f"{rest} min" if rest else "less than a minute"
