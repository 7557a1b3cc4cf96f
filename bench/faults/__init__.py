"""The fault campaign: `python -m bench.faults [controls|soak|syscalls]`; docs/reliability.md has its figures.

Times are scaled down (a lease of 1.5 s instead of 2 minutes) so that hours of trouble fit into minutes; the code
is the service's own.
"""
