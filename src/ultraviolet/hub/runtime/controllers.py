"""Controllers: apply events, heal stale objects, poll, fetch, verify and watch one integration.

Each controller reads its work from the tables. A wake only makes it check sooner, so a lost wake
or a crash loses no work. Errors are logged, and the work is retried with increasing delays.
"""

import asyncio
import contextvars
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from ultraviolet import tracing
from ultraviolet.clock import utc_now
from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.errors import UltravioletError
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import metrics
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.health.watchdog import Watchdog
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import tested_changes
from ultraviolet.hub.runtime.fetch_schedule import due_fetches
from ultraviolet.hub.sync import apply_events, fetch, verification_store
from ultraviolet.hub.sync.apply_events import AppliedBatch
from ultraviolet.hub.sync.context import SyncContext, version_names
from ultraviolet.hub.sync.fetch import Fetcher
from ultraviolet.hub.sync.fetch_progress import Mode
from ultraviolet.hub.sync.heal import Healer
from ultraviolet.hub.sync.verify import Verifier

TICK_SECONDS = 1.0
"""Interval at which the scheduler wakes controllers with due work."""
_DEBOUNCE_SECONDS = 0.1
"""How long to collect changes of the same objects before they are read."""
_PAUSE_SECONDS_PER_EVENT = 0.0004
"""Pause after a batch, by its size: in a flood, the next batch is larger and costs less per event.

A batch of four times as many events takes about half the time per event.
"""
_MAX_APPLY_PAUSE_SECONDS = 0.02
"""Pauses above this save nothing: batches of 300 events cost as much per event as those of 150."""
_POLL_SECONDS = 1.0
_POLL_PAUSE_FACTOR = 4.0
"""Minimum pause after a poll as a multiple of its duration, which a mass change makes long."""
_MAX_POLLS_PER_SECOND = 5.0
"""Polls of quiet integrations per process; with more integrations, each is polled less often."""
_MAX_CHECKS_PER_SECOND = 1.0
"""Watchdog checks per process; with more than sixty integrations, each is checked less often."""
_ACTIVE_SECONDS = 60.0
"""How long after a change an integration is active."""
_POLL_OVERLAP = timedelta(seconds=10)
_MAX_RETRY_SECONDS = 60.0

log = structlog.get_logger()


class Controllers:
    """The controllers of one integration; an idle controller waits for a wake and costs nothing."""

    def __init__(
        self,
        integration_id: int,
        changes: PubSub,
        open_context: Callable[[], Awaitable[SyncContext]],
        make_watchdog: Callable[[SyncContext], Watchdog] | None = None,
        *,
        watch_seconds: float = 60.0,
        heal: bool = True,
        count_integrations: Callable[[], int],
    ) -> None:
        """`count_integrations` returns how many integrations share the polls of this process."""
        self._id = integration_id
        self._changes = changes
        self._open_context = open_context
        self._context: SyncContext | None = None
        self._healer: Healer | None = None
        self._make_watchdog = make_watchdog
        self._watchdog: Watchdog | None = None
        self._watch_seconds = watch_seconds
        self._heals = heal
        self._count_integrations = count_integrations
        self._tasks: list[asyncio.Task[None]] = []
        self._wakes = {
            name: asyncio.Event() for name in ("apply", "heal", "fetch", "poll", "verify", "watch")
        }
        self._changed_at = float("-inf")
        self._credentials_accepted = False
        """Whether ION accepted the credentials before a fetch."""
        self._problems: dict[str, str] = {}
        self._recovered = asyncio.Event()
        """Set when a controller works again, so that the others do not wait to retry."""

    @property
    def problem(self) -> str | None:
        """The error of the last run of a controller."""
        return next(iter(self._problems.values()), None)

    @property
    def are_alive(self) -> bool:
        """Whether every controller still runs."""
        return not any(task.done() for task in self._tasks)

    def start(self) -> None:
        """Start the controllers; most wait for a wake, the polling ones start at random times."""
        controllers: dict[str, tuple[Callable[[], Awaitable[float | None]], float | None]] = {
            "apply": (self._apply, None),
            "heal": (self._heal, None),
            "fetch": (self._fetch, None),
            "verify": (self._verify, None),
            "poll": (self._poll, self._first_delay(_MAX_POLLS_PER_SECOND)),
        }
        if self._make_watchdog:
            controllers["watch"] = (self._watch, self._first_delay(_MAX_CHECKS_PER_SECOND))
        if not self._heals:
            del controllers["heal"], controllers["poll"]
        for name, (run, delay) in controllers.items():
            # A new context, so that log lines do not have the id of the request that started it.
            work, context = self._loop(name, run, delay), contextvars.Context()
            self._tasks.append(
                asyncio.create_task(work, name=f"{name}-{self._id}", context=context)
            )

    async def _get_context(self) -> SyncContext:
        """Return the sync context, opened at the first use because most integrations are idle."""
        if self._context is None:
            self._context = await self._open_context()
        return self._context

    def _round_seconds(self, per_second: float) -> float:
        """Return the seconds that one run for each integration of this process takes."""
        return self._count_integrations() / per_second

    def _first_delay(self, per_second: float) -> float:
        """Return a random delay within one round, so that integrations do not start at once."""
        seconds = self._round_seconds(per_second)
        return random.uniform(0, seconds) if seconds > _POLL_SECONDS else 0.0  # noqa: S311

    async def stop(self) -> None:
        """Stop after the current transactions."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._healer:
            await self._healer.stop()

    def wake(self, name: str) -> None:
        """Run a controller now."""
        self._wakes[name].set()

    async def _loop(
        self, name: str, run: Callable[[], Awaitable[float | None]], delay: float | None
    ) -> None:
        """Run a controller after each wake or delay in seconds; it returns the next delay."""
        failures, wake = 0, self._wakes[name]
        while True:
            if delay is None:
                await wake.wait()
            elif delay > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await wake.wait()
            wake.clear()
            try:
                delay = await run()
                failures = 0
                if self._problems.pop(name, None):
                    self._recovered.set()
                    self._recovered = asyncio.Event()
                    self._changes.publish("integration", self._id)
            except Exception as error:
                failures += 1
                jitter = random.uniform(0.8, 1.2)  # noqa: S311
                pause = min(_MAX_RETRY_SECONDS, 0.5 * 2**failures) * jitter
                known = isinstance(error, UltravioletError)
                self._problems[name] = str(error)
                metrics.count_failure(name)
                log.warning(
                    "controller.failed",
                    controller=name,
                    integration_id=self._id,
                    error=f"{type(error).__name__}: {error}",
                    retry_seconds=round(pause, 1),
                    exc_info=not known,
                )
                self._changes.publish("integration", self._id)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._recovered.wait()
                delay = 0.0

    async def _apply(self) -> None:
        context = await self._get_context()
        while True:
            self._wakes["apply"].clear()
            began = time.time_ns()
            applied = await self._apply_batch(context)
            if applied.count:
                self._changed_at = _clock()
                if tracing.is_enabled():
                    # A span links the deliveries of the batch to its versions.
                    traces = await context.database.read(apply_events.traces_of, applied.seqs)
                    attributes = {
                        "integration_id": context.id,
                        "events": applied.count,
                        "versions": version_names(applied.changes),
                    }
                    with tracing.span(
                        "apply", links=traces, start_ns=began, root=True, **attributes
                    ):
                        pass
                failpoint("apply.committed")
                context.publish_changes(applied.changes)
                context.changes.publish("event", context.id)
            if applied.marked:
                self.wake("heal")
            if applied.lost:
                self.wake("fetch")
            if not applied.more:
                pause = applied.count * _PAUSE_SECONDS_PER_EVENT
                await asyncio.sleep(min(pause, _MAX_APPLY_PAUSE_SECONDS))
                return

    async def _apply_batch(self, context: SyncContext) -> AppliedBatch:
        """Apply a batch of events; if that fails, apply each one separately."""
        try:
            return await context.database.write(
                apply_events.apply_pending, context.catalog, context.id
            )
        except StoreUnavailableError:
            raise
        except Exception as error:
            log.warning(
                "events.not_applied",
                integration_id=context.id,
                error=first_line(error),
                exc_info=True,
            )
        seqs, _ = await context.database.read(apply_events.list_pending, context.id)
        applied: list[AppliedBatch] = []
        for seq in seqs:
            try:
                one = await context.database.write(
                    apply_events.apply_pending, context.catalog, context.id, only=seq
                )
            except StoreUnavailableError:
                raise
            except Exception as error:  # noqa: BLE001  the event is kept after any error
                reason = first_line(error)
                log.warning("event.not_applied", integration_id=context.id, seq=seq, error=reason)
                message = f"The event could not be applied: {reason}"
                one = await context.database.write(
                    apply_events.mark_not_applied, context.catalog, context.id, seq, message
                )
            applied.append(one)
        return apply_events.merge_batches(applied)

    async def _heal(self) -> float | None:
        healer = self._healer = self._healer or Healer(await self._get_context())
        await asyncio.sleep(_DEBOUNCE_SECONDS)
        while True:
            self._wakes["heal"].clear()
            done = await healer.heal_batch()
            if not done.full:
                break
        due = await healer.next_due()
        if due is None:
            return None
        soon = max(0.0, (datetime.fromisoformat(due) - utc_now()).total_seconds())
        return soon if soon < TICK_SECONDS else None

    async def _fetch(self) -> float | None:
        context = await self._get_context()

        def request_due(connection: Connection) -> tuple[int, Mode] | None:
            """Return the unfinished fetch of the integration, or request the one that is due."""
            waiting = fetch.unfinished_fetch(connection, context.id)
            if waiting:
                return waiting
            for due in due_fetches(connection, context.id):
                fetch.request_fetch(connection, context.id, due.mode, due.reason)
            return fetch.unfinished_fetch(connection, context.id)

        if not self._credentials_accepted:
            integration = await context.database.read(integrations.get, context.id)
            self._credentials_accepted = await tested_changes.check_before_fetch(
                context.reader.client, integration
            )
        waiting = await context.database.write(request_due)
        if waiting is None:
            return None
        with tracing.span(
            "fetch", root=True, integration_id=context.id, fetch_id=waiting[0], mode=waiting[1]
        ):
            await Fetcher(context).run(*waiting)
        self.wake("heal")
        return 0.0

    async def _poll(self) -> float:
        """Poll resources without events: each second while changes arrive, otherwise less often."""
        context = await self._get_context()
        changed, began = 0, _clock()
        for resource in context.catalog.silent:
            if context.reader.reads(resource):
                changed += await Fetcher(context).poll(resource, _POLL_OVERLAP)
        if changed:
            self._changed_at = _clock()
            self.wake("heal")
        pause = max(_POLL_SECONDS, (_clock() - began) * _POLL_PAUSE_FACTOR)
        if _clock() - self._changed_at < _ACTIVE_SECONDS:
            return pause
        return max(pause, self._round_seconds(_MAX_POLLS_PER_SECOND))

    async def _watch(self) -> float:
        assert self._make_watchdog
        self._watchdog = self._watchdog or self._make_watchdog(await self._get_context())
        await self._watchdog.check()
        return max(self._watch_seconds, self._round_seconds(_MAX_CHECKS_PER_SECOND))

    async def _verify(self) -> float | None:
        context = await self._get_context()
        asked_for = await context.database.read(verification_store.unfinished, context.id)
        if asked_for is None:
            return None
        await Verifier(context).run(asked_for)
        return 0.0


def _clock() -> float:
    return asyncio.get_running_loop().time()
