"""How much room the hub needs on the disk of its data folder."""

from sqlalchemy import Connection, Engine

from ultraviolet.mirror import dialect

_SCARCE = 500_000_000


def needed(bind: Engine | Connection) -> int:
    """Give the bytes that must be free: some on SQLite; nothing on PostgreSQL, whose data is elsewhere."""
    return 0 if dialect.is_postgresql(bind) else _SCARCE
