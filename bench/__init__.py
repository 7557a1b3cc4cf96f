"""What digestbot costs, measured: `python -m bench` runs all of it and prints a table."""
