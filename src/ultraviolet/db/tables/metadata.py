"""The shared MetaData, column types and columns of all tables.

Times are RFC 3339 text in UTC with microseconds. They sort as text, and text is compared byte by
byte on SQLite and PostgreSQL (COLLATE "C"). `source_time` comes from ION's clock, all other times from
the hub's.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    text,
)

metadata = MetaData()

Id = BigInteger().with_variant(Integer(), "sqlite")


def integration_id_column(*, primary_key: bool = False) -> Column[int]:
    """Return a new foreign key column to the integration."""
    to_integration = ForeignKey("integrations.id", ondelete="CASCADE")
    return Column("integration_id", Id, to_integration, primary_key=primary_key, nullable=False)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """Return an index of the rows that meet a condition."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))
