"""Delete expired history, never current content or pending work.

Rows of a kind are deleted in order, in small batches with a transaction each, for all integrations
at once; the table `retention` holds their cutoffs. On PostgreSQL, a partition that no integration
needs is dropped whole.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, text

from ultraviolet.db import bulk, partitions
from ultraviolet.db.dialect import is_postgresql
from ultraviolet.db.partitions import Partition
from ultraviolet.db.tables.events import event_keys, events
from ultraviolet.db.tables.mirror import links, objects, search_texts, versions
from ultraviolet.db.tables.sync import drift, stale

Kind: TypeAlias = Literal["events", "versions", "verifications", "fetches", "drift"]
Tally: TypeAlias = Counter[tuple[int, str]]
"""Numbers of rows by integration and kind; of fetches, kind and state."""

PAUSE_SECONDS = 0.02
"""Pause between two batches, so that other writers can continue."""
BATCH_ROWS = 500
_POSTGRESQL_BATCH_FACTOR = 100
MAX_MOVED_ROWS = 50_000
"""A partition with more rows to keep is not dropped, because moving them would block others."""
MAX_COUNTED_ROWS = 20_000


class _KindRules(msgspec.Struct, frozen=True):
    """Columns and conditions for the rows of a kind."""

    key: str
    at: str
    keep_if: str
    """SQL condition of rows to keep regardless of their age."""
    size: str
    tag: str


# The version that was current at the cutoff is kept, so that any later state can be shown.
_RULES: dict[Kind, _KindRules] = {
    "events": _KindRules(
        "seq",
        "received_at",
        """x.outcome IS NULL OR EXISTS (SELECT 1 FROM stale s
          WHERE s.integration_id = x.integration_id
            AND s.resource = x.resource AND s.id = x.object_id)""",
        "length(x.body)",
        "'events'",
    ),
    "versions": _KindRules(
        "seq",
        "observed_at",
        """NOT EXISTS (SELECT 1 FROM versions n
          WHERE n.integration_id = x.integration_id
            AND n.resource = x.resource AND n.id = x.id AND n.version > x.version
            AND n.observed_at <= {cutoff})""",
        "length(CAST(x.doc AS TEXT))",
        "'versions'",
    ),
    "verifications": _KindRules(
        "id",
        "started_at",
        """x.state = 'running' OR x.id = (SELECT max(n.id) FROM verifications n
          WHERE n.integration_id = x.integration_id AND n.state = x.state)""",
        "0",
        "'verifications'",
    ),
    "fetches": _KindRules(
        "id",
        "started_at",
        """x.state = 'running' OR x.id = (SELECT max(n.id) FROM fetches n
          WHERE n.integration_id = x.integration_id AND n.mode = x.mode AND n.state = x.state)""",
        "0",
        "'fetches.' || state",
    ),
    "drift": _KindRules("seq", "healed_at", "1 = 0", "length(CAST(x.fields AS TEXT))", "'drift'"),
}
KINDS: tuple[Kind, ...] = tuple(_RULES)

_LARGE_TABLES = (versions, search_texts, links, event_keys, drift, events, stale, objects)
"""Tables with millions of rows. Other rows are deleted together with the integration."""


class ExpiredCounts(msgspec.Struct, frozen=True):
    """The rows of a kind that would be deleted now."""

    count: int
    bytes: int
    oldest: str | None
    more: bool = False
    """Whether there are more rows than were counted."""


def count_expired(
    connection: Connection, kind: Kind, integration_id: int, cutoff: str | None
) -> ExpiredCounts:
    """Count the rows of an integration that are older than a cutoff and may be deleted."""
    if cutoff is None:
        return ExpiredCounts(0, 0, None)
    rules = _RULES[kind]
    query = text(
        f"""SELECT count(*), coalesce(sum(size), 0), min(at) FROM (
          SELECT {rules.size} AS size, x.{rules.at} AS at FROM {kind} x
          WHERE x.integration_id = :integration AND x.{rules.at} < :cutoff
            AND NOT ({rules.keep_if.format(cutoff=":cutoff")}) LIMIT :most) AS old"""
    )
    given = {"integration": integration_id, "cutoff": cutoff, "most": MAX_COUNTED_ROWS + 1}
    count, size, oldest = connection.execute(query, given).one()
    return ExpiredCounts(
        min(count, MAX_COUNTED_ROWS), int(size), oldest, more=count > MAX_COUNTED_ROWS
    )


class DeletedBatch(msgspec.Struct, frozen=True):
    """The rows that a batch deleted, and the number after which the next one starts, if any."""

    removed: Tally
    next: int | None


def delete_expired_batch(
    connection: Connection, kind: Kind, after: int, newest: str
) -> DeletedBatch:
    """Delete the expired ones of the next rows after a number; `newest` is the latest cutoff."""
    rules = _RULES[kind]
    found = connection.execute(
        text(
            f"""SELECT {rules.key}, {rules.at} FROM {kind} WHERE {rules.key} > :after
            ORDER BY {rules.key} LIMIT :n"""
        ),
        {"after": after, "n": BATCH_ROWS},
    ).all()
    if not found:
        return DeletedBatch(Counter(), None)
    last, moment = found[-1]
    key = ", dedupe_key" if kind == "events" else ""
    deleted = connection.execute(
        text(
            f"""DELETE FROM {kind} WHERE {rules.key} IN (
              SELECT x.{rules.key} FROM {kind} x
              JOIN retention r ON r.integration_id = x.integration_id
              WHERE x.{rules.key} > :after AND x.{rules.key} <= :last
                AND x.{rules.at} < r.{kind}_before
                AND NOT ({rules.keep_if.format(cutoff=f"r.{kind}_before")}))
            AND {rules.at} < :newest RETURNING integration_id, {rules.tag} AS tag{key}"""
        ),
        {"after": after, "last": last, "newest": newest},
    ).all()
    if kind == "events":
        _delete_keys(connection, [(row[0], bytes(row[2])) for row in deleted])
    removed: Tally = Counter((row[0], str(row[1])) for row in deleted)
    # Numbers are in order of time, except those of imported events.
    finished = len(found) < BATCH_ROWS or moment >= newest
    return DeletedBatch(removed, None if finished else last)


def delete_integration_batch(connection: Connection, integration_id: int) -> bool:
    """Delete a batch of an integration's data; return False if no rows of large tables are left.

    Batches are larger on PostgreSQL, where writers do not wait and deleted rows must be skipped.
    """
    limit = BATCH_ROWS * _POSTGRESQL_BATCH_FACTOR if is_postgresql(connection) else BATCH_ROWS
    given = {"integration": integration_id, "n": limit}
    return any(connection.execute(statement, given).rowcount for statement in _DELETE_BATCH)


def droppable_partitions(connection: Connection) -> list[Partition]:
    """Return the partitions that no integration needs, oldest first."""
    found: list[Partition] = []
    for table in partitions.PARTITIONED_TABLES:
        wanted = text(
            f"""SELECT count(*) FROM integrations i LEFT JOIN retention r ON r.integration_id = i.id
            WHERE r.{table.name}_before IS NULL OR r.{table.name}_before < :end"""
        )
        for part in partitions.list_partitions(connection, table):
            if connection.execute(wanted, {"end": part.end}).scalar_one():
                break
            found.append(part)
    return found


def rows_to_keep(connection: Connection, part: Partition) -> Sequence[int] | None:
    """Return the numbers of the rows of a partition to keep; None if they are too many to move."""
    kept = _rows_to_keep(connection, part, MAX_MOVED_ROWS + 1)
    return None if len(kept) > MAX_MOVED_ROWS else kept


def _rows_to_keep(
    connection: Connection, part: Partition, limit: int | None = None
) -> Sequence[int]:
    rules = _RULES["events" if part.table == events.name else "versions"]
    cutoff = f"r.{part.table}_before"
    query = text(
        f"""SELECT x.seq FROM {part.name} x
        LEFT JOIN retention r ON r.integration_id = x.integration_id
        WHERE {cutoff} IS NULL OR x.{rules.at} >= {cutoff} OR {rules.keep_if.format(cutoff=cutoff)}
        ORDER BY x.seq LIMIT CAST(:most AS INTEGER)"""
    )
    return connection.execute(query, {"most": limit}).scalars().all()


def forget_keys(
    connection: Connection, part: Partition, after: int, kept: Sequence[int]
) -> int | None:
    """Delete a batch of event keys of a partition before it is dropped.

    Return the number after which the next batch starts, if any.
    """
    query = text(
        f"""SELECT seq, integration_id, dedupe_key FROM {part.name}
        WHERE seq > :after ORDER BY seq LIMIT :n"""
    )
    rows = connection.execute(query, {"after": after, "n": BATCH_ROWS}).all()
    excluded = set(kept)
    _delete_keys(connection, [(row[1], bytes(row[2])) for row in rows if row[0] not in excluded])
    return rows[-1][0] if len(rows) == BATCH_ROWS else None


def drop_partition(connection: Connection, part: Partition) -> Tally:
    """Drop a partition except the rows to keep, which are determined again.

    A partition that an integration needs again stays, and its event keys are restored.
    """
    if part not in droppable_partitions(connection):
        if part.table == events.name:
            connection.execute(text(_RESTORE_KEYS.format(part=part.name)), {"kept": None})
        return Counter()
    partitions.lock(connection, part)
    kept = _rows_to_keep(connection, part)
    if part.table == events.name:
        for statement in (_DELETE_OTHER_KEYS, _RESTORE_KEYS):
            connection.execute(text(statement.format(part=part.name)), {"kept": [*kept]})
    query = text(f"SELECT integration_id, count(*) FROM {part.name} GROUP BY integration_id")
    removed: Tally = Counter({(row[0], part.table): row[1] for row in connection.execute(query)})
    count_kept = text(
        f"""SELECT integration_id, count(*) FROM {part.name}
        WHERE seq = ANY(:kept) GROUP BY integration_id"""
    )
    removed.subtract(
        {(row[0], part.table): row[1] for row in connection.execute(count_kept, {"kept": [*kept]})}
    )
    partitions.drop_partition(connection, part, kept)
    return +removed


def _delete_keys(connection: Connection, keys: Sequence[tuple[int, bytes]]) -> None:
    rows = [{"integration": integration, "key": key} for integration, key in keys]
    bulk.execute_many(connection, _DELETE_KEY, rows)


_DELETE_BATCH = [
    text(
        f"""DELETE FROM {table} WHERE ({keys}) IN (
          SELECT {keys} FROM {table} WHERE integration_id = :integration LIMIT :n)"""
    )
    for table, keys in (
        (table.name, ", ".join(column.name for column in table.primary_key))
        for table in _LARGE_TABLES
    )
]
_DELETE_OTHER_KEYS = """DELETE FROM event_keys k USING {part} x
  WHERE k.integration_id = x.integration_id AND k.dedupe_key = x.dedupe_key AND NOT EXISTS (
    SELECT 1 FROM unnest(CAST(:kept AS BIGINT[])) AS s(seq) WHERE s.seq = x.seq)"""
_RESTORE_KEYS = """INSERT INTO event_keys (integration_id, dedupe_key, deliveries, body_digest)
  SELECT integration_id, dedupe_key, 1, sha256(body) FROM {part}
  WHERE CAST(:kept AS BIGINT[]) IS NULL OR seq = ANY(:kept) ON CONFLICT DO NOTHING"""
_DELETE_KEY = text(
    "DELETE FROM event_keys WHERE integration_id = :integration AND dedupe_key = :key"
)
