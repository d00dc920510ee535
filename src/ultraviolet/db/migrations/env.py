"""Alembic's entry: runs the migrations on the connection it is handed, in the transaction it is in."""

from alembic import context

from ultraviolet.db.tables.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
