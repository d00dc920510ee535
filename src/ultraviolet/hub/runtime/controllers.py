"""Controllers: for each integration, apply what came in, heal what is stale, poll what is silent, fetch on time, verify.

Each looks at the tables and does what is left to do there. A wake only makes it look sooner; nothing is lost
with a wake, a crash or an error, which is logged and tried again, later each time.
"""

import asyncio
import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from cronsim import CronSim
from sqlalchemy import Connection, func, select

from ultraviolet import tracing
from ultraviolet.clock import utc_now
from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.sync import fetches
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import metrics
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.health.watchdog import Watchdog
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.sync import apply_events, fetch, verification_store
from ultraviolet.hub.sync.apply_events import AppliedBatch
from ultraviolet.hub.sync.context import SyncContext, version_names
from ultraviolet.hub.sync.fetch import Fetcher, Mode
from ultraviolet.hub.sync.heal import Healer
from ultraviolet.hub.sync.verify import Verifier
from ultraviolet.ion.errors import IonUnauthorizedError

_LOOK_AGAIN = 1.0
"""Seconds between two looks of the lookout, which wakes whom there is something to do for."""
_GATHER = 0.1
"""Seconds in which more news of the same objects may come before they are read."""
_POLL_EVERY = 1.0
_POLLS_A_SECOND = 5.0
"""Polls of quiet integrations that a process does; up to so many integrations are each polled every second."""
_LOOKS_A_SECOND = 1.0
"""Looks of watchdogs that a process does; it takes more than sixty integrations to make one wait for its turn."""
_LIVELY = 60.0
"""Seconds after a change in which an integration is not quiet."""
_POLL_OVERLAP = timedelta(seconds=10)
_LONGEST_PAUSE = 60.0

log = structlog.get_logger()


class Controllers:
    """The controllers of one integration; what has nothing to do waits to be woken, and costs nothing."""

    def __init__(
        self,
        integration_id: int,
        changes: PubSub,
        open_site: Callable[[], Awaitable[SyncContext]],
        make_watchdog: Callable[[SyncContext], Watchdog] | None = None,
        *,
        watch_seconds: float = 60.0,
        heal: bool = True,
        beside: Callable[[], int] = lambda: 1,
    ) -> None:
        """`beside` tells how many integrations this process does this for: quiet ones share its polls and looks."""
        self._id = integration_id
        self._changes = changes
        self._open_site = open_site
        self._site: SyncContext | None = None
        self._healer: Healer | None = None
        self._make_watchdog = make_watchdog
        self._watchdog: Watchdog | None = None
        self._watch_seconds = watch_seconds
        self._heals = heal
        self._beside = beside
        self._tasks: list[asyncio.Task[None]] = []
        self._wakes = {
            name: asyncio.Event() for name in ("apply", "heal", "fetch", "poll", "verify", "watch")
        }
        self._lively_at = float("-inf")
        self._problems: dict[str, str] = {}

    @property
    def problem(self) -> str | None:
        """What keeps ION from answering now, in words."""
        return next(iter(self._problems.values()), None)

    @property
    def are_alive(self) -> bool:
        """Whether every controller still runs."""
        return not any(task.done() for task in self._tasks)

    def start(self) -> None:
        """Begin: those that look after the tables wait for the lookout, those that ask ION begin by and by."""
        duties: dict[str, tuple[Callable[[], Awaitable[float | None]], float | None]] = {
            "apply": (self._apply, None),
            "heal": (self._heal, None),
            "fetch": (self._fetch, None),
            "verify": (self._verify, None),
            "poll": (self._poll, self._some_of(_POLLS_A_SECOND)),
        }
        if self._make_watchdog:
            duties["watch"] = (self._look, self._some_of(_LOOKS_A_SECOND))
        if not self._heals:
            del duties["heal"], duties["poll"]
        for name, (duty, first) in duties.items():
            # In a context of its own: else all its log would be of the request that happened to start it.
            work, context = self._forever(name, duty, first), contextvars.Context()
            self._tasks.append(
                asyncio.create_task(work, name=f"{name}-{self._id}", context=context)
            )

    async def _at(self) -> SyncContext:
        """Return the site, opened when it is first needed: most of a thousand integrations rest."""
        if self._site is None:
            self._site = await self._open_site()
        return self._site

    def _turn(self, per_second: float) -> float:
        """Return the seconds until all integrations of this process have had their turn."""
        return self._beside() / per_second

    def _some_of(self, per_second: float) -> float:
        """Return a moment within the first turn, so that a thousand do not begin at once."""
        turn = self._turn(per_second)
        return random.uniform(0, turn) if turn > _POLL_EVERY else 0.0  # noqa: S311

    async def stop(self) -> None:
        """End, between two transactions."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._healer:
            await self._healer.stop()

    def wake(self, name: str) -> None:
        """Let a controller look at once."""
        self._wakes[name].set()

    async def _forever(
        self, name: str, duty: Callable[[], Awaitable[float | None]], rest: float | None
    ) -> None:
        """Rest until woken, or so long, then do a duty, again and again: it returns how long to rest then."""
        failures, wake = 0, self._wakes[name]
        while True:
            if rest is None:
                await wake.wait()
            elif rest > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), rest)
            wake.clear()
            try:
                rest = await duty()
                failures = 0
                self._problems.pop(name, None)
            except Exception as error:  # noqa: BLE001  a controller outlives whatever goes wrong
                failures += 1
                pause = min(_LONGEST_PAUSE, 0.5 * 2**failures) * random.uniform(0.8, 1.2)  # noqa: S311
                self._report(name, error, pause)
                await asyncio.sleep(pause)
                rest = 0.0

    def _report(self, name: str, error: Exception, rest: float) -> None:
        known = isinstance(error, IonUnauthorizedError) or hasattr(error, "kind")
        self._problems[name] = str(error)
        metrics.count_failure(name)
        log.warning(
            "controller.failed",
            controller=name,
            integration_id=self._id,
            error=f"{type(error).__name__}: {error}",
            rest=round(rest, 1),
            exc_info=not known,
        )
        self._changes.publish("integration", self._id)

    async def _apply(self) -> None:
        site = await self._at()
        while True:
            self._wakes["apply"].clear()
            began = time.time_ns()
            taken = await self._take(site)
            if taken.count:
                self._lively_at = _clock()
                await self._trace(began, taken)
                failpoint("apply.committed")
                site.tell(taken.changes)
                site.changes.publish("event", site.id)
            if taken.marked:
                self.wake("heal")
            if taken.lost:
                self.wake("fetch")
            if not taken.more:
                return

    async def _take(self, site: SyncContext) -> AppliedBatch:
        """Take a batch of events, or, where one of them cannot be applied, each by itself: it blocks none behind it."""
        try:
            return await site.database.write(apply_events.apply_pending, site.catalog, site.id)
        except StoreUnavailableError:
            raise
        except Exception as error:
            log.warning(
                "events.not_applied", integration_id=site.id, error=first_line(error), exc_info=True
            )
        seqs, _ = await site.database.read(apply_events.list_pending, site.id)
        taken = [await self._take_one(site, seq) for seq in seqs]
        return apply_events.merge_batches(taken)

    async def _take_one(self, site: SyncContext, seq: int) -> AppliedBatch:
        try:
            return await site.database.write(
                apply_events.apply_pending, site.catalog, site.id, only=seq
            )
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, it is kept
            log.warning(
                "event.not_applied", integration_id=site.id, seq=seq, error=first_line(error)
            )
            why = f"It could not be applied: {first_line(error)}"
            return await site.database.write(
                apply_events.mark_not_applied, site.catalog, site.id, seq, why
            )

    async def _trace(self, began: int, taken: AppliedBatch) -> None:
        """Lead from the deliveries of a batch to the versions it made."""
        if tracing.is_enabled():
            site = await self._at()
            told = await site.database.read(apply_events.traces_of, taken.seqs)
            made = {
                "integration_id": site.id,
                "events": taken.count,
                "versions": version_names(taken.changes),
            }
            with tracing.span("apply", links=told, since=began, root=True, **made):
                pass

    async def _heal(self) -> float | None:
        healer = self._healer = self._healer or Healer(await self._at())
        await asyncio.sleep(_GATHER)
        while True:
            self._wakes["heal"].clear()
            done = await healer.round()
            if not done.full:
                break
        due = await healer.next_due()
        soon = None if due is None else max(0.0, _seconds_until(due))
        return soon if soon is None or soon < _LOOK_AGAIN else None

    async def _fetch(self) -> float | None:
        site = await self._at()
        waiting = await site.database.write(_due_fetch, site.id)
        if waiting is None:
            return None
        with tracing.span(
            "fetch", root=True, integration_id=site.id, fetch_id=waiting[0], mode=waiting[1]
        ):
            await Fetcher(site).run(*waiting)
        self.wake("heal")
        return 0.0

    async def _poll(self) -> float:
        """Read what is silent: each second while the plant is at work, else by turns with the other integrations."""
        site = await self._at()
        changed = 0
        for resource in site.catalog.silent:
            if site.reader.reads(resource):
                changed += await Fetcher(site).poll(resource, _POLL_OVERLAP)
        if changed:
            self._lively_at = _clock()
            self.wake("heal")
        lively = _clock() - self._lively_at < _LIVELY
        return _POLL_EVERY if lively else max(_POLL_EVERY, self._turn(_POLLS_A_SECOND))

    async def _look(self) -> float:
        assert self._make_watchdog
        self._watchdog = self._watchdog or self._make_watchdog(await self._at())
        await self._watchdog.check()
        return max(self._watch_seconds, self._turn(_LOOKS_A_SECOND))

    async def _verify(self) -> float | None:
        site = await self._at()
        asked_for = await site.database.read(verification_store.unfinished, site.id)
        if asked_for is None:
            return None
        await Verifier(site).run(asked_for)
        return 0.0


def _due_fetch(connection: Connection, integration_id: int) -> tuple[int, Mode] | None:
    """Return the fetch to do: one that was begun, else one whose time has come."""
    waiting = fetch.unfinished_fetch(connection, integration_id)
    if waiting:
        return waiting
    row = connection.execute(
        select(integrations.c.incremental_schedule, integrations.c.full_schedule).where(
            integrations.c.id == integration_id
        )
    ).one_or_none()
    if row is None:
        return None
    last_full = _last(connection, integration_id, ("full",))
    last = _last(connection, integration_id, ("full", "incremental"))
    if last_full is None:
        fetch.request_fetch(connection, integration_id, "full", "first connection")
    elif _subscribed_since(connection, integration_id, last_full):
        fetch.request_fetch(connection, integration_id, "full", "subscribed")
    elif _has_come(row.full_schedule, last_full):
        fetch.request_fetch(connection, integration_id, "full", "schedule")
    elif last and _has_come(row.incremental_schedule, last):
        fetch.request_fetch(connection, integration_id, "incremental", "schedule")
    return fetch.unfinished_fetch(connection, integration_id)


def _subscribed_since(connection: Connection, integration_id: int, last_full: str) -> bool:
    """Whether subscriptions came after the last full fetch began: what changed in between, no event told."""
    since = webhook_urls.subscribed_since(connection, integration_id)
    return since is not None and since > last_full


def _last(connection: Connection, integration_id: int, modes: tuple[str, ...]) -> str | None:
    query = select(func.max(fetches.c.started_at)).where(
        fetches.c.integration_id == integration_id, fetches.c.mode.in_(modes)
    )
    return connection.execute(query).scalar()


def _has_come(schedule: str, last: str) -> bool:
    return next(CronSim(schedule, datetime.fromisoformat(last))) <= utc_now()


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _seconds_until(moment: str) -> float:
    return (datetime.fromisoformat(moment) - utc_now()).total_seconds()
