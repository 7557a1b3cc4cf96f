"""Alembic's entry: migrates over the connection that the ledger hands it, inside its transaction."""

from alembic import context

from digestbot.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
