"""Decisions in plain Python: no I/O, no SQL, and no clock other than the instants passed in."""
