"""Tables of latency and activity statistics."""

from sqlalchemy import (
    Column,
    Integer,
    Table,
)

from ultraviolet.db.column_types import Text, update_in_place
from ultraviolet.db.tables.metadata import integration_id_column, metadata

arrivals = Table(
    "arrivals",
    metadata,
    integration_id_column(primary_key=True),
    Column("hour", Text, primary_key=True, comment="UTC, such as 2026-11-24T20"),
    Column("resource", Text, primary_key=True),
    Column("cause", Text, primary_key=True, comment="cause of drift; empty: all changes"),
    Column(
        "healed_by", Text, primary_key=True, comment="kind of the origin that corrected the mirror"
    ),
    Column(
        "bucket",
        Integer,
        primary_key=True,
        comment="latency: up to 1 ms × √2 to this power; -1: unknown",
    ),
    Column("count", Integer, nullable=False),
    comment="Histogram of latency per hour, from the change in ION to the mirror",
    **update_in_place(50, vacuum_after=2000),  # only the rows of this hour change
)

DELAYS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds in seconds of the delay columns of `activity`; one more counts longer delays."""

activity = Table(
    "activity",
    metadata,
    integration_id_column(primary_key=True),
    Column("minute", Text, primary_key=True, comment="such as 2026-11-24T20:58, UTC"),
    Column("changes", Integer, nullable=False, comment="new versions in the mirror"),
    *(
        Column(f"within_{number}", Integer, nullable=False, comment=f"changes within {bound} s")
        for number, bound in enumerate((*DELAYS, "more"))
    ),
    comment="Changes per minute, and their delay from ION's time of the change, or the first sign of it",
    **update_in_place(50, vacuum_after=2000),
)
