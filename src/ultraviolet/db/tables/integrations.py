"""Tables of integrations and settings."""

from sqlalchemy import (
    Boolean,
    Column,
    Integer,
    LargeBinary,
    Table,
    false,
)

from ultraviolet.db.column_types import JSON, Text
from ultraviolet.db.tables.metadata import Id, integration_id_column, metadata

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts about this hub, such as its public address",
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
        comment="removed by a user; its data is deleted in batches, then this row",
    ),
    Column("incremental_schedule", Text, nullable=False, comment="cron expression, UTC"),
    Column("full_schedule", Text, nullable=False, comment="cron expression, UTC"),
    Column("resources", JSON, comment="names of the selected resources; null means all"),
    Column(
        "requests_per_second",
        Integer,
        nullable=False,
        comment="limit shared by heal, fetch and verify",
    ),
    Column(
        "compared_to",
        Id,
        nullable=False,
        default=0,
        server_default="0",
        comment="id of the last ION webhook event compared with the deliveries",
    ),
    Column(
        "offered", JSON, comment="the part of the contract that this ION offers, from introspection"
    ),
    Column("test_result", JSON, comment="result of the last connection test"),
    Column("created_at", Text, nullable=False),
    Column("updated_at", Text, nullable=False),
    comment="Connections to ION environments",
    sqlite_autoincrement=True,  # late data of a removed integration must not reach a new one
)

retention = Table(
    "retention",
    metadata,
    integration_id_column(primary_key=True),
    Column("keep", JSON, nullable=False, comment="days to keep, by kind; null: forever"),
    *(
        Column(f"{kind}_before", Text, comment=f"{kind} older than this are deleted")
        for kind in ("events", "versions", "verifications", "fetches", "drift")
    ),
    Column("history_since", Text, comment="the history is complete since then"),
    Column("ran_at", Text, comment="when the last deletion finished; null: due now"),
    Column("removed", JSON, comment="rows deleted by the last run, by kind"),
    Column("totals", JSON, comment="rows deleted in total, by kind; fetches also by state"),
    comment="Retention of each integration, and the last deletion",
)
