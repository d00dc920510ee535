"""The alert service: check for conditions and send notifications, in any process."""

import asyncio
import shutil
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from ultraviolet.clock import format_rfc3339, now_rfc3339, utc_now
from ultraviolet.db import engine
from ultraviolet.db.database import Database
from ultraviolet.db.stored_facts import read_fact, save_fact
from ultraviolet.hub.alerts import conditions, destinations, transports
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.conditions import Topic
from ultraviolet.hub.alerts.destinations import Destination
from ultraviolet.hub.alerts.rendering import Notification, make_test_notification
from ultraviolet.hub.alerts.store import Alert, Due
from ultraviolet.hub.alerts.transports import NotSentError
from ultraviolet.hub.core.egress import EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration

MAX_ACTIVE = 50
"""Limit for the active alerts of the page and of the navigation."""
_INTEGRATIONS_PER_CHECK = 25
"""With more integrations, consecutive checks take turns."""
_MAX_INTERVAL_SECONDS = 15.0

_LAST_CHECK = "alerts checked at"

log = structlog.get_logger()


class AlertService:
    """Checks the conditions of alerts and sends notifications."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        secrets: SecretBox,
        targets: EgressPolicy,
        judge: Callable[[Connection, Integration], Freshness],
    ) -> None:
        self._settings, self._database, self._secrets = settings, database, secrets
        self._targets, self._judge = targets, judge
        self._settle_time = timedelta(seconds=settings.alert_seconds)
        self._interval_seconds = interval = min(_MAX_INTERVAL_SECONDS, settings.alert_seconds / 4)
        self.task = PeriodicTask(
            "alerts", self._check_and_send, interval, first_delay_seconds=interval
        )

    def list_active(self, connection: Connection) -> list[tuple[Alert, Finding | None]]:
        """Return the open alerts whose problem still exists, newest first, with their findings.

        An alert stays open for a while after the end of its problem. Those of paused integrations
        are not checked.
        """
        found: dict[tuple[int | None, Topic], Finding] = {}
        unchecked: set[int | None] = {None}
        active = alert_store.list_recent(connection, MAX_ACTIVE, state="open")
        for id_ in {alert.integration_id for alert in active if alert.integration_id}:
            integration = integrations.get(connection, id_)
            if integration.paused:
                unchecked.add(id_)
            freshness = self._judge(connection, integration)
            found |= conditions.integration_conditions(connection, freshness)
        listed = [(alert, found.get((alert.integration_id, alert.topic))) for alert in active]
        return [one for one in listed if one[1] or one[0].integration_id in unchecked]

    async def _check_and_send(self) -> None:
        await self.check()
        await self.send_due()

    async def check(self) -> None:
        """Check the next integrations and save the result, unless another process just did.

        Paused integrations are not checked, so that their open alerts do not count as fixed.
        """
        latest = format_rfc3339(utc_now() - timedelta(seconds=self._interval_seconds / 2))

        def find(
            connection: Connection,
        ) -> tuple[set[int | None], dict[tuple[int | None, Topic], Finding], int] | None:
            """Return the checked ids (None: the hub itself), their conditions, and the last id."""
            checked_at, _, last_id = (read_fact(connection, _LAST_CHECK) or "").partition(" ")
            if checked_at > latest:
                return None
            after = int(last_id or 0)
            page = integrations.list_page(connection, after, _INTEGRATIONS_PER_CHECK)
            if not page and after:
                page = integrations.list_page(connection, 0, _INTEGRATIONS_PER_CHECK)
            free_bytes = shutil.disk_usage(self._settings.data).free
            disk = conditions.disk_conditions(free_bytes, engine.min_free_bytes(connection))
            found, active = {**disk}, [one for one in page if not one.paused]
            for integration in active:
                freshness = self._judge(connection, integration)
                found |= conditions.integration_conditions(connection, freshness)
            checked_ids = {None, *(integration.id for integration in active)}
            return checked_ids, found, page[-1].id if page else 0

        result = await self._database.read(find)
        if result is None:
            return
        checked_ids, found, last_id = result

        def save(connection: Connection) -> None:
            alert_store.save_conditions(connection, checked_ids, found, self._settle_time)
            value = f"{now_rfc3339()} {last_id}"
            save_fact(connection, _LAST_CHECK, value)

        await self._database.write(save)

    async def send_due(self) -> None:
        """Send the notifications that are due, to all destinations concurrently."""
        if not await self._database.read(alert_store.has_due):
            return
        by_destination: defaultdict[int, list[Due]] = defaultdict(list)
        for due in await self._database.write(alert_store.claim_due):
            by_destination[due.destination_id].append(due)

        async def send(destination_id: int, due: list[Due]) -> None:
            notifications = [Notification(each.kind, each.alert) for each in due]
            error = await self._send(destination_id, notifications)
            await self._database.write(alert_store.record_attempts, due, error)

        await asyncio.gather(*(send(id_, due) for id_, due in by_destination.items()))

    async def send_test(self, destination_id: int) -> Destination:
        """Send a test; return the destination with its result; raise NotFoundError."""
        await self._send(destination_id, [make_test_notification()])
        return await self._database.read(destinations.get, destination_id)

    async def _send(self, destination_id: int, notifications: list[Notification]) -> str | None:
        """Send notifications and record the result; return the error, if any."""
        read = destinations.decrypt_destination
        to = await self._database.read(read, self._secrets, destination_id)
        error = None
        try:
            result = await transports.send(self._settings, self._targets, to, notifications)
        except NotSentError as not_sent:
            result = error = str(not_sent)
        event = "alert.sent" if error is None else "alert.not_sent"
        log.info(event, destination=to.name, count=len(notifications), result=result)
        await self._database.write(
            destinations.record_result, destination_id, ok=error is None, result=result
        )
        return error
