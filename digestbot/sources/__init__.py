"""Where summaries are read. A source gives Summary values; what is new among them is the ledger's business."""
