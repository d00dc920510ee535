"""The tables of the hub, in one module because they refer to each other: what came in, is true, is left to do, who may what.

Times are RFC 3339 text in UTC with microseconds, so that they sort as they are and mean the same on
SQLite and PostgreSQL, where all text is compared byte by byte (COLLATE "C"). `source_time` is ION's clock, every other time is the hub's.
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
    return Column(
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), nullable=False
    )
