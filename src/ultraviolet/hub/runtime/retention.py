"""Retention: how long old data of an integration is kept, and its daily deletion.

Periods are days before now. The state is in the table: a changed policy is due at once, and an
interrupted purge starts again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import msgspec
import structlog
from sqlalchemy import Connection, func, select, update

from ultraviolet import clock
from ultraviolet.db import sql, sqlite
from ultraviolet.db.database import Database
from ultraviolet.db.partitions import ensure_partitions
from ultraviolet.db.stored_facts import replace_older_fact, save_fact
from ultraviolet.db.tables.integrations import integrations, retention
from ultraviolet.errors import InvalidError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.mirror import purge
from ultraviolet.mirror.purge import KINDS, ExpiredCounts, Kind, Tally

MIN_DAYS = 7
"""ION may deliver an event again for a while, and only a stored event can be recognized."""
_MAX_DAYS = 36_500
_INTERVAL = timedelta(days=1)
_LEASE = timedelta(minutes=5)
_CHECK_SECONDS = 60.0
_PAGES_PER_RELEASE = 128

log = structlog.get_logger()

T = TypeVar("T")
P = ParamSpec("P")


class RetentionPeriods(msgspec.Struct, frozen=True):
    """The number of days to keep each kind of data; null means forever."""

    events: int | None = 90
    """Webhook events with their raw payloads."""
    versions: int | None = None
    """The history of objects."""
    verifications: int | None = 365
    fetches: int | None = 30
    drift: int | None = 365
    """Samples of drift; its counts are kept."""


class RetentionChanges(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The periods to change; omitted ones stay unchanged."""

    events: int | msgspec.UnsetType | None = msgspec.UNSET
    versions: int | msgspec.UnsetType | None = msgspec.UNSET
    verifications: int | msgspec.UnsetType | None = msgspec.UNSET
    fetches: int | msgspec.UnsetType | None = msgspec.UNSET
    drift: int | msgspec.UnsetType | None = msgspec.UNSET


class Retention(msgspec.Struct, frozen=True):
    """The retention of an integration, the data eligible for deletion, and the last purge."""

    integration_id: int
    keep: RetentionPeriods
    would_remove: dict[Kind, ExpiredCounts]
    history_since: str | None
    """History is complete since then; null means since the beginning."""
    ran_at: str | None
    removed: dict[str, int]
    """The number of rows that the last purge deleted, by kind."""
    next_run_at: str | None
    """When the next purge is due; null means now."""

    def removes_more_than(self, before: "Retention") -> list[Kind]:
        """Return the kinds of which more rows are eligible, also if not all rows were counted."""
        found: list[Kind] = []
        for kind, old in self.would_remove.items():
            days, days_before = getattr(self.keep, kind), getattr(before.keep, kind)
            is_shorter = days is not None and (days_before is None or days < days_before)
            if old.count > before.would_remove[kind].count or (old.more and is_shorter):
                found.append(kind)
        return found


def get_retention(
    connection: Connection, integration_id: int, changes: RetentionChanges | None = None
) -> Retention:
    """Return the retention of an integration, or a preview of changes."""
    row = connection.execute(
        select(retention).where(retention.c.integration_id == integration_id)
    ).one_or_none()
    keep = changed(
        msgspec.convert(row.keep, RetentionPeriods) if row else RetentionPeriods(), changes
    )
    cut = cutoffs(keep, clock.utc_now())
    return Retention(
        integration_id,
        keep,
        {kind: purge.count_expired(connection, kind, integration_id, cut[kind]) for kind in KINDS},
        row.history_since if row else None,
        row.ran_at if row else None,
        dict(_by_kind(cast("dict[str, int]", row.removed or {}).items())) if row else {},
        clock.format_rfc3339(datetime.fromisoformat(row.ran_at) + _INTERVAL)
        if row and row.ran_at
        else None,
    )


def update_retention(
    connection: Connection, actor: str, integration_id: int, name: str, changes: RetentionChanges
) -> None:
    """Change retention periods and start a purge; raise InvalidError for an invalid period.

    A longer period applies to a running purge too; a shorter one applies to the next purge.
    """
    _create_missing_rows(connection)
    here = retention.c.integration_id == integration_id
    row = connection.execute(select(retention).where(here).with_for_update()).mappings().one()
    before = msgspec.convert(row["keep"], RetentionPeriods)
    keep = changed(before, changes)
    if keep != before:
        values: dict[str, Any] = {"keep": msgspec.to_builtins(keep), "ran_at": None}
        for kind, cut in cutoffs(keep, clock.utc_now()).items():
            going = row[f"{kind}_before"]
            values[f"{kind}_before"] = min(cut, going) if cut and going else None
        connection.execute(update(retention).where(here).values(**values))
        audit.record(connection, actor, "retention.update", name, msgspec.to_builtins(keep))


def changed(keep: RetentionPeriods, changes: RetentionChanges | None) -> RetentionPeriods:
    """Return periods with changes applied; raise InvalidError for an invalid period."""
    given = {} if changes is None else msgspec.structs.asdict(changes)
    values = {kind: days for kind, days in given.items() if days is not msgspec.UNSET}
    for kind, days in values.items():
        if days is not None and not MIN_DAYS <= days <= _MAX_DAYS:
            message = f"Keep {kind} for at least {MIN_DAYS} days, or forever."
            raise InvalidError(message, field=kind)
    return msgspec.structs.replace(keep, **values)


def cutoffs(keep: RetentionPeriods, moment: datetime) -> dict[Kind, str | None]:
    """Return for each kind the time before which rows expire."""
    days: dict[str, int | None] = msgspec.structs.asdict(keep)
    return {
        kind: None
        if (kept := days[kind]) is None
        else clock.format_rfc3339(moment - timedelta(days=kept))
        for kind in KINDS
    }


class _StartedPurge(msgspec.Struct, frozen=True):
    """The periods and cutoffs with which the purge of an integration started."""

    keep: RetentionPeriods
    before: dict[Kind, str | None]


class Purger:
    """Deletes expired data of all integrations, in one process at a time."""

    def __init__(
        self, database: Database, changes: PubSub, *, pause: float = purge.PAUSE_SECONDS
    ) -> None:
        self._database = database
        self._changes = changes
        self._pause = pause
        self.task = PeriodicTask("retention", self.purge_if_due, _CHECK_SECONDS)

    async def purge_if_due(self) -> Counter[str]:
        """Create future partitions and delete expired data; return the deleted rows by kind."""
        if not await self._database.read(_is_due):
            return Counter()
        moment = clock.utc_now()
        until, now = clock.format_rfc3339(moment + _LEASE), clock.format_rfc3339(moment)
        if not await self._database.write(replace_older_fact, _LEASED_UNTIL, until, now):
            return Counter()  # another process purges
        await self._database.write(ensure_partitions)
        started = await self._database.write(_start)
        removed = await self._drop_partitions()
        for kind in KINDS:
            newest = max(
                (moment for one in started.values() if (moment := one.before[kind])), default=None
            )
            after: int | None = 0
            while newest and after is not None:
                done = await self._database.write(
                    _while_leased, purge.delete_expired_batch, kind, after, newest
                )
                failpoint("retention.removed")
                removed += done.removed
                after = done.next
                await asyncio.sleep(self._pause)
        # Pause between the steps to leave time for other writes.
        while await self._database.write(  # noqa: ASYNC110
            _while_leased, sqlite.release_pages, _PAGES_PER_RELEASE
        ):
            await asyncio.sleep(self._pause)
        await self._database.write(_finish, started, removed)
        self._changes.publish("integration", 0)
        totals = _by_kind((tag, count) for (_, tag), count in removed.items())
        log.info("retention.done", **totals)
        return totals

    async def _drop_partitions(self) -> Tally:
        removed: Tally = Counter()
        for part in await self._database.read(purge.droppable_partitions):
            kept = await self._database.read(purge.rows_to_keep, part)
            if kept is None:
                continue
            after: int | None = 0 if part.table == "events" else None
            while after is not None:
                after = await self._database.write(
                    _while_leased, purge.forget_keys, part, after, kept
                )
                await asyncio.sleep(self._pause)
            failpoint("retention.keys_forgotten")
            dropped = await self._database.write(_while_leased, purge.drop_partition, part)
            removed += dropped
            log.info("retention.partition_dropped", partition=part.name, removed=dropped.total())
        return removed


_LEASED_UNTIL = "retention_until"


def _is_due(connection: Connection) -> bool:
    latest = clock.format_rfc3339(clock.utc_now() - _INTERVAL)
    query = (
        select(func.count())
        .select_from(
            integrations.outerjoin(retention, retention.c.integration_id == integrations.c.id)
        )
        .where(func.coalesce(retention.c.ran_at, "") < latest)
    )
    return connection.execute(query).scalar_one() > 0


def _while_leased(
    connection: Connection,
    work: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Extend this process's lease of the purge, then do one step of it."""
    save_fact(connection, _LEASED_UNTIL, clock.format_rfc3339(clock.utc_now() + _LEASE))
    return work(connection, *args, **kwargs)


def _create_missing_rows(connection: Connection) -> None:
    known = select(retention.c.integration_id)
    missing = select(integrations.c.id).where(integrations.c.id.not_in(known))
    default = msgspec.json.encode(RetentionPeriods()).decode()
    rows = [(id_, default) for id_ in connection.execute(missing).scalars()]
    sql.insert_new(connection, "retention", ("integration_id", "keep"), ("integration_id",), rows)


def _start(connection: Connection) -> dict[int, _StartedPurge]:
    """Save the cutoffs of each integration, so that the whole purge uses the same ones."""
    _create_missing_rows(connection)
    found: dict[int, _StartedPurge] = {}
    moment = clock.utc_now()
    for row in connection.execute(select(retention).with_for_update()).all():
        keep = msgspec.convert(row.keep, RetentionPeriods)
        cut = cutoffs(keep, moment)
        since = max(filter(None, (row.history_since, cut["versions"])), default=None)
        values: dict[str, Any] = {f"{kind}_before": at for kind, at in cut.items()} | {
            "history_since": since
        }
        here = retention.c.integration_id == row.integration_id
        connection.execute(update(retention).where(here).values(**values))
        found[row.integration_id] = _StartedPurge(keep, cut)
    return found


def _finish(connection: Connection, started: dict[int, _StartedPurge], removed: Tally) -> None:
    """Save the deleted counts; a purge stays due if its periods have changed since its start."""
    moment = clock.now_rfc3339()
    which = select(retention).where(retention.c.integration_id.in_([*started]))
    for row in connection.execute(which.with_for_update()).all():
        mine = {tag: count for (id_, tag), count in removed.items() if id_ == row.integration_id}
        totals = Counter[str](row.totals or {})
        totals.update(mine)
        values: dict[str, Any] = {"removed": mine, "totals": dict(totals)}
        if msgspec.convert(row.keep, RetentionPeriods) == started[row.integration_id].keep:
            values["ran_at"] = moment
        here = retention.c.integration_id == row.integration_id
        connection.execute(update(retention).where(here).values(**values))
    save_fact(connection, _LEASED_UNTIL, "")


def _by_kind(removed: Iterable[tuple[str, int]]) -> Counter[str]:
    counts = Counter[str]()
    for tag, count in removed:
        counts[tag.partition(".")[0]] += count
    return counts
