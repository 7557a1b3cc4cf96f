"""RSS and Atom feeds as a source, through feedparser."""
