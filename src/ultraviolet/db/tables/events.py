"""Tables of webhook URLs, received events and delivery counts."""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    false,
    text,
)

from ultraviolet.db.column_types import JSON, Text, by_month, update_in_place
from ultraviolet.db.tables.metadata import Id, integration_id_column, metadata

webhook_urls = Table(
    "webhook_urls",
    metadata,
    Column("id", Id, primary_key=True),
    integration_id_column(),
    Column("name", Text, nullable=False),
    Column(
        "token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the secret part"
    ),
    Column("last_four", Text, nullable=False),
    Column("state", Text, nullable=False, comment="active, rotated or revoked"),
    Column(
        "replaces_id",
        Id,
        ForeignKey("webhook_urls.id"),
        comment="the URL this one was rotated from",
    ),
    Column(
        "expires_at", Text, comment="a rotated URL works until then, or until its successor is used"
    ),
    Column("receiver_id", Text, comment="ION's receiver that posts here, once known"),
    Column(
        "shared_secret",
        LargeBinary,
        comment="encrypted; known once the receiver was read through the API",
    ),
    Column(
        "signature_format",
        Text,
        comment="how ION writes the signature, detected from the first match",
    ),
    Column(
        "wanted",
        JSON,
        comment="desired subscriptions: [[resource, action], ...]; null means all supported",
    ),
    Column("created_at", Text, nullable=False),
    Column("subscribed_at", Text, comment="when ION last began to post something that is wanted"),
    Column("first_delivery_at", Text),
    Column("last_delivery_at", Text),
    Column("first_verified_at", Text, comment="first delivery whose signature matched"),
    Column(
        "refused",
        Integer,
        nullable=False,
        default=0,
        server_default="0",
        comment="deliveries with a wrong signature",
    ),
    Column("last_refused_at", Text),
    Index("webhook_urls_by_integration", "integration_id"),
    Column("last_failure", Text, comment="what became of the last delivery that was not taken"),
    Column("last_failure_at", Text),
    comment="addresses minted for deliveries; the address itself is never stored",
)

events = Table(
    "events",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True, comment="order of arrival in the hub"),
    integration_id_column(),
    Column("webhook_url_id", Id, nullable=False, comment="0: imported, another hub took it"),
    Column("dedupe_key", LargeBinary, nullable=False, comment="of `event_keys`"),
    Column("event_id", Text, comment="ION's own id of the delivery"),
    Column("subscription_id", Text),
    Column("resource", Text, comment="as understood, a resource of the catalog"),
    Column("action", Text, comment="CREATE, UPDATE or DELETE"),
    Column("object_id", Text),
    Column("source_time", Text),
    Column("received_at", Text, nullable=False),
    Column("body", LargeBinary, nullable=False, comment="exactly as received"),
    Column("headers", JSON, nullable=False),
    Column(
        "signature",
        Text,
        nullable=False,
        comment="verified, unverified (no shared secret known yet) or recovered (from ION's record)",
    ),
    Column(
        "outcome",
        Text,
        comment="null until applied, then: applied, nothing_new, not_chosen, not_understood, replayed",
    ),
    Column("detail", Text, comment="the outcome in words"),
    Column("applied_at", Text),
    Column(
        "conflicting",
        Boolean,
        nullable=False,
        default=False,
        server_default=false(),
        comment="ION sent the same event before with another body; its values are not used",
    ),
    Index("events_by_object", "integration_id", "resource", "object_id", "seq"),
    Index("events_by_number", "integration_id", "event_id"),
    Index(
        "events_waiting",
        "integration_id",
        "seq",
        sqlite_where=text("outcome IS NULL"),
        postgresql_where=text("outcome IS NULL"),
    ),
    Index(
        "events_not_understood",
        "integration_id",
        "object_id",
        sqlite_where=text("outcome = 'not_understood'"),
        postgresql_where=text("outcome = 'not_understood'"),
    ),
    Index(
        "events_imported",
        "received_at",
        "seq",
        sqlite_where=text("webhook_url_id = 0"),
        postgresql_where=text("webhook_url_id = 0"),
    ),
    comment="what ION told the hub, once each, raw",
    sqlite_autoincrement=True,
    **by_month("received_at"),
)

event_keys = Table(
    "event_keys",
    metadata,
    Column(
        "integration_id",
        Id,
        primary_key=True,
        comment="no foreign key: events have it, and this costs",
    ),
    Column("dedupe_key", LargeBinary, primary_key=True, comment="what makes an event the same"),
    Column("deliveries", Integer, nullable=False, comment="how often this event was delivered"),
    Column("body_digest", LargeBinary, nullable=False, comment="SHA-256 of the body"),
    comment="what makes an event recorded once: PostgreSQL can hold that only in a table without months",
    sqlite_with_rowid=False,
    postgresql_with={
        "fillfactor": 90
    },  # so that counting a delivery again finds room beside the row
)

delivery_counts = Table(
    "delivery_counts",
    metadata,
    Column(
        "webhook_url_id", Id, ForeignKey("webhook_urls.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("hour", Text, primary_key=True, comment="such as 2026-11-24T20, UTC"),
    Column(
        "outcome", Text, primary_key=True, comment="taken, wrong_signature, too_large or put_off"
    ),
    Column("count", Integer, nullable=False),
    comment="deliveries an hour at each webhook URL, by what became of them",
    **update_in_place(50, vacuum_after=2000),
)
