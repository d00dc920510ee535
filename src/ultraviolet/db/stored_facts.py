"""Facts about a hub that its processes share in the table `settings`, such as its public address."""

from sqlalchemy import Connection, delete, select, text

from ultraviolet.db.tables.integrations import settings

PUBLIC_URL = "public url"
"""The public address of the last started hub, for commands that run without one."""
VIEWS = "views"
"""The digest of the statements that created the SQL views."""
IDENTITY = "identity"
"""The identity of the database, by which a copy is detected."""
MOVED_FROM = "moved from"
"""The database from which this one was copied."""
NOT_COPIED = {VIEWS, IDENTITY, MOVED_FROM}
"""Facts about one database, which a copy does not have."""

_SAVE = """INSERT INTO settings (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""


def read_fact(connection: Connection, name: str) -> str | None:
    """Return the value of a fact, None if it is unknown."""
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()


def save_fact(connection: Connection, name: str, value: str) -> None:
    """Set the value of a fact."""
    connection.execute(text(_SAVE), {"name": name, "value": value})


def replace_older_fact(connection: Connection, name: str, value: str, limit: str) -> bool:
    """Set the value of a fact that is unknown or below a limit; return whether it was set."""
    statement = text(f"{_SAVE} WHERE settings.value < :limit")
    given = {"name": name, "value": value, "limit": limit}
    return connection.execute(statement, given).rowcount > 0


def forget_fact(connection: Connection, name: str) -> None:
    """Delete a fact."""
    connection.execute(delete(settings).where(settings.c.name == name))
