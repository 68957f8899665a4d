"""Alembic's entry: runs the revisions in the transaction that `moderation.db.migrate` hands over, and only there."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, version_table="migrations", version_table_schema="moderation")
with context.begin_transaction():
    context.run_migrations()
