"""Run the controllers of the integrations that this process has leased, and wake them."""

import asyncio
import functools
import time
from typing import TYPE_CHECKING

import structlog

from ultraviolet.db import dialect, engine
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.hub.core import metrics
from ultraviolet.hub.core.log_throttle import OutageLog
from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health import controller_status
from ultraviolet.hub.health.restore_detection import HeartbeatRecorder
from ultraviolet.hub.health.watchdog import Watchdog
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.runtime.controllers import TICK_SECONDS, Controllers
from ultraviolet.hub.runtime.leases import Leases
from ultraviolet.hub.runtime.scheduler import Scheduler

if TYPE_CHECKING:
    from ultraviolet.hub.runtime.pg_notify import PgNotify

_RELOAD_SECONDS = 5.0
"""How often a process reloads the integrations without a message about a change."""

_RELOAD, _WAKE, _VIEW = "look", "wake:", "attend:"
"""Messages between processes: reload the integrations, wake a controller, an object is viewed."""

log = structlog.get_logger()


class ControllerPool:
    """The controllers of this process, by integration."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        changes: PubSub,
        connections: Connections,
        leases: Leases,
    ) -> None:
        self.controllers: dict[int, Controllers] = {}
        self._settings = settings
        self._database = database
        self._changes = changes
        self._connections = connections
        self._leases = leases
        self._heartbeat = HeartbeatRecorder(database, settings.data)
        self._scheduler = Scheduler(database)
        self._messenger: PgNotify | None = None
        self._updated_at: dict[int, str] = {}
        self._problems: dict[int, str | None] = {}
        self._recorded_at = float("-inf")
        self._reload_requested = False
        self._reloaded_at = float("-inf")
        self._reload_lock = asyncio.Lock()
        self._outage = OutageLog("integrations.not_followed", "integrations.followed_again")
        self._task = PeriodicTask(
            "integrations", self._follow, TICK_SECONDS, first_delay_seconds=TICK_SECONDS
        )
        self._restarts: set[asyncio.Task[None]] = set()

    @property
    def is_started(self) -> bool:
        """Whether this process follows the integrations or has done so."""
        return self._task.is_started

    @property
    def is_running(self) -> bool:
        """Whether the pool follows the integrations; False only if its task ended unexpectedly."""
        return not self._task.has_ended

    def start_messages(self) -> None:
        """Exchange messages with the other processes of a hub on PostgreSQL."""
        if dialect.is_postgresql(self._database.engine):
            # psycopg takes 10 MB, so only PostgreSQL hubs import it.
            from ultraviolet.hub.runtime.pg_notify import PgNotify  # noqa: PLC0415

            url = engine.libpq_url(self._database.engine.url)
            self._messenger = PgNotify(url, self._receive)
            self._messenger.start()
            self._changes.forward = self._messenger.send

    async def start(self) -> None:
        """Start the controllers and follow changes of the integrations."""
        await self.reload()
        await self._record_status()
        self._task.start()

    async def record_start(self) -> None:
        """Record the first heartbeat of this process."""
        await self._heartbeat.start()

    async def stop(self) -> None:
        """Stop the controllers after their current transactions and release all leases."""
        for task in self._restarts:
            task.cancel()
        await asyncio.gather(self._task.stop(), *self._restarts, return_exceptions=True)
        await self.release()

    async def stop_messages(self) -> None:
        """Stop the exchange of messages."""
        if self._messenger:
            await self._messenger.stop()

    async def release(self) -> None:
        """Stop all controllers and release all leases."""
        async with self._reload_lock:
            await asyncio.gather(*(c.stop() for c in self.controllers.values()))
            self.controllers.clear()
            metrics.set_active_integrations(0)
            await self._leases.close()

    async def reload(self) -> None:
        """Start, restart and stop controllers to match the leased integrations."""
        async with self._reload_lock:
            active = await self._database.read(integrations.list_active)
            leased = await self._leases.claim(set(active))
            wanted = {id_: changed for id_, changed in active.items() if id_ in leased}
            for id_ in [*self.controllers]:
                if wanted.get(id_) != self._updated_at[id_]:
                    await self.controllers.pop(id_).stop()
            await self._leases.release(leased)
            new = wanted.keys() - self.controllers.keys()
            heals = self._settings.heal
            for id_ in new:
                self._updated_at[id_] = wanted[id_]
                self.controllers[id_] = Controllers(
                    id_,
                    self._changes,
                    functools.partial(self._connections.open_context, id_),
                    functools.partial(Watchdog, self._connections, self.wake) if heals else None,
                    watch_seconds=self._settings.watch_seconds,
                    heal=heals,
                    count_integrations=functools.partial(len, self.controllers),
                )
            for id_ in new:
                self.controllers[id_].start()
            metrics.set_active_integrations(len(self.controllers))
        await self._scheduler.wake_due(self.controllers, self.wake, new=bool(new))

    async def integrations_changed(self) -> None:
        """Reload the integrations in every process; return when this process has done so."""
        if self._messenger:
            self._messenger.send(_RELOAD, 0)
        await self.reload()

    async def restart(self, integration_id: int) -> None:
        """Restart the controllers of an integration, for example after a connection test."""
        # The caller may be the watchdog, a task that this restart cancels.
        task = asyncio.create_task(self._restart(integration_id), name="restart")
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)
        self._changes.publish("integration", integration_id)
        await asyncio.shield(task)

    def wake(self, integration_id: int, name: str) -> None:
        """Wake a controller, in the process that runs it."""
        controllers = self.controllers.get(integration_id)
        if controllers:
            controllers.wake(name)
        elif self._messenger:
            self._messenger.send(_WAKE + name, integration_id)

    def mark_viewed(self, integration_id: int, resource: str, id_: str) -> None:
        """Read a viewed object first if it is stale, in the process that heals it."""
        self._connections.mark_viewed(integration_id, resource, id_)
        if self._messenger and integration_id not in self.controllers:
            self._messenger.send(f"{_VIEW}{resource}:{id_}", integration_id)
        self.wake(integration_id, "heal")

    async def _follow(self) -> None:
        """Wake controllers with due work; reload the integrations regularly."""
        reload_seconds = TICK_SECONDS if self._messenger else _RELOAD_SECONDS
        requested, self._reload_requested = self._reload_requested, False
        try:
            await self._heartbeat.record_if_due()
            if requested or time.monotonic() - self._reloaded_at >= reload_seconds:
                self._reloaded_at = time.monotonic()
                await self.reload()
                await self._record_status()
            else:
                await self._scheduler.wake_due(self.controllers, self.wake)
            self._outage.record_success()
        except StoreUnavailableError as error:
            self._outage.record_failure(error)
            await self.release()  # another process may get the leases when the database is back

    async def _record_status(self) -> None:
        """Record the maintained integrations and their problems, at once if they changed."""
        ended = [id_ for id_, running in self.controllers.items() if not running.are_alive]
        for id_ in ended:
            log.error("controllers.ended", integration_id=id_)
            await self._restart(id_)
        problems = {id_: running.problem for id_, running in self.controllers.items()}
        due = time.monotonic() - self._recorded_at >= controller_status.RECORD_SECONDS
        if problems and (due or problems != self._problems):
            self._recorded_at = time.monotonic()
            await self._database.write(controller_status.record, problems)
        self._problems = problems

    async def _restart(self, integration_id: int) -> None:
        async with self._reload_lock:
            controllers = self.controllers.pop(integration_id, None)
            if controllers:
                await controllers.stop()
        await self.reload()

    def _receive(self, kind: str, integration_id: int) -> None:
        """Handle a message of another process."""
        if kind == _RELOAD:
            self._reload_requested = True
            self._task.wake()
        elif kind.startswith(_WAKE):
            controllers = self.controllers.get(integration_id)
            if controllers:
                controllers.wake(kind.removeprefix(_WAKE))
        elif kind.startswith(_VIEW):
            resource, _, id_ = kind.removeprefix(_VIEW).partition(":")
            self._connections.mark_viewed(integration_id, resource, id_)
        else:
            self._changes.publish_locally(kind, integration_id)
