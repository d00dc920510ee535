"""What may be removed of the past, and its removal: never a present content, never what is still to be done.

A kind is walked by its numbers in small windows, each a transaction of its own, for all integrations at once; how far
back each wants it is in `retention`. On PostgreSQL a month that nobody wants any more is dropped whole.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection, Table, TextClause, text

from ultraviolet.db import bulk, partitions
from ultraviolet.db.dialect import is_postgresql
from ultraviolet.db.partitions import Partition
from ultraviolet.db.tables.events import event_keys, events
from ultraviolet.db.tables.mirror import links, objects, search_texts, versions
from ultraviolet.db.tables.sync import drift, stale

Kind: TypeAlias = Literal["events", "versions", "verifications", "fetches", "drift"]
Tally: TypeAlias = Counter[tuple[int, str]]
"""How many of an integration, by its number and the kind or, of fetches, kind and state."""

PAUSE_SECONDS = 0.02
"""Seconds between two small removals, in which others write."""
BATCH_ROWS = 500
_BESIDE = 100
MAX_MOVED_ROWS = 50_000
"""A month with more that has to stay than this is not dropped: moving it would make others wait too long."""
MAX_COUNTED_ROWS = 20_000


class _How(msgspec.Struct, frozen=True):
    """How a kind is kept."""

    key: str
    at: str
    unless: str
    """What has to stay, however old."""
    size: str
    tag: str


# A version has to stay that was the present one at the cutoff: so the mirror as it was can be told for any later time.
_HOW: dict[Kind, _How] = {
    "events": _How(
        "seq",
        "received_at",
        """x.outcome IS NULL OR EXISTS (SELECT 1 FROM stale s WHERE s.integration_id = x.integration_id
          AND s.resource = x.resource AND s.id = x.object_id)""",
        "length(x.body)",
        "'events'",
    ),
    "versions": _How(
        "seq",
        "observed_at",
        """NOT EXISTS (SELECT 1 FROM versions n WHERE n.integration_id = x.integration_id AND n.resource = x.resource
          AND n.id = x.id AND n.version > x.version AND n.observed_at <= {cutoff})""",
        "length(CAST(x.doc AS TEXT))",
        "'versions'",
    ),
    "verifications": _How(
        "id",
        "started_at",
        """x.state = 'running' OR x.id = (SELECT max(n.id) FROM verifications n
          WHERE n.integration_id = x.integration_id AND n.state = x.state)""",
        "0",
        "'verifications'",
    ),
    "fetches": _How(
        "id",
        "started_at",
        """x.state = 'running' OR x.id = (SELECT max(n.id) FROM fetches n
          WHERE n.integration_id = x.integration_id AND n.mode = x.mode AND n.state = x.state)""",
        "0",
        "'fetches.' || state",
    ),
    "drift": _How("seq", "healed_at", "1 = 0", "length(CAST(x.fields AS TEXT))", "'drift'"),
}
KINDS: tuple[Kind, ...] = tuple(_HOW)

_MANY = (versions, search_texts, links, event_keys, drift, events, stale, objects)
"""What there may be millions of; all else goes with the integration itself."""


class ExpiredCounts(msgspec.Struct, frozen=True):
    """What of a kind would be removed now."""

    count: int
    bytes: int
    oldest: str | None
    more: bool = False
    """There is more than was counted."""


def count_expired(
    connection: Connection, kind: Kind, integration_id: int, cutoff: str | None
) -> ExpiredCounts:
    """Count what of an integration is older than a moment and may go."""
    if cutoff is None:
        return ExpiredCounts(0, 0, None)
    how = _HOW[kind]
    query = text(
        f"""SELECT count(*), coalesce(sum(size), 0), min(at) FROM (
          SELECT {how.size} AS size, x.{how.at} AS at FROM {kind} x
          WHERE x.integration_id = :integration AND x.{how.at} < :cutoff
            AND NOT ({how.unless.format(cutoff=":cutoff")}) LIMIT :most) AS old"""
    )
    given = {"integration": integration_id, "cutoff": cutoff, "most": MAX_COUNTED_ROWS + 1}
    count, size, oldest = connection.execute(query, given).one()
    return ExpiredCounts(
        min(count, MAX_COUNTED_ROWS), int(size), oldest, more=count > MAX_COUNTED_ROWS
    )


class DeletedBatch(msgspec.Struct, frozen=True):
    """What one step removed, and behind which number the next one goes on; None at the end."""

    removed: Tally
    next: int | None


def delete_expired_batch(
    connection: Connection, kind: Kind, after: int, newest: str
) -> DeletedBatch:
    """Remove what may go of the next few rows behind a number; `newest` is the latest moment anyone lets go."""
    how = _HOW[kind]
    found = connection.execute(
        text(
            f"SELECT {how.key}, {how.at} FROM {kind} WHERE {how.key} > :after ORDER BY {how.key} LIMIT :n"
        ),
        {"after": after, "n": BATCH_ROWS},
    ).all()
    if not found:
        return DeletedBatch(Counter(), None)
    last, moment = found[-1]
    key = ", dedupe_key" if kind == "events" else ""
    gone = connection.execute(
        text(
            f"""DELETE FROM {kind} WHERE {how.key} IN (
              SELECT x.{how.key} FROM {kind} x JOIN retention r ON r.integration_id = x.integration_id
              WHERE x.{how.key} > :after AND x.{how.key} <= :last AND x.{how.at} < r.{kind}_before
                AND NOT ({how.unless.format(cutoff=f"r.{kind}_before")}))
            AND {how.at} < :newest RETURNING integration_id, {how.tag} AS tag{key}"""
        ),
        {"after": after, "last": last, "newest": newest},
    ).all()
    if kind == "events":
        _forget(connection, [(row[0], bytes(row[2])) for row in gone])
    removed: Tally = Counter((row[0], str(row[1])) for row in gone)
    # Numbers go with time but for what was imported, which goes when its neighbours do.
    over = len(found) < BATCH_ROWS or moment >= newest
    return DeletedBatch(removed, None if over else last)


def delete_integration_batch(connection: Connection, integration_id: int) -> bool:
    """Remove a little of what an integration brought, whatever it is; False where of its many rows none is left.

    A little is more where others write beside this: PostgreSQL passes over what it removed before to find the next.
    """
    n = BATCH_ROWS * _BESIDE if is_postgresql(connection) else BATCH_ROWS
    given = {"integration": integration_id, "n": n}
    return any(connection.execute(statement, given).rowcount for statement in _EMPTY)


def droppable_partitions(connection: Connection) -> list[Partition]:
    """Return the months that no integration wants any more."""
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
    """Return the numbers of what has to stay of a month; None where that is too much to move."""
    found = _staying(connection, part, MAX_MOVED_ROWS + 1)
    return None if len(found) > MAX_MOVED_ROWS else found


def _staying(connection: Connection, part: Partition, most: int | None = None) -> Sequence[int]:
    how, cutoff = _HOW[_kind(part)], f"r.{part.table}_before"
    query = text(
        f"""SELECT x.seq FROM {part.name} x LEFT JOIN retention r ON r.integration_id = x.integration_id
        WHERE {cutoff} IS NULL OR x.{how.at} >= {cutoff} OR {how.unless.format(cutoff=cutoff)}
        ORDER BY x.seq LIMIT CAST(:most AS INTEGER)"""
    )
    return connection.execute(query, {"most": most}).scalars().all()


def forget_keys(
    connection: Connection, part: Partition, after: int, kept: Sequence[int]
) -> int | None:
    """Forget some keys of a month of events that is about to be dropped; returns the number to go on behind."""
    query = text(
        f"SELECT seq, integration_id, dedupe_key FROM {part.name} WHERE seq > :after ORDER BY seq LIMIT :n"
    )
    rows = connection.execute(query, {"after": after, "n": BATCH_ROWS}).all()
    stay = set(kept)
    _forget(connection, [(row[1], bytes(row[2])) for row in rows if row[0] not in stay])
    return rows[-1][0] if len(rows) == BATCH_ROWS else None


def drop_partition(connection: Connection, part: Partition) -> Tally:
    """Drop a month but for what has to stay by then: more may have come, and more be needed, since its keys went.

    A month that somebody wants again by then stays whole.
    """
    if part not in droppable_partitions(connection):
        if part.table == events.name:
            connection.execute(text(_KNOW_AGAIN.format(part=part.name)), {"kept": None})
        return Counter()
    partitions.lock(connection, part)
    kept = _staying(connection, part)
    if part.table == events.name:
        for settled in (_FORGET_REST, _KNOW_AGAIN):
            connection.execute(text(settled.format(part=part.name)), {"kept": [*kept]})
    query = text(f"SELECT integration_id, count(*) FROM {part.name} GROUP BY integration_id")
    removed: Tally = Counter({(row[0], part.table): row[1] for row in connection.execute(query)})
    stays = text(
        f"SELECT integration_id, count(*) FROM {part.name} WHERE seq = ANY(:kept) GROUP BY integration_id"
    )
    removed.subtract(
        {(row[0], part.table): row[1] for row in connection.execute(stays, {"kept": [*kept]})}
    )
    partitions.drop_partition(connection, part, kept)
    return +removed


def _kind(part: Partition) -> Kind:
    table: Table = events if part.table == events.name else versions
    return "events" if table is events else "versions"


def _forget(connection: Connection, keys: Sequence[tuple[int, bytes]]) -> None:
    rows = [{"integration": integration, "key": key} for integration, key in keys]
    bulk.execute_many(connection, _FORGET, rows)


def _empty(table: Table) -> TextClause:
    keys = ", ".join(column.name for column in table.primary_key)
    some = f"SELECT {keys} FROM {table.name} WHERE integration_id = :integration LIMIT :n"
    return text(f"DELETE FROM {table.name} WHERE ({keys}) IN ({some})")


_EMPTY = [_empty(table) for table in _MANY]
_FORGET_REST = """DELETE FROM event_keys k USING {part} x WHERE k.integration_id = x.integration_id
  AND k.dedupe_key = x.dedupe_key AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:kept AS BIGINT[])) AS s(seq) WHERE s.seq = x.seq)"""
_KNOW_AGAIN = """INSERT INTO event_keys (integration_id, dedupe_key, deliveries, body_digest)
  SELECT integration_id, dedupe_key, 1, sha256(body) FROM {part}
  WHERE CAST(:kept AS BIGINT[]) IS NULL OR seq = ANY(:kept) ON CONFLICT DO NOTHING"""
_FORGET = text("DELETE FROM event_keys WHERE integration_id = :integration AND dedupe_key = :key")
