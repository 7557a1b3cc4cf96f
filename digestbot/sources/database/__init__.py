"""A database as a source, through SQLAlchemy."""
