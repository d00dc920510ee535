"""Tables of integrations and settings."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    Table,
    false,
)

from ultraviolet.db.column_types import JSON, Text
from ultraviolet.db.tables.metadata import Id, metadata

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts about this hub itself, such as its public address",
)

integrations = Table(
    "integrations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("api_url", Text, nullable=False),
    Column("auth_url", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("client_secret", LargeBinary, nullable=False, comment="encrypted"),
    Column("paused", Boolean, nullable=False, default=False),
    Column(
        "removed",
        Boolean,
        nullable=False,
        default=False,
        server_default=false(),
        comment="somebody removed it: what it brought goes little by little, and this row last",
    ),
    Column("incremental_schedule", Text, nullable=False, comment="cron expression, UTC"),
    Column("full_schedule", Text, nullable=False, comment="cron expression, UTC"),
    Column(
        "resources", JSON, comment="names of the resources chosen to be mirrored; null means all"
    ),
    Column(
        "requests_per_second",
        Integer,
        nullable=False,
        comment="budget shared by heal, fetch and verify",
    ),
    Column(
        "compared_to",
        Id,
        nullable=False,
        default=0,
        server_default="0",
        comment="ION's number of its last webhook event that was compared with what arrived",
    ),
    Column("offered", JSON, comment="what this ION offers of the contract, from introspection"),
    Column("test_result", JSON, comment="the last connection test, findings in words"),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    comment="ION environments the hub is connected to",
    sqlite_autoincrement=True,  # what was still to come for a removed one must not go to the next
)

retention = Table(
    "retention",
    metadata,
    Column(
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("keep", JSON, nullable=False, comment="days by kind; null: for ever"),
    *(
        Column(f"{kind}_before", Text, comment=f"{kind} older than this are being removed")
        for kind in ("events", "versions", "verifications", "fetches", "drift")
    ),
    Column("history_since", Text, comment="from then on history is whole"),
    Column("ran_at", Text, comment="when the last removal ended; null: one is due"),
    Column("removed", JSON, comment="what the last removal removed, by kind"),
    Column("totals", JSON, comment="what was removed ever, by kind; of fetches by state too"),
    comment="how long the past of an integration is kept, and what its removal did last",
)
