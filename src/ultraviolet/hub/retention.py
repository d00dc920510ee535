"""Retention: how long the past of an integration is kept, what that would remove, and its removal once a day.

Times are days back from now. What is to be done is in the table: a policy that was changed is due at once, and a
removal that was interrupted begins again.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import structlog
from sqlalchemy import Connection, func, select, text, update

from ultraviolet import times
from ultraviolet.crash_points import crash_point
from ultraviolet.errors import InvalidError
from ultraviolet.hub import audit
from ultraviolet.hub.broadcast import Broadcast
from ultraviolet.mirror import dialect, removal
from ultraviolet.mirror.partitions import prepare
from ultraviolet.mirror.removal import KINDS, Kind, Outlived, Tally
from ultraviolet.mirror.store import Store
from ultraviolet.mirror.tables import integrations, retention

SHORTEST = 7
"""Days: ION may deliver an event again for a while, and it is known again only as long as it is kept."""
_LONGEST = 36_500
_EVERY = timedelta(days=1)
_LEASE = timedelta(minutes=5)
_LOOK_EVERY = 60.0
_PAGES = 128

log = structlog.get_logger()


class Keep(msgspec.Struct, frozen=True):
    """How many days each kind of the past is kept; null: for ever. The mirror itself always is."""

    events: int | None = 90
    """What ION told, with the raw bodies."""
    versions: int | None = None
    """The history of objects."""
    verifications: int | None = 365
    fetches: int | None = 30
    drift: int | None = 365
    """Samples of drift; its counts stay."""


class KeepChanges(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be kept for another time; what is left out stays."""

    events: int | msgspec.UnsetType | None = msgspec.UNSET
    versions: int | msgspec.UnsetType | None = msgspec.UNSET
    verifications: int | msgspec.UnsetType | None = msgspec.UNSET
    fetches: int | msgspec.UnsetType | None = msgspec.UNSET
    drift: int | msgspec.UnsetType | None = msgspec.UNSET


class Retention(msgspec.Struct, frozen=True):
    """How long the past of an integration is kept, what would be removed of it now, and what was removed last."""

    integration_id: int
    keep: Keep
    would_remove: dict[Kind, Outlived]
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


def of(
    connection: Connection, integration_id: int, changes: KeepChanges | None = None
) -> Retention:
    """Tell how an integration's past is kept, or what would be so after changes that are not made yet."""
    row = connection.execute(
        select(retention).where(retention.c.integration_id == integration_id)
    ).one_or_none()
    keep = changed(msgspec.convert(row.keep, Keep) if row else Keep(), changes)
    cut = cutoffs(keep, times.present())
    return Retention(
        integration_id,
        keep,
        {kind: removal.outlived(connection, kind, integration_id, cut[kind]) for kind in KINDS},
        row.history_since if row else None,
        row.ran_at if row else None,
        _by_kind(row.removed or {}) if row else {},
        times.text(datetime.fromisoformat(row.ran_at) + _EVERY) if row and row.ran_at else None,
    )


def edit(
    connection: Connection, actor: str, integration_id: int, name: str, changes: KeepChanges
) -> None:
    """Keep the past for another time; removal begins at once. Raises InvalidError for a time that makes no sense.

    What is kept for longer is so even from a removal under way; what is kept for less goes with the next one.
    """
    _make_rows(connection)
    here = retention.c.integration_id == integration_id
    row = connection.execute(select(retention).where(here).with_for_update()).mappings().one()
    before = msgspec.convert(row["keep"], Keep)
    keep = changed(before, changes)
    if keep != before:
        values: dict[str, Any] = {"keep": msgspec.to_builtins(keep), "ran_at": None}
        for kind, cut in cutoffs(keep, times.present()).items():
            going = row[f"{kind}_before"]
            values[f"{kind}_before"] = min(cut, going) if cut and going else None
        connection.execute(update(retention).where(here).values(**values))
        audit.record(connection, actor, "retention.update", name, msgspec.to_builtins(keep))


def changed(keep: Keep, changes: KeepChanges | None) -> Keep:
    """Give a policy with changes; raises InvalidError for a time that makes no sense."""
    given = {} if changes is None else msgspec.structs.asdict(changes)
    values = {kind: days for kind, days in given.items() if days is not msgspec.UNSET}
    for kind, days in values.items():
        if days is not None and not SHORTEST <= days <= _LONGEST:
            raise InvalidError(f"Keep {kind} for {SHORTEST} days or more, or for ever.")
    return msgspec.structs.replace(keep, **values)


def _shorter(days: int | None, before: int | None) -> bool:
    return days is not None and (before is None or days < before)


def cutoffs(keep: Keep, moment: datetime) -> dict[Kind, str | None]:
    """Give for each kind the moment before which it may go."""
    days: Mapping[Kind, int | None] = msgspec.structs.asdict(keep)  # pyright: ignore[reportAssignmentType]
    return {
        kind: None if (kept := days[kind]) is None else times.text(moment - timedelta(days=kept))
        for kind in KINDS
    }


class _Begun(msgspec.Struct, frozen=True):
    """What a removal began with, of one integration."""

    keep: Keep
    before: dict[Kind, str | None]


class Keeper:
    """Removes what has been kept long enough, for all integrations, in one process at a time."""

    def __init__(self, store: Store, changes: Broadcast, *, pause: float = removal.PAUSE) -> None:
        self._store = store
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
        """Make the coming months, and remove what is due; gives what was removed, by kind."""
        if not await self._store.read(lambda c: _is_due(c) or None):
            return Counter()
        if not await self._store.write(_take):
            return Counter()
        await self._store.write(prepare)
        begun = await self._store.write(_begin)
        removed = await self._drop_months()
        for kind in KINDS:
            newest = max(
                (moment for one in begun.values() if (moment := one.before[kind])), default=None
            )
            if newest:
                removed += await self._walk(kind, newest)
        while await self._store.write(lambda c: _held(c) and dialect.give_back(c, _PAGES)):  # noqa: ASYNC110  others write meanwhile
            await asyncio.sleep(self._pause)
        await self._store.write(lambda c: _end(c, begun, removed))
        self._changes.publish("integration", 0)
        totals = Counter[str]()
        for (_, tag), count in removed.items():
            totals[tag.partition(".")[0]] += count
        log.info("retention.done", **totals)
        return totals

    async def _drop_months(self) -> Tally:
        removed: Tally = Counter()
        for part in await self._store.read(removal.droppable):
            kept = await self._store.read(lambda c, part=part: removal.staying(c, part))
            if kept is None:
                continue
            after: int | None = 0 if part.table == "events" else None
            while after is not None:
                work: Callable[[Connection], int | None] = (
                    lambda c, part=part, after=after, kept=kept: (  # noqa: E731
                        _held(c) and removal.forget_keys(c, part, after, kept)
                    )
                )
                after = await self._store.write(work)
                await asyncio.sleep(self._pause)
            crash_point("retention.keys_forgotten")
            dropped = await self._store.write(
                lambda c, part=part: _held(c) and removal.drop(c, part)
            )
            removed += dropped
            log.info("retention.month_done", month=part.name, removed=dropped.total())
        return removed

    async def _walk(self, kind: Kind, newest: str) -> Tally:
        removed: Tally = Counter()
        after: int | None = 0
        while after is not None:
            done = await self._store.write(
                lambda c, after=after: _held(c) and removal.remove_some(c, kind, after or 0, newest)
            )
            crash_point("retention.removed")
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
    latest = times.text(times.present() - _EVERY)
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
    moment = times.present()
    given = {"until": times.text(moment + _LEASE), "now": times.text(moment)}
    return connection.execute(_PUT, given).rowcount > 0


def _held(connection: Connection) -> Literal[True]:
    connection.execute(_HOLD, {"until": times.text(times.present() + _LEASE)})
    return True


def _make_rows(connection: Connection) -> None:
    known = select(retention.c.integration_id)
    missing = select(integrations.c.id).where(integrations.c.id.not_in(known))
    usual = msgspec.json.encode(Keep()).decode()
    rows = [(id_, usual) for id_ in connection.execute(missing).scalars()]
    dialect.insert_new(
        connection, "retention", ("integration_id", "keep"), ("integration_id",), rows
    )


def _begin(connection: Connection) -> dict[int, _Begun]:
    """Note for each integration up to when its past may go, so that a removal has one moment throughout."""
    _make_rows(connection)
    found: dict[int, _Begun] = {}
    moment = times.present()
    for row in connection.execute(select(retention).with_for_update()).all():
        keep = msgspec.convert(row.keep, Keep)
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
    moment = times.now()
    which = select(retention).where(retention.c.integration_id.in_([*begun]))
    for row in connection.execute(which.with_for_update()).all():
        mine = {tag: count for (id_, tag), count in removed.items() if id_ == row.integration_id}
        totals = Counter[str](row.totals or {})
        totals.update(mine)
        values: dict[str, Any] = {"removed": mine, "totals": dict(totals)}
        if msgspec.convert(row.keep, Keep) == begun[row.integration_id].keep:
            values["ran_at"] = moment
        here = retention.c.integration_id == row.integration_id
        connection.execute(update(retention).where(here).values(**values))
    connection.execute(_HOLD, {"until": ""})


def _by_kind(removed: Mapping[str, int]) -> dict[str, int]:
    counts = Counter[str]()
    for tag, count in removed.items():
        counts[tag.partition(".")[0]] += count
    return dict(counts)
