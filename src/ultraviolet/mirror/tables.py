"""The tables of the hub, in one module because they refer to each other: what came in, is true, is left to do, who may what.

Times are RFC 3339 text in UTC with microseconds, so that they sort as they are and mean the same on
SQLite and PostgreSQL, where all text is compared byte by byte (COLLATE "C"). `source_time` is ION's clock, every other time is the hub's.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    UniqueConstraint,
    false,
    literal_column,
    text,
)

from ultraviolet.mirror import dialect
from ultraviolet.mirror.dialect import JSON, Text, by_month, hot, index_text

metadata = MetaData()

_Id = BigInteger().with_variant(Integer(), "sqlite")


def _integration() -> Column[int]:
    return Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), nullable=False
    )


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
    Column("id", _Id, primary_key=True),
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
        _Id,
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

webhook_urls = Table(
    "webhook_urls",
    metadata,
    Column("id", _Id, primary_key=True),
    _integration(),
    Column("name", Text, nullable=False),
    Column(
        "token_hash", LargeBinary, nullable=False, unique=True, comment="SHA-256 of the secret part"
    ),
    Column("last_four", Text, nullable=False),
    Column("state", Text, nullable=False, comment="active, rotated or revoked"),
    Column(
        "replaces_id",
        _Id,
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
    Column("seq", _Id, primary_key=True, autoincrement=True, comment="order of arrival in the hub"),
    _integration(),
    Column("webhook_url_id", _Id, nullable=False, comment="0: imported, another hub took it"),
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
        _Id,
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

objects = Table(
    "objects",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("resource", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("doc", JSON, nullable=False, comment="fields under ION's GraphQL names"),
    Column(
        "invalid_values",
        JSON,
        comment="values of doc that do not fit the type of their column, by field; null if all fit",
    ),
    Column("version", Integer, nullable=False, comment="number of the current version, from 1"),
    Column(
        "completeness",
        Text,
        nullable=False,
        comment="full: read whole at least once; partial: from events only",
    ),
    Column("deleted_at", Text, comment="set when ION's deletion was proven"),
    Column("source_time", Text, comment="ION's _updated of this content"),
    Column("observed_at", Text, nullable=False, comment="when ION was last seen to say this"),
    Column("read_at", Text, comment="when the last whole read that showed this content began"),
    Column("changed_at", Text, nullable=False, comment="when the content last changed here"),
    Column("origin", JSON, nullable=False, comment="what produced the current version"),
    Index(
        "objects_by_change",
        "integration_id",
        "resource",
        "changed_at",
        sqlite_where=text("changed_at > ''"),
        postgresql_where=text("changed_at > ''"),
    ),
    Index(
        "objects_deleted",
        "integration_id",
        "resource",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    Index(
        "objects_invalid",
        "integration_id",
        "resource",
        sqlite_where=text("invalid_values IS NOT NULL"),
        postgresql_where=text("invalid_values IS NOT NULL"),
    ),
    comment="the mirror: the current copy of every object",
    **hot(85),  # seen again without a change: the row is written beside itself, no index is touched
)

dialect.compare_times(objects)

BY_CHANGE = objects.c.changed_at > literal_column("''")
"""Said of every object, and where it is said, `objects_by_change` may be used.

Without that PostgreSQL reads a whole resource by it where one object is wanted, until it has learned how many there are.
"""

versions = Table(
    "versions",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=True),
    _integration(),
    Column("resource", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("change", Text, nullable=False, comment="create, update, delete or restore"),
    Column("doc", JSON, nullable=False, comment="the whole content from then on"),
    Column(
        "changed",
        JSON,
        nullable=False,
        comment="names of the fields that differ from the version before",
    ),
    Column("source_time", Text),
    Column("observed_at", Text, nullable=False),
    Column("origin", JSON, nullable=False),
    Index("versions_by_object", "integration_id", "resource", "id", "version"),
    Index("versions_in_order", "integration_id", "seq"),
    comment="history: every content an object ever had here",
    sqlite_autoincrement=True,
    **by_month("observed_at"),
)

link_kinds = Table(
    "link_kinds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("resource", Text, nullable=False),
    Column(
        "field", Text, nullable=False, comment="the link's foreign key, such as purchaseOrderId"
    ),
    Column("target_resource", Text, nullable=False),
    UniqueConstraint("resource", "field", "target_resource"),
    comment="which field of which resource names which other: written once, so that a link is a few bytes",
)

links = Table(
    "links",
    metadata,
    Column("integration_id", _Id, primary_key=True, autoincrement=False),
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("target_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    # An object has some seven of these: a check of foreign keys for each would cost more than writing them.
    comment="foreign keys of current objects, by what they name; the documents hold the other direction",
    sqlite_with_rowid=False,
)

stale = Table(
    "stale",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("resource", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", Text, nullable=False, comment="the first mark: how long this has been waiting"),
    Column(
        "marked_at",
        Text,
        nullable=False,
        comment="the newest mark: a read that began before it is no proof",
    ),
    Column("marks", Integer, nullable=False, comment="how many marks one read will settle"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Text, nullable=False),
    Column("error", Text),
    Index("stale_due", "integration_id", "next_attempt_at"),
    comment="objects known to differ, or known only in part, until a full read confirms them",
    **hot(
        70, vacuum_after=2000
    ),  # rows come and go all day; a share of its few rows would never be reached
)

watermarks = Table(
    "watermarks",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("resource", Text, primary_key=True),
    Column("updated", Text, comment="ION's _updated up to which everything was applied"),
    Column(
        "proven_at", Text, comment="when the mirror of this resource was last shown to be right"
    ),
    Column("proven_by", Text, comment="full fetch, incremental fetch or verify"),
    Column("skipped", Text, comment="why this resource is not mirrored, in words"),
    comment="per resource, how far reading has come and what it proved",
)

fetches = Table(
    "fetches",
    metadata,
    Column("id", _Id, primary_key=True),
    _integration(),
    Column("mode", Text, nullable=False, comment="incremental or full"),
    Column("state", Text, nullable=False, comment="running, done, failed or cancelled"),
    Column("requested_by", Text, nullable=False),
    Column(
        "accept_absence",
        Boolean,
        nullable=False,
        default=False,
        comment="delete however many objects ION does not show any more",
    ),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("error", Text),
    Index("fetches_by_integration", "integration_id", "mode", "started_at"),
    Index(
        "fetches_running",
        "integration_id",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    comment="passes over a whole integration",
)

fetch_steps = Table(
    "fetch_steps",
    metadata,
    Column("fetch_id", _Id, ForeignKey("fetches.id", ondelete="CASCADE"), primary_key=True),
    Column("resource", Text, primary_key=True),
    Column(
        "state", Text, nullable=False, comment="waiting, reading, proving, done, skipped or failed"
    ),
    Column("cursor", Text, comment="the last key that was read and applied"),
    Column("total", Integer, comment="ION's count when the step began"),
    Column("read", Integer, nullable=False, default=0),
    Column("changed", Integer, nullable=False, default=0),
    Column("deleted", Integer, nullable=False, default=0),
    Column(
        "started_at",
        Text,
        comment="ION was read from then on; older observations prove nothing here",
    ),
    Column("finished_at", Text),
    Column("error", Text),
    comment="the part of a fetch that reads one resource; where it goes on after a crash",
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", _Id, primary_key=True),
    _integration(),
    Column("state", Text, nullable=False, comment="running, done or failed"),
    Column("sample", Integer, comment="about how many objects are compared; null means all"),
    Column("mirrored", Integer, comment="how many objects the mirror had when it began"),
    Column("requested_by", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("error", Text),
    Index(
        "verifications_running",
        "integration_id",
        sqlite_where=text("state = 'running'"),
        postgresql_where=text("state = 'running'"),
    ),
    comment="comparisons of the mirror with ION, object by object",
)

drift = Table(
    "drift",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=True),
    _integration(),
    Column("resource", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("fields", JSON, nullable=False, comment="names of the fields that were wrong"),
    Column(
        "healed_by", JSON, nullable=False, comment="origin of the observation that put it right"
    ),
    Column("source_time", Text),
    Column(
        "wrong_since", Text, comment="ION's time of the change, or when the hub first heard of it"
    ),
    Column("seconds", Float, comment="from then until it was right here"),
    Column("healed_at", Text, nullable=False),
    Index("drift_by_cause", "integration_id", "cause", "resource"),
    Index("drift_by_object", "integration_id", "resource", "id"),
    comment="what webhooks alone would have left wrong, with the cause; of what events told, a sample",
    sqlite_autoincrement=True,
)

users = Table(
    "users",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False, comment="viewer, operator or admin"),
    Column("password_hash", Text, comment="argon2id"),
    Column("issuer", Text, comment="the single sign-on provider that knows them"),
    Column("subject", Text, comment="what the provider calls them, for good"),
    Column(
        "provider_email",
        Text,
        comment="who first comes from the provider with it becomes this person",
    ),
    Column("created_at", Text, nullable=False),
    Column("last_sign_in_at", Text),
    UniqueConstraint("issuer", "subject"),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", _Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Text, nullable=False),
    comment="one-time links; a used one is deleted",
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", _Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("way", Text, nullable=False, comment="how they signed in: link, password or provider"),
    Column("browser", Text, nullable=False, comment="what the browser calls itself"),
    Column("source", Text, nullable=False, comment="the address it came from"),
    Column("created_at", Text, nullable=False),
    Column("last_used_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Index("sessions_by_user", "user_id"),
    comment="who is signed in where; one that ended is deleted",
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("last_four", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("last_used_at", Text),
    Column("revoked_at", Text),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", _Id, primary_key=True, autoincrement=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False, comment="noun.verb, such as webhook_url.rotate"),
    Column("subject", Text, nullable=False),
    Column("detail", JSON),
    comment="what anyone did; append-only",
    sqlite_autoincrement=True,
)
dialect.append_only(audit_log)

view_columns = Table(
    "view_columns",
    metadata,
    Column("view", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False, comment="integer, real, boolean, time, text, id or json"),
    Column("field", Text, nullable=False, comment="ION's field; empty for what the mirror adds"),
    Column("comment", Text, nullable=False),
    comment="what the columns of the SQL views mean",
)

# ── proof: what a verification has compared and found ──

verification_steps = Table(
    "verification_steps",
    metadata,
    Column(
        "verification_id", _Id, ForeignKey("verifications.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("resource", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="waiting, comparing, done or failed"),
    Column("cursor", Text, comment="the last key that was compared"),
    Column(
        "ranges", Integer, comment="random ranges of keys still to compare; null means all keys"
    ),
    Column("total", Integer, comment="how many objects are to be compared, as far as known"),
    Column(
        "compared", Integer, nullable=False, default=0, comment="objects of ION that were compared"
    ),
    Column("started_at", Text, comment="what is proven is proven as of then"),
    Column("error", Text),
    comment="the part of a verification that compares one resource; where it goes on after a crash",
)

differences = Table(
    "differences",
    metadata,
    Column(
        "verification_id", _Id, ForeignKey("verifications.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("resource", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="missing, extra, different, displayed or invalid"),
    Column(
        "fields", JSON, nullable=False, comment="by name: what ION says and what the mirror says"
    ),
    Column("state", Text, nullable=False, comment="suspected, confirmed or unsettled"),
    Column(
        "fingerprint", Text, comment="of both contents as last read: a change shows that they move"
    ),
    Column("detail", Text, comment="why it could not be settled"),
    comment="every object on which a verification found mirror and ION to disagree",
)

arrivals = Table(
    "arrivals",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("hour", Text, primary_key=True, comment="such as 2026-11-24T20, UTC"),
    Column("resource", Text, primary_key=True),
    Column("cause", Text, primary_key=True, comment="of drift; empty: every change"),
    Column(
        "healed_by", Text, primary_key=True, comment="kind of the origin that put it right here"
    ),
    Column(
        "bucket",
        Integer,
        primary_key=True,
        comment="how late: 1 ms times the square root of 2 to this",
    ),
    Column("count", Integer, nullable=False),
    comment="changes an hour, and how late after ION's own time each was right here",
    **hot(50, vacuum_after=2000),  # a few counters of this hour take all the writes
)

DELAYS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Seconds: the upper bounds by which `activity` counts delays; one more column counts what took longer."""

activity = Table(
    "activity",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("minute", Text, primary_key=True, comment="such as 2026-11-24T20:58, UTC"),
    Column("changes", Integer, nullable=False, comment="contents put into the mirror"),
    *(
        Column(
            f"within_{number}", Integer, nullable=False, comment=f"changes seen within {bound} s"
        )
        for number, bound in enumerate((*DELAYS, "more"))
    ),
    comment="changes a minute and their delay from ION's time of the change, or the first news of it, until the mirror showed it",
    **hot(50, vacuum_after=2000),
)

search_texts = Table(
    "search_texts",
    metadata,
    Column("id", _Id, primary_key=True),
    _integration(),
    Column("resource", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("text", Text, nullable=False, comment="what the object says, in small letters"),
    UniqueConstraint("integration_id", "resource", "object_id"),
    comment="what a search looks through, kept up with the history by and by",
)
index_text(search_texts)

search_progress = Table(
    "search_progress",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("seq", _Id, nullable=False, comment="the last version that search_texts knows of"),
    comment="how far search_texts has followed the history; versions of one integration are committed in order",
)

delivery_counts = Table(
    "delivery_counts",
    metadata,
    Column(
        "webhook_url_id", _Id, ForeignKey("webhook_urls.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("hour", Text, primary_key=True, comment="such as 2026-11-24T20, UTC"),
    Column(
        "outcome", Text, primary_key=True, comment="taken, wrong_signature, too_large or put_off"
    ),
    Column("count", Integer, nullable=False),
    comment="deliveries an hour at each webhook URL, by what became of them",
    **hot(50, vacuum_after=2000),
)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False, comment="the query part of the page's address"),
    UniqueConstraint("user_name", "resource", "name"),
    comment="tables of objects that someone wants to come back to",
)

findings = Table(
    "findings",
    metadata,
    Column("id", _Id, primary_key=True),
    _integration(),
    Column(
        "kind",
        Text,
        nullable=False,
        comment="what was looked at: receiver, gap, credentials, silent, …",
    ),
    Column("subject", Text, nullable=False, comment="what it is about, within its kind"),
    Column("sentence", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("found_at", Text, nullable=False),
    Column("repaired_at", Text, comment="when the hub put it right itself"),
    Column("resolved_at", Text, comment="when it was not found any more"),
    Index("findings_by_integration", "integration_id", "resolved_at"),
    comment="what the watchdog found to be the matter, and what became of it",
)

maintenance = Table(
    "maintenance",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column(
        "noted_at", Text, nullable=False, comment="when a process last said that it maintains it"
    ),
    Column("problem", Text, comment="what keeps ION from answering, in words"),
    comment="which integrations are maintained by a process, and what that process meets",
)

retention = Table(
    "retention",
    metadata,
    Column(
        "integration_id", _Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
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

# ── alerts: what needs a person, and whom it was told to ──

alert_destinations = Table(
    "alert_destinations",
    metadata,
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
    Column(
        "integration_id",
        _Id,
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
    Column("alert_id", _Id, ForeignKey("alerts.id", ondelete="CASCADE"), primary_key=True),
    Column(
        "destination_id",
        _Id,
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

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True, comment="the API key or person that chose it"),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False, comment="SHA-256 of method, address and body"),
    Column(
        "alive_until", Text, comment="who does it says so again before then; null when it is done"
    ),
    Column("status", Integer, comment="of the answer"),
    Column("answer", LargeBinary, comment="encrypted, as it may carry a secret that is shown once"),
    Column("expires_at", Text, nullable=False),
    Index("idempotency_keys_expired", "expires_at"),
    comment="answers to be given again where a request is repeated",
)
