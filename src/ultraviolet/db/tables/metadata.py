"""The shared MetaData, column types and columns of all tables.

Times are RFC 3339 text in UTC with microseconds. They sort as text, and text is compared byte by
byte on SQLite and PostgreSQL (COLLATE "C"). `source_time` comes from ION's clock, all other times from
the hub's.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    MetaData,
)

metadata = MetaData()

Id = BigInteger().with_variant(Integer(), "sqlite")


def integration_id_column() -> Column[int]:
    """Return a new foreign key column to the integration."""
    return Column(
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), nullable=False
    )
