"""Digestbot's own database, and all of its SQL.

`Ledger` opens it and hands out transactions; the modules beside this one hold what is done inside one:
`intake` (sources, papers, summaries, backlog), `editions` (slots, editions, posts made), `delivery` (claims
and their conclusions, channels) and `views` (what operators are shown).
"""

from digestbot.ledger.database import Ledger

__all__ = ["Ledger"]
