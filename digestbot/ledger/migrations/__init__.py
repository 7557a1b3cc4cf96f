"""How a ledger of an older digestbot is brought up to date."""
