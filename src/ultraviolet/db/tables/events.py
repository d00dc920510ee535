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
)

from ultraviolet.db.column_types import JSON, Text, by_month, update_in_place
from ultraviolet.db.tables.metadata import Id, integration_id_column, metadata, partial_index

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
        comment="the URL that this one replaced by rotation",
    ),
    Column(
        "expires_at", Text, comment="a rotated URL works until then, or until its successor is used"
    ),
    Column("receiver_id", Text, comment="id of the ION receiver that posts here, once known"),
    Column(
        "receiver_problem",
        Text,
        comment="why ION does not post to it, by the last check; null if it does",
    ),
    Column(
        "shared_secret",
        LargeBinary,
        comment="encrypted; null until the receiver is read from ION",
    ),
    Column(
        "signature_format",
        Text,
        comment="signature format, detected from the first valid signature",
    ),
    Column(
        "wanted",
        JSON,
        comment="desired subscriptions: [[resource, action], ...]; null means all supported",
    ),
    Column(
        "manual",
        Boolean,
        nullable=False,
        default=False,
        server_default=false(),
        comment="whether a person sets up its receiver in ION, not the hub",
    ),
    Column("created_at", Text, nullable=False),
    Column("subscribed_at", Text, comment="when a desired subscription was last activated"),
    Column("first_delivery_at", Text),
    Column("last_delivery_at", Text),
    Column("first_verified_at", Text, comment="time of the first delivery with a valid signature"),
    Column(
        "refused",
        Integer,
        nullable=False,
        default=0,
        server_default="0",
        comment="number of deliveries with an invalid signature",
    ),
    Column("last_refused_at", Text),
    Index("webhook_urls_by_integration", "integration_id"),
    Column("last_failure", Text, comment="why the last rejected delivery was rejected"),
    Column("last_failure_at", Text),
    comment="Endpoints for deliveries. The URL itself is never stored.",
)

events = Table(
    "events",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True, comment="order of arrival in the hub"),
    integration_id_column(),
    Column("webhook_url_id", Id, nullable=False, comment="0: imported from another hub"),
    Column("dedupe_key", LargeBinary, nullable=False, comment="key in `event_keys`"),
    Column("event_id", Text, comment="ION's own id of the delivery"),
    Column("subscription_id", Text),
    Column("resource", Text, comment="name of a resource; null if unknown"),
    Column("action", Text, comment="CREATE, UPDATE or DELETE"),
    Column("object_id", Text),
    Column("source_time", Text),
    Column("received_at", Text, nullable=False),
    Column(
        "change_key",
        LargeBinary,
        comment="hash of the body without the ids of the delivery, which is equal for all receivers"
        " of a change; null if the body has no time",
    ),
    Column("body", LargeBinary, nullable=False, comment="exactly as received"),
    Column("headers", JSON, nullable=False),
    Column(
        "signature",
        Text,
        nullable=False,
        comment="verified, unverified (no shared secret known) or recovered (from ION)",
    ),
    Column(
        "outcome",
        Text,
        comment="applied, nothing_new, not_chosen, not_understood or replayed; null: waiting",
    ),
    Column("detail", Text, comment="the outcome as text"),
    Column("applied_at", Text),
    Column(
        "conflicting",
        Boolean,
        nullable=False,
        default=False,
        server_default=false(),
        comment="the same event was recorded with another body; the values are not used",
    ),
    Index("events_by_object", "integration_id", "resource", "object_id", "seq"),
    Index("events_by_number", "integration_id", "event_id"),
    Index("events_by_change", "integration_id", "source_time", "change_key"),
    partial_index("events_waiting", "integration_id", "seq", where="outcome IS NULL"),
    partial_index(
        "events_not_understood", "integration_id", "object_id", where="outcome = 'not_understood'"
    ),
    partial_index("events_imported", "received_at", "seq", where="webhook_url_id = 0"),
    comment="Received events, each once, with the raw body",
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
        comment="no foreign key, for speed; `events` has it",
    ),
    Column("dedupe_key", LargeBinary, primary_key=True, comment="hash that identifies the event"),
    Column("deliveries", Integer, nullable=False, comment="number of deliveries of the event"),
    Column("body_digest", LargeBinary, nullable=False, comment="SHA-256 of the body"),
    comment="Unique keys of events. A partitioned table of PostgreSQL cannot enforce them.",
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 90},  # room to update `deliveries` in place
)

delivery_counts = Table(
    "delivery_counts",
    metadata,
    Column(
        "webhook_url_id", Id, ForeignKey("webhook_urls.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("hour", Text, primary_key=True, comment="UTC, such as 2026-11-24T20"),
    Column(
        "outcome", Text, primary_key=True, comment="taken, wrong_signature, too_large or put_off"
    ),
    Column("count", Integer, nullable=False),
    comment="Deliveries per hour, webhook URL and outcome",
    **update_in_place(50, vacuum_after=2000),
)
