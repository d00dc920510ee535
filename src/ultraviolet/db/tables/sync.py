"""Tables of pending and finished sync work: stale objects, fetches, verifications, findings."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
    text,
)

from ultraviolet.db.column_types import JSON, Text, update_in_place
from ultraviolet.db.tables.metadata import Id, integration_id_column, metadata

stale = Table(
    "stale",
    metadata,
    Column(
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
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
    **update_in_place(
        70, vacuum_after=2000
    ),  # rows come and go all day; a share of its few rows would never be reached
)

watermarks = Table(
    "watermarks",
    metadata,
    Column(
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
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
    Column("id", Id, primary_key=True),
    integration_id_column(),
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
    Column("fetch_id", Id, ForeignKey("fetches.id", ondelete="CASCADE"), primary_key=True),
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
    Column("id", Id, primary_key=True),
    integration_id_column(),
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
    Column("seq", Id, primary_key=True, autoincrement=True),
    integration_id_column(),
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

# ── proof: what a verification has compared and found ──

verification_steps = Table(
    "verification_steps",
    metadata,
    Column(
        "verification_id", Id, ForeignKey("verifications.id", ondelete="CASCADE"), primary_key=True
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
        "verification_id", Id, ForeignKey("verifications.id", ondelete="CASCADE"), primary_key=True
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

findings = Table(
    "findings",
    metadata,
    Column("id", Id, primary_key=True),
    integration_id_column(),
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
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column(
        "noted_at", Text, nullable=False, comment="when a process last said that it maintains it"
    ),
    Column("problem", Text, comment="what keeps ION from answering, in words"),
    comment="which integrations are maintained by a process, and what that process meets",
)
