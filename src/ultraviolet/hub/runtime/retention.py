"""Retention: how long the past of an integration is kept, what that would remove, and its removal once a day.

Times are days back from now. What is to be done is in the table: a policy that was changed is due at once, and a
removal that was interrupted begins again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
import structlog
from sqlalchemy import Connection, func, select, text, update

from ultraviolet import clock
from ultraviolet.db import sql, sqlite
from ultraviolet.db.database import Database
from ultraviolet.db.partitions import ensure_partitions
from ultraviolet.db.tables.integrations import integrations, retention
from ultraviolet.errors import InvalidError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.mirror import purge
from ultraviolet.mirror.purge import KINDS, ExpiredCounts, Kind, Tally

SHORTEST = 7
"""Days: ION may deliver an event again for a while, and it is known again only as long as it is kept."""
_LONGEST = 36_500
_EVERY = timedelta(days=1)
_LEASE = timedelta(minutes=5)
_LOOK_EVERY = 60.0
_PAGES = 128

log = structlog.get_logger()

T = TypeVar("T")
P = ParamSpec("P")


class RetentionPeriods(msgspec.Struct, frozen=True):
    """How many days each kind of the past is kept; null: for ever. The mirror itself always is."""

    events: int | None = 90
    """What ION told, with the raw bodies."""
    versions: int | None = None
    """The history of objects."""
    verifications: int | None = 365
    fetches: int | None = 30
    drift: int | None = 365
    """Samples of drift; its counts stay."""


class RetentionChanges(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be kept for another time; what is left out stays."""

    events: int | msgspec.UnsetType | None = msgspec.UNSET
    versions: int | msgspec.UnsetType | None = msgspec.UNSET
    verifications: int | msgspec.UnsetType | None = msgspec.UNSET
    fetches: int | msgspec.UnsetType | None = msgspec.UNSET
    drift: int | msgspec.UnsetType | None = msgspec.UNSET


class Retention(msgspec.Struct, frozen=True):
    """How long the past of an integration is kept, what would be removed of it now, and what was removed last."""

    integration_id: int
    keep: RetentionPeriods
    would_remove: dict[Kind, ExpiredCounts]
    history_since: str | None
    """History is whole from then on; null: from the beginning."""
    ran_at: str | None
    removed: dict[str, int]
    """What the last removal removed, by kind."""
    next_run_at: str | None
    """When the next removal is due; null: now."""

    def removes_more_than(self, before: "Retention") -> list[Kind]:
        """Tell of which kinds more would go; where not all was counted, a shorter time removes more."""
        return [
            kind
            for kind, old in self.would_remove.items()
            if old.count > before.would_remove[kind].count
            or (old.more and _shorter(getattr(self.keep, kind), getattr(before.keep, kind)))
        ]


def get_retention(
    connection: Connection, integration_id: int, changes: RetentionChanges | None = None
) -> Retention:
    """Tell how an integration's past is kept, or what would be so after changes that are not made yet."""
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
        _by_kind(row.removed or {}) if row else {},
        clock.format_rfc3339(datetime.fromisoformat(row.ran_at) + _EVERY)
        if row and row.ran_at
        else None,
    )


def update_retention(
    connection: Connection, actor: str, integration_id: int, name: str, changes: RetentionChanges
) -> None:
    """Keep the past for another time; removal begins at once. Raises InvalidError for a time that makes no sense.

    What is kept for longer is so even from a removal under way; what is kept for less goes with the next one.
    """
    _make_rows(connection)
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
    """Return a policy with changes; raises InvalidError for a time that makes no sense."""
    given = {} if changes is None else msgspec.structs.asdict(changes)
    values = {kind: days for kind, days in given.items() if days is not msgspec.UNSET}
    for kind, days in values.items():
        if days is not None and not SHORTEST <= days <= _LONGEST:
            raise InvalidError(f"Keep {kind} for {SHORTEST} days or more, or for ever.")
    return msgspec.structs.replace(keep, **values)


def _shorter(days: int | None, before: int | None) -> bool:
    return days is not None and (before is None or days < before)


def cutoffs(keep: RetentionPeriods, moment: datetime) -> dict[Kind, str | None]:
    """Return for each kind the moment before which it may go."""
    days: Mapping[Kind, int | None] = msgspec.structs.asdict(keep)  # pyright: ignore[reportAssignmentType]
    return {
        kind: None
        if (kept := days[kind]) is None
        else clock.format_rfc3339(moment - timedelta(days=kept))
        for kind in KINDS
    }


class _Begun(msgspec.Struct, frozen=True):
    """What a removal began with, of one integration."""

    keep: RetentionPeriods
    before: dict[Kind, str | None]


class Purger:
    """Removes what has been kept long enough, for all integrations, in one process at a time."""

    def __init__(
        self, database: Database, changes: PubSub, *, pause: float = purge.PAUSE_SECONDS
    ) -> None:
        self._database = database
        self._changes = changes
        self._pause = pause

    async def forever(self) -> None:
        """Look every minute whether a removal is due."""
        while True:
            try:
                await self.look()
            except Exception as error:
                log.warning(
                    "retention.failed", error=str(error), exc_info=not hasattr(error, "kind")
                )
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self) -> Counter[str]:
        """Make the coming months, and remove what is due; returns what was removed, by kind."""
        if not await self._database.read(lambda c: _is_due(c) or None):
            return Counter()
        if not await self._database.write(_take):
            return Counter()
        await self._database.write(ensure_partitions)
        begun = await self._database.write(_begin)
        removed = await self._drop_months()
        for kind in KINDS:
            newest = max(
                (moment for one in begun.values() if (moment := one.before[kind])), default=None
            )
            if newest:
                removed += await self._walk(kind, newest)
        while await self._database.write(_while_leased, sqlite.release_pages, _PAGES):  # noqa: ASYNC110  others write meanwhile
            await asyncio.sleep(self._pause)
        await self._database.write(_end, begun, removed)
        self._changes.publish("integration", 0)
        totals = Counter[str]()
        for (_, tag), count in removed.items():
            totals[tag.partition(".")[0]] += count
        log.info("retention.done", **totals)
        return totals

    async def _drop_months(self) -> Tally:
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
            log.info("retention.month_done", month=part.name, removed=dropped.total())
        return removed

    async def _walk(self, kind: Kind, newest: str) -> Tally:
        removed: Tally = Counter()
        after: int | None = 0
        while after is not None:
            done = await self._database.write(
                _while_leased, purge.delete_expired_batch, kind, after or 0, newest
            )
            failpoint("retention.removed")
            removed += done.removed
            after = done.next
            await asyncio.sleep(self._pause)
        return removed


_PUT = text(
    """INSERT INTO settings (name, value) VALUES ('retention_until', :until)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE settings.value < :now"""
)
_HOLD = text("UPDATE settings SET value = :until WHERE name = 'retention_until'")


def _is_due(connection: Connection) -> bool:
    latest = clock.format_rfc3339(clock.utc_now() - _EVERY)
    query = (
        select(func.count())
        .select_from(
            integrations.outerjoin(retention, retention.c.integration_id == integrations.c.id)
        )
        .where(func.coalesce(retention.c.ran_at, "") < latest)
    )
    return connection.execute(query).scalar_one() > 0


def _take(connection: Connection) -> bool:
    """Take the removal for this process, for as long as it goes on."""
    moment = clock.utc_now()
    given = {"until": clock.format_rfc3339(moment + _LEASE), "now": clock.format_rfc3339(moment)}
    return connection.execute(_PUT, given).rowcount > 0


def _while_leased(
    connection: Connection,
    work: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Extend this process's lease of the purge, then do one part of it."""
    connection.execute(_HOLD, {"until": clock.format_rfc3339(clock.utc_now() + _LEASE)})
    return work(connection, *args, **kwargs)


def _make_rows(connection: Connection) -> None:
    known = select(retention.c.integration_id)
    missing = select(integrations.c.id).where(integrations.c.id.not_in(known))
    usual = msgspec.json.encode(RetentionPeriods()).decode()
    rows = [(id_, usual) for id_ in connection.execute(missing).scalars()]
    sql.insert_new(connection, "retention", ("integration_id", "keep"), ("integration_id",), rows)


def _begin(connection: Connection) -> dict[int, _Begun]:
    """Note for each integration up to when its past may go, so that a removal has one moment throughout."""
    _make_rows(connection)
    found: dict[int, _Begun] = {}
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
        found[row.integration_id] = _Begun(keep, cut)
    return found


def _end(connection: Connection, begun: dict[int, _Begun], removed: Tally) -> None:
    """Note what was removed; where another time was set meanwhile, a removal stays due."""
    moment = clock.now_rfc3339()
    which = select(retention).where(retention.c.integration_id.in_([*begun]))
    for row in connection.execute(which.with_for_update()).all():
        mine = {tag: count for (id_, tag), count in removed.items() if id_ == row.integration_id}
        totals = Counter[str](row.totals or {})
        totals.update(mine)
        values: dict[str, Any] = {"removed": mine, "totals": dict(totals)}
        if msgspec.convert(row.keep, RetentionPeriods) == begun[row.integration_id].keep:
            values["ran_at"] = moment
        here = retention.c.integration_id == row.integration_id
        connection.execute(update(retention).where(here).values(**values))
    connection.execute(_HOLD, {"until": ""})


def _by_kind(removed: Mapping[str, int]) -> dict[str, int]:
    counts = Counter[str]()
    for tag, count in removed.items():
        counts[tag.partition(".")[0]] += count
    return dict(counts)
