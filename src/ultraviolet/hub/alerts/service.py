"""The alert service: check for conditions and send notifications, in any process."""

import asyncio
import shutil
from collections import defaultdict
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import Connection, select, text

from ultraviolet.clock import format_rfc3339, now_rfc3339, utc_now
from ultraviolet.db import engine
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.db.tables.integrations import settings as hub_settings
from ultraviolet.hub.alerts import conditions, destinations, transports
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.conditions import AlertCondition
from ultraviolet.hub.alerts.destinations import Destination
from ultraviolet.hub.alerts.rendering import Notification, make_test_notification
from ultraviolet.hub.alerts.store import Due
from ultraviolet.hub.alerts.transports import NotSentError
from ultraviolet.hub.core.egress import EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration

_INTEGRATIONS_PER_CHECK = 25
"""With more integrations, consecutive checks take turns."""
_MAX_INTERVAL_SECONDS = 15.0

_LAST_CHECK = "alerts checked at"
_SAVE_SETTING = text(
    """INSERT INTO settings (name, value) VALUES (:name, :value)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
)

log = structlog.get_logger()


class AlertContext(Protocol):
    """The parts of the hub that alerts need."""

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        ...

    @property
    def database(self) -> Database:
        """The database."""
        ...

    @property
    def secrets(self) -> SecretBox:
        """The keys that decrypt destinations."""
        ...

    @property
    def targets(self) -> EgressPolicy:
        """The addresses to which requests may go."""
        ...

    def freshness(self, connection: Connection, integration: Integration) -> Freshness:
        """Return the freshness of an integration."""
        ...


class AlertService:
    """Check and send periodically until stopped."""

    def __init__(self, hub: AlertContext) -> None:
        self._hub = hub
        self._settle_time = timedelta(seconds=hub.settings.alert_seconds)
        self._interval_seconds = min(_MAX_INTERVAL_SECONDS, hub.settings.alert_seconds / 4)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the background task."""
        self._task = asyncio.create_task(self._run(), name="alerts")

    async def stop(self) -> None:
        """Stop the background task; another process sends pending notifications."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def check(self) -> None:
        """Check the next integrations and save the result, unless another process just did."""
        if not await self._hub.database.read(self._is_due):
            return
        checked_ids, found, last_id = await self._hub.database.read(self._find_conditions)

        def save(connection: Connection) -> None:
            alert_store.save_conditions(connection, checked_ids, found, self._settle_time)
            value = f"{now_rfc3339()} {last_id}"
            connection.execute(_SAVE_SETTING, {"name": _LAST_CHECK, "value": value})

        await self._hub.database.write(save)

    async def send_due(self) -> None:
        """Send the notifications that are due, to all destinations concurrently."""
        if not await self._hub.database.read(alert_store.has_due):
            return
        by_destination: defaultdict[int, list[Due]] = defaultdict(list)
        for due in await self._hub.database.write(alert_store.claim_due):
            by_destination[due.destination_id].append(due)
        await asyncio.gather(*(self._send(id_, due) for id_, due in by_destination.items()))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_seconds)
            try:
                await self.check()
                await self.send_due()
            except StoreUnavailableError as error:
                log.warning("alerts.failed", error=str(error))
            except Exception:
                log.exception("alerts.failed")

    async def _send(self, destination_id: int, due: list[Due]) -> None:
        notifications = [Notification(each.kind, each.alert) for each in due]
        ok, result = await send(self._hub, destination_id, notifications)
        error = None if ok else result
        await self._hub.database.write(alert_store.record_attempts, due, error)

    def _is_due(self, connection: Connection) -> bool:
        checked_at, _ = self._read_last_check(connection)
        latest = format_rfc3339(utc_now() - timedelta(seconds=self._interval_seconds / 2))
        due = checked_at is None or checked_at <= latest
        return due and destinations.has_destinations(connection)

    def _read_last_check(self, connection: Connection) -> tuple[str | None, int]:
        """Return the time of the last check in any process, and its last integration."""
        query = select(hub_settings.c.value).where(hub_settings.c.name == _LAST_CHECK)
        checked_at, _, last_id = (connection.execute(query).scalar() or "").partition(" ")
        return checked_at or None, int(last_id or 0)

    def _find_conditions(
        self, connection: Connection
    ) -> tuple[set[int | None], list[AlertCondition], int]:
        """Return the checked ids (None: the hub itself), their conditions, and the last id.

        Paused integrations are not checked, so that their open alerts do not count as fixed.
        """
        _, last_id = self._read_last_check(connection)
        page = integrations.list_page(connection, last_id, _INTEGRATIONS_PER_CHECK)
        if not page and last_id:
            page = integrations.list_page(connection, 0, _INTEGRATIONS_PER_CHECK)
        free_bytes = shutil.disk_usage(self._hub.settings.data).free
        found = conditions.disk_conditions(free_bytes, engine.min_free_bytes(connection))
        active = [integration for integration in page if not integration.paused]
        for integration in active:
            freshness = self._hub.freshness(connection, integration)
            found += conditions.integration_conditions(connection, freshness)
        checked_ids = {None, *(integration.id for integration in active)}
        return checked_ids, found, page[-1].id if page else 0


async def send_test(hub: AlertContext, destination_id: int) -> Destination:
    """Send a test; return the destination with its result; raise NotFoundError."""
    await send(hub, destination_id, [make_test_notification()])
    return await hub.database.read(destinations.get, destination_id)


async def send(
    hub: AlertContext, destination_id: int, notifications: list[Notification]
) -> tuple[bool, str]:
    """Send notifications and record the result; return whether it succeeded, and the result."""
    to = await hub.database.read(destinations.decrypt_destination, hub.secrets, destination_id)
    try:
        result = await transports.send(hub.settings, hub.targets, to, notifications)
        ok = True
    except NotSentError as error:
        ok, result = False, str(error)
    event = "alert.sent" if ok else "alert.not_sent"
    log.info(event, destination=to.name, count=len(notifications), result=result)
    await hub.database.write(destinations.record_result, destination_id, ok=ok, result=result)
    return ok, result
