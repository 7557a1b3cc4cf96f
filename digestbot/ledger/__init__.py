"""digestbot's own database, and all of its SQL.

`Ledger` opens the database and provides transactions. The other modules of this package contain the functions that run
inside a transaction: `intake` (papers and summaries from sources), `backlog` (pending summaries), `editions` (slots,
editions and their posts), `delivery` (claims and their outcomes), and `queries` (what operators are shown).
"""

from digestbot.ledger.engine import Ledger

__all__ = [
    "Ledger",
]
