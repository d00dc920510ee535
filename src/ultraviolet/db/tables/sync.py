"""Tables of pending and finished work: stale objects, fetches, verifications, findings."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    Table,
)

from ultraviolet.db.column_types import JSON, Text, update_in_place
from ultraviolet.db.tables.metadata import Id, integration_id_column, metadata, partial_index

stale = Table(
    "stale",
    metadata,
    integration_id_column(primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", Text, nullable=False, comment="when the object was first marked"),
    Column(
        "marked_at",
        Text,
        nullable=False,
        comment="when it was last marked; earlier reads prove nothing",
    ),
    Column("marks", Integer, nullable=False, comment="number of marks since the last full read"),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_attempt_at", Text, nullable=False),
    Column("error", Text),
    Index("stale_due", "integration_id", "next_attempt_at"),
    comment="Objects that wait for a full read",
    **update_in_place(70, vacuum_after=2000),  # few rows that change often
)

watermarks = Table(
    "watermarks",
    metadata,
    integration_id_column(primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("updated", Text, comment="the watermark, in ION's _updated"),
    Column("proven_at", Text, comment="when the mirror was last proven equal to ION"),
    Column("proven_by", Text, comment="full fetch, incremental fetch or verify"),
    Column("skipped", Text, comment="why the resource cannot be mirrored, as text"),
    comment="Watermark and last proof of each resource",
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
        comment="allow the deletion of any number of objects",
    ),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("error", Text),
    Index("fetches_by_integration", "integration_id", "mode", "started_at"),
    partial_index("fetches_running", "integration_id", where="state = 'running'"),
    comment="Fetches of whole integrations",
)

fetch_steps = Table(
    "fetch_steps",
    metadata,
    Column("fetch_id", Id, ForeignKey("fetches.id", ondelete="CASCADE"), primary_key=True),
    Column("resource", Text, primary_key=True),
    Column(
        "state", Text, nullable=False, comment="waiting, reading, proving, done, skipped or failed"
    ),
    Column("cursor", Text, comment="the last id that was read and applied"),
    Column("total", Integer, comment="ION's number of objects at the start"),
    Column("read", Integer, nullable=False, default=0),
    Column("changed", Integer, nullable=False, default=0),
    Column("deleted", Integer, nullable=False, default=0),
    Column(
        "started_at",
        Text,
        comment="start of reading; older observations prove nothing",
    ),
    Column("finished_at", Text),
    Column("error", Text),
    comment="Progress of a fetch in each resource",
)

verifications = Table(
    "verifications",
    metadata,
    Column("id", Id, primary_key=True),
    integration_id_column(),
    Column("state", Text, nullable=False, comment="running, done or failed"),
    Column("sample", Integer, comment="approximate number of objects to compare; null: all"),
    Column("mirrored", Integer, comment="number of mirrored objects at the start"),
    Column("requested_by", Text, nullable=False),
    Column("started_at", Text, nullable=False),
    Column("finished_at", Text),
    Column("error", Text),
    partial_index("verifications_running", "integration_id", where="state = 'running'"),
    comment="Comparisons of the mirror with ION, object by object",
)

drift = Table(
    "drift",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True),
    integration_id_column(),
    Column("resource", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("fields", JSON, nullable=False, comment="names of the fields that differed"),
    Column(
        "healed_by", JSON, nullable=False, comment="origin of the observation that corrected it"
    ),
    Column("source_time", Text),
    Column("wrong_since", Text, comment="ION's time of the change, else the first sign of it"),
    Column("seconds", Float, comment="seconds from then to the correction"),
    Column("healed_at", Text, nullable=False),
    Index("drift_by_cause", "integration_id", "cause", "resource"),
    Index("drift_by_object", "integration_id", "resource", "id"),
    comment="Corrections: differences that webhooks alone would have left, by cause",
    sqlite_autoincrement=True,
)

verification_steps = Table(
    "verification_steps",
    metadata,
    Column(
        "verification_id", Id, ForeignKey("verifications.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("resource", Text, primary_key=True),
    Column("state", Text, nullable=False, comment="waiting, comparing, done or failed"),
    Column("cursor", Text, comment="the last id that was compared"),
    Column("ranges", Integer, comment="random ranges of ids still to compare; null: all ids"),
    Column("total", Integer, comment="number of objects to compare, if known"),
    Column(
        "compared",
        Integer,
        nullable=False,
        default=0,
        comment="number of ION objects compared so far",
    ),
    Column("started_at", Text, comment="the comparison proves equality as of this time"),
    Column("error", Text),
    comment="Progress of a verification in each resource",
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
    Column("fields", JSON, nullable=False, comment="by field: the values in ION and in the mirror"),
    Column("state", Text, nullable=False, comment="suspected, confirmed or unsettled"),
    Column("fingerprint", Text, comment="hash of both contents as last read"),
    Column("detail", Text, comment="why the difference is unsettled"),
    comment="Objects that differ between mirror and ION, by verification",
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
        comment="kind of problem: receiver, gap, credentials, silent, …",
    ),
    Column(
        "subject", Text, nullable=False, comment="the subject of the problem, such as a resource"
    ),
    Column("severity", Text, nullable=False, comment="error, warning or info"),
    Column("message", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("action", Text, comment="the action of pages and command line, such as test"),
    Column("found_at", Text, nullable=False),
    Column("repaired_at", Text, comment="when the hub repaired it"),
    Column("resolved_at", Text, comment="when it was no longer found"),
    Index("findings_by_integration", "integration_id", "resolved_at"),
    comment="Problems that the watchdog found",
)

controller_status = Table(
    "controller_status",
    metadata,
    integration_id_column(primary_key=True),
    Column("recorded_at", Text, nullable=False, comment="when a process last renewed its lease"),
    Column("problem", Text, comment="why ION does not respond, as text"),
    comment="Last sign of life of the process that syncs each integration",
)
