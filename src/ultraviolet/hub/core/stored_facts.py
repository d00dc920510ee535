"""Facts about this hub that its processes share through the database, such as its public address."""

from sqlalchemy import Connection, select, text

from ultraviolet.db.tables.integrations import settings

PUBLIC_URL = "public url"
"""The public address of the last started hub, for commands that run without one."""

_SAVE = text(
    """INSERT INTO settings (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
)


def read_fact(connection: Connection, name: str) -> str | None:
    """Return the value of a fact, None if it is unknown."""
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()


def save_fact(connection: Connection, name: str, value: str) -> None:
    """Set the value of a fact."""
    connection.execute(_SAVE, {"name": name, "value": value})
