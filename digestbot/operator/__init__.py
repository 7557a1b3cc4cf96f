"""Operator actions. The command line and the pages perform them only by these functions."""
