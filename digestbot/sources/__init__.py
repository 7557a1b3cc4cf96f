"""The sources that summaries are read from. A source returns Summary values; the ledger decides which are new."""
