"""The alarm: looks what needs a person, and tells whoever wants to know; any process may do either."""

import asyncio
import shutil
from collections import defaultdict
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import Connection, select, text

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db import engine
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.db.tables.integrations import settings as facts
from ultraviolet.hub.alerts import conditions, destinations, transports
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.conditions import AlertCondition
from ultraviolet.hub.alerts.destinations import Destination
from ultraviolet.hub.alerts.rendering import Notification, trial
from ultraviolet.hub.alerts.store import Due
from ultraviolet.hub.alerts.transports import NotSentError
from ultraviolet.hub.core.egress import EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration

_AT_ONCE = 25
"""Integrations that one look judges; with more of them, each is looked at less often."""
_LONGEST_REST = 15.0

_LOOKED = "alerts looked at"
_PUT = text(
    """INSERT INTO settings (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
)

log = structlog.get_logger()


class Hub(Protocol):
    """What the alarm needs of the hub."""

    @property
    def settings(self) -> Settings:
        """What this process was told when it started."""
        ...

    @property
    def database(self) -> Database:
        """The database."""
        ...

    @property
    def secrets(self) -> SecretBox:
        """What opens the addresses."""
        ...

    @property
    def targets(self) -> EgressPolicy:
        """Where requests may go."""
        ...

    def freshness(self, connection: Connection, integration: Integration) -> Freshness:
        """Judge an integration."""
        ...


class AlertService:
    """Looks and tells until stopped."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._settle = timedelta(seconds=hub.settings.alert_seconds)
        self._rest = min(_LONGEST_REST, hub.settings.alert_seconds / 4)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._forever(), name="alarm")

    async def stop(self) -> None:
        """End; what was not told is told by the next process."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Judge the next integrations, where no process has in the meantime, and note what is to be told."""
        if not await self._hub.database.read(self._is_due):
            return
        looked_at, found, last = await self._hub.database.read(self._needs)

        def write(connection: Connection) -> None:
            alert_store.save_conditions(connection, looked_at, found, self._settle)
            connection.execute(_PUT, {"name": _LOOKED, "value": f"{now_rfc3339()} {last}"})

        await self._hub.database.write(write)

    async def tell(self) -> None:
        """Send what is due, each destination in its own time."""
        if not await self._hub.database.read(alert_store.waits):
            return
        by_destination: defaultdict[int, list[Due]] = defaultdict(list)
        for due in await self._hub.database.write(alert_store.claim):
            by_destination[due.destination_id].append(due)
        await asyncio.gather(*(self._tell(id_, due) for id_, due in by_destination.items()))

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(self._rest)
            try:
                await self.look()
                await self.tell()
            except StoreUnavailableError as error:
                log.warning("alarm.failed", error=str(error))
            except Exception:
                log.exception("alarm.failed")

    async def _tell(self, destination_id: int, due: list[Due]) -> None:
        told = [Notification(one.what, one.alert) for one in due]
        well, says = await send(self._hub, destination_id, told)

        def write(connection: Connection) -> None:
            alert_store.settle(connection, due, None if well else says)

        await self._hub.database.write(write)

    def _is_due(self, connection: Connection) -> bool:
        looked = self._looked(connection)[0]
        return destinations.has_destinations(connection) and (
            looked is None or looked <= as_text(utc_now() - timedelta(seconds=self._rest / 2))
        )

    def _looked(self, connection: Connection) -> tuple[str | None, int]:
        """Return when somebody last looked, and which integration was the last."""
        found = connection.execute(select(facts.c.value).where(facts.c.name == _LOOKED)).scalar()
        moment, _, last = (found or "").partition(" ")
        return moment or None, int(last or 0)

    def _needs(self, connection: Connection) -> tuple[set[int | None], list[AlertCondition], int]:
        """Look at the next integrations; a paused one tells nothing, so that what stood there is not over.

        Gives what was looked at (None: the hub itself), what it needs, and which integration was the last.
        """
        last = self._looked(connection)[1]
        chosen = integrations.list_page(connection, last, _AT_ONCE)
        if not chosen and last:
            chosen = integrations.list_page(connection, 0, _AT_ONCE)
        found = conditions.disk_conditions(
            shutil.disk_usage(self._hub.settings.data).free, engine.min_free_bytes(connection)
        )
        running = [one for one in chosen if not one.paused]
        for one in running:
            found += conditions.integration_conditions(
                connection, self._hub.freshness(connection, one)
            )
        return {None, *(one.id for one in running)}, found, chosen[-1].id if chosen else 0


async def test(hub: Hub, destination_id: int) -> Destination:
    """Send a test, and give the destination with what came of it; raises NotFoundError."""
    await send(hub, destination_id, [trial()])
    return await hub.database.read(destinations.get, destination_id)


async def send(hub: Hub, destination_id: int, told: list[Notification]) -> tuple[bool, str]:
    """Send, and write down at the destination what came of it; returns whether it went well, and the words."""
    to = await hub.database.read(destinations.decrypt_destination, hub.secrets, destination_id)
    try:
        well, says = True, await transports.send(hub.settings, hub.targets, to, told)
    except NotSentError as error:
        well, says = False, str(error)
    log.info(
        "alert.sent" if well else "alert.not_sent",
        destination=to.name,
        count=len(told),
        result=says,
    )
    await hub.database.write(destinations.note, destination_id, well=well, says=says)
    return well, says
