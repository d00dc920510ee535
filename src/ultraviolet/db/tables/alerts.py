"""Tables of alert destinations, alerts and sent notices."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)

from ultraviolet.db.column_types import Text
from ultraviolet.db.tables.metadata import Id, metadata

# ── alerts: what needs a person, and whom it was told to ──

alert_destinations = Table(
    "alert_destinations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False, comment="email, slack or webhook"),
    Column(
        "shown",
        Text,
        nullable=False,
        comment="the address as pages show it, without what is secret in it",
    ),
    Column("address", LargeBinary, nullable=False, comment="encrypted"),
    Column("signing_secret", LargeBinary, comment="encrypted; of a signed webhook"),
    Column("created_at", Text, nullable=False),
    Column("last_result", Text, comment="what came of the last message, in words"),
    Column("last_well", Boolean),
    Column("last_at", Text),
    comment="where alerts go",
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "integration_id",
        Id,
        ForeignKey("integrations.id", ondelete="CASCADE"),
        comment="null: the hub",
    ),
    Column("topic", Text, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("opened_at", Text, nullable=False, comment="when it was first found"),
    Column("gone_since", Text, comment="when it was first not found again"),
    Column("fixed_at", Text, comment="when it had not been found for a while"),
    Index(
        "alerts_open",
        "integration_id",
        sqlite_where=text("fixed_at IS NULL"),
        postgresql_where=text("fixed_at IS NULL"),
    ),
    comment="what needed or needs a person",
)

alert_notices = Table(
    "alert_notices",
    metadata,
    Column("alert_id", Id, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "destination_id",
        Id,
        ForeignKey("alert_destinations.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("what", Text, primary_key=True, comment="opened or fixed"),
    Column("sent_at", Text),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Text, comment="null: sent, or given up"),
    Column("error", Text),
    Index(
        "alert_notices_due",
        "next_attempt_at",
        sqlite_where=text("next_attempt_at IS NOT NULL"),
        postgresql_where=text("next_attempt_at IS NOT NULL"),
    ),
    comment="what each destination is told, once",
)
