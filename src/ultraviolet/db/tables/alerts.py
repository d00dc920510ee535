"""Tables of alert destinations, alerts and their notices."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
)

from ultraviolet.db.column_types import Text
from ultraviolet.db.tables.metadata import Id, metadata, partial_index

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
        comment="the address as displayed, without its secret part",
    ),
    Column("address", LargeBinary, nullable=False, comment="encrypted"),
    Column("signing_secret", LargeBinary, comment="encrypted; only for signed webhooks"),
    Column("created_at", Text, nullable=False),
    Column("last_result", Text, comment="result of the last message, as text"),
    Column("last_well", Boolean, comment="whether the last message was accepted"),
    Column("last_at", Text),
    comment="Destinations of alerts",
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "integration_id",
        Id,
        ForeignKey("integrations.id", ondelete="CASCADE"),
        comment="null: the alert is about the hub itself",
    ),
    Column("topic", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("opened_at", Text, nullable=False, comment="when the condition was first found"),
    Column("gone_since", Text, comment="when the condition was first no longer found"),
    Column("fixed_at", Text, comment="when the alert was closed, after the condition stayed away"),
    partial_index("alerts_open", "integration_id", where="fixed_at IS NULL"),
    comment="Conditions that need or needed action",
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
    Column("next_attempt_at", Text, comment="null: sent, or no more attempts"),
    Column("error", Text),
    partial_index("alert_notices_due", "next_attempt_at", where="next_attempt_at IS NOT NULL"),
    comment="Notices of alerts, one per destination and change",
)
