"""Alembic's entry point: run the migrations in the transaction of the given connection."""

from alembic import context

from ultraviolet.db.tables.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
    render_as_batch=True,
)
context.run_migrations()
