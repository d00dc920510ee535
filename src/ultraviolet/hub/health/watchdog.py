"""The watchdog: find and repair the problems that keep changes from arriving.

Each check reads the owner of the API key, compares the receiver and its subscriptions with the
desired state, compares ION's record of its deliveries with the received events, and looks for
resources that are silent or cannot be read.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import structlog
from sqlalchemy import Connection, text

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import readable, utc_now
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Action, Finding, Kind, rotation_step
from ultraviolet.hub.health import missed_deliveries, restore_detection
from ultraviolet.hub.health.failed_steps import failed_steps
from ultraviolet.hub.health.receiver_check import ReceiverCheck
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.sync import fetch
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.errors import (
    NEXT_STEPS,
    IonError,
    IonInterceptedError,
    IonRefusedError,
    IonUnauthorizedError,
    next_step,
)
from ultraviolet.ion.labels import counted_objects
from ultraviolet.ion.webhooks import Receiver
from ultraviolet.text import counted

_ACTIVITY_WINDOW = timedelta(days=7)
_MIN_ACTIVE_HOURS = 12
"""Number of hours with events after which the usual gaps of a resource are known."""
_MIN_SILENCE = timedelta(hours=1)
_SILENCE_FACTOR = 3
_CLOCK_TOLERANCE = timedelta(hours=1)
"""A change that ION dates this much later than the last event has no event yet."""
_MIN_FAILED_ATTEMPTS = 5
"""Number of failed reads after which an object counts as unreadable."""

log = structlog.get_logger()

_ACTIVE_HOURS = text(
    """SELECT DISTINCT resource, hour FROM arrivals
    WHERE integration_id = :integration AND hour > :since
      AND cause = '' AND healed_by IN ('event', 'heal')
    ORDER BY resource, hour"""
)
"""Changes that an event reported, or that a read after an event found."""
_LAST_EVENT = text(
    """SELECT received_at FROM events
    WHERE +integration_id = :integration AND resource = :resource AND seq > :behind
    ORDER BY seq DESC LIMIT 1"""
)
"""Newest first by number; the plus keeps SQLite from reading all events by the index of objects."""
_NEWEST_SEQ = text("SELECT coalesce(max(seq), 0) FROM events")
_UNREADABLE_OBJECTS = text(
    """SELECT resource, count(*) AS objects, min(id) AS first, min(error) AS error FROM stale
    WHERE integration_id = :integration AND attempts >= :attempts AND error IS NOT NULL
    GROUP BY resource"""
)
_REFUSED = text(
    """SELECT id, name, refused, last_refused_at FROM webhook_urls
    WHERE integration_id = :integration AND state <> 'revoked' AND last_refused_at > :since"""
)


class Watchdog:
    """The health checks of one integration."""

    def __init__(
        self,
        connections: Connections,
        wake: Callable[[int, str], None],
        context: SyncContext,
    ) -> None:
        self._connections = connections
        self._context = context
        self._wake = wake
        self._receiver_check = ReceiverCheck(connections, context.id)
        self._last_event_at: dict[str, datetime] = {}
        self._checked_seq: dict[str, int] = {}
        """The newest event number at the last check of each resource."""

    async def check(self) -> None:
        """Run all checks once; raise IonError, after recording it, if ION does not answer."""
        client = await self._connections.client(self._context.id)
        try:
            (await client.execute("query Me { me { id } }")).must()
        except IonError as error:
            unauthorized = isinstance(error, IonUnauthorizedError)
            kind, subject = ("credentials", "API key") if unauthorized else ("unreachable", "ION")
            step = NEXT_STEPS.get(error.kind) or next_step(str(error))
            action = Action.FIX_CREDENTIALS if unauthorized else Action.TEST
            found = Finding(kind, "error", str(error), step, action, subject)
            await self._save(("credentials", "unreachable"), [found])
            raise
        await self._save(("credentials", "unreachable"), [])
        tested = (await self._context.database.read(integrations.get, self._context.id)).test_result
        if tested and tested.failed_to_connect:
            await self._connections.test(self._context.id, restart=False)
        checked = await self._receiver_check.run()
        if checked.findings is not None:
            await self._save(("receiver",), checked.findings)
        if checked.repaired:
            await self._request_fetch(checked.repaired)
        if checked.receivers:
            # A missing permission to read ION's record does not stop the other checks.
            try:
                await self._recover_missed(client, checked.receivers)
            except IonInterceptedError:
                raise
            except IonRefusedError as error:
                message = f"The hub cannot read ION's record of its deliveries: {error}"
                step = next_step(str(error))
                found = Finding("gap", "warning", message, step, subject="not readable")
                await self._save(("gap",), [found])
        await self._save(("silent",), await self._silent_resources())
        await self._save(
            ("unreadable", "hopeless", "forged"),
            await self._context.database.read(self._database_findings),
        )

    async def _recover_missed(self, client: IonClient, receivers: Sequence[Receiver]) -> None:
        """Compare ION's record of its deliveries with the received events, and add missing ones."""
        if not self._context.reader.offered.has("Query", "webhookEvents"):
            return
        ours = {each.id for receiver in receivers for each in receiver.subscriptions}
        url = await self._context.database.read(webhook_urls.current_url, self._context.id)
        given_up = lost = recovered = 0
        comparable, more, is_restored = True, True, False
        ahead = client.ahead or 0.0
        while more:
            after = await self._context.database.read(missed_deliveries.cursor, self._context.id)
            record = await missed_deliveries.read_sent_deliveries(client, after)

            def work(
                connection: Connection, sent: Sequence[missed_deliveries.SentDelivery] = record.sent
            ) -> missed_deliveries.MissedDeliveries:
                found = missed_deliveries.insert_missed(
                    connection,
                    self._connections.catalog,
                    self._context.id,
                    url.id if url else 0,
                    sent,
                    ours,
                    ahead,
                )
                if found.restored:
                    restore_detection.report_restore(connection, self._context.id, _RESTORED)
                return found

            found = await self._context.database.write(work)
            given_up, lost = given_up + found.given_up, lost + found.lost + record.unreadable
            recovered, comparable = recovered + found.recovered, comparable and found.comparable
            is_restored = is_restored or found.restored
            more = record.more and (
                await self._context.database.read(missed_deliveries.cursor, self._context.id)
                > after
            )
        if recovered:
            self._wake(self._context.id, "apply")
        if is_restored:
            self._wake(self._context.id, "fetch")
        elif given_up + lost > recovered:
            await self._request_fetch("events of which ION kept no body")
        found_gaps: list[Finding] = []
        if not comparable:
            message = (
                "ION's delivery numbers do not match those in the payloads,"
                " so missed deliveries cannot be detected"
            )
            step = "No action needed: syncs find changes that webhooks miss"
            found_gaps.append(Finding("gap", "warning", message, step, subject="numbers"))
        elif given_up + lost:
            message = _missed(given_up, lost, recovered)
            step = "Check the proxies and firewalls between ION and the hub"
            found_gaps.append(
                Finding("gap", "warning", message, step, subject="deliveries", repaired=True)
            )
        await self._save(("gap",), found_gaps)

    async def _silent_resources(self) -> list[Finding]:
        """Return a finding per resource that changed in ION but had no event for unusually long."""
        moment = utc_now()
        since = moment - _ACTIVITY_WINDOW
        hours: defaultdict[str, list[datetime]] = defaultdict(list)
        given = {"integration": self._context.id, "since": as_text(since)[:13]}
        for row in await self._context.database.read(
            lambda c: c.execute(_ACTIVE_HOURS, given).all()
        ):
            hours[row.resource].append(datetime.fromisoformat(f"{row.hour}:00:00+00:00"))
        found: list[Finding] = []
        for resource in self._context.readable():
            limit = max_silence(hours[resource.name])
            if (
                limit is None
                or resource in self._context.catalog.silent
                or not self._context.reader.dates(resource)
            ):
                continue
            last = await self._last_event(resource.name, moment - limit)
            if last is None or moment - last < limit:
                continue
            newest = await self._context.reader.newest(resource)
            if newest and datetime.fromisoformat(newest) > last + _CLOCK_TOLERANCE:
                message = (
                    f"{resource.title} changed in ION at {newest},"
                    f" but the last event arrived at {as_text(last)}"
                )
                step = (
                    "Check the receiver's events in ION; the hub has started a sync of the changes"
                )
                action = Action.REPAIR_WEBHOOKS
                found.append(Finding("silent", "error", message, step, action, resource.name))
        if found:
            await self._request_fetch("a resource sent no events")
        return found

    async def _last_event(self, resource: str, since: datetime) -> datetime | None:
        """Return when the last event of a resource arrived; read it only if none since is known."""
        known = self._last_event_at.get(resource)
        if known is None or known < since:
            behind = self._checked_seq.get(resource, 0)
            given = {"integration": self._context.id, "resource": resource, "behind": behind}
            last, self._checked_seq[resource] = await self._context.database.read(
                lambda c: (
                    c.execute(_LAST_EVENT, given).scalar(),
                    c.execute(_NEWEST_SEQ).scalar_one(),
                )
            )
            if last:
                known = self._last_event_at[resource] = datetime.fromisoformat(last)
        return known

    def _database_findings(self, connection: Connection) -> list[Finding]:
        given: dict[str, Any] = {"integration": self._context.id, "attempts": _MIN_FAILED_ATTEMPTS}
        given["since"] = as_text(utc_now() - timedelta(hours=1))
        found = [
            Finding(
                "unreadable",
                "error",
                f"The last sync could not read {resource.replace('_', ' ')}: {error}",
                next_step(error),
                Action.FULL_FETCH,
                resource,
            )
            for resource, error in sorted(failed_steps(connection, self._context.id).items())
        ]
        found += [
            Finding(
                "hopeless",
                "error",
                f"{counted_objects(r.objects, r.resource)} cannot be read, such as {r.first}: {r.error}",
                next_step(r.error),
                Action.FULL_FETCH,
                r.resource,
            )
            for r in connection.execute(_UNREADABLE_OBJECTS, given)
        ]
        found += [
            Finding(
                "forged",
                "warning",
                f"The hub rejected {counted(r.refused, 'delivery', 'deliveries')} to “{r.name}” with"
                f" a wrong signature, the last at {readable(r.last_refused_at)}",
                rotation_step(r.id),
                Action.ROTATE_WEBHOOK,
                f"webhook URL {r.id}",
            )
            for r in connection.execute(_REFUSED, given)
        ]
        return found

    async def _request_fetch(self, reason: str) -> None:
        # A running fetch may have read some resources before.
        await self._context.database.write(fetch.request_followup_fetch, self._context.id, reason)
        self._wake(self._context.id, "fetch")

    async def _save(self, kinds: Sequence[Kind], found: Sequence[Finding]) -> None:
        new = await self._context.database.write(
            finding_store.save_findings, self._context.id, kinds, found
        )
        for each in new:
            log.warning(
                "watchdog.found",
                integration_id=self._context.id,
                kind=each.kind,
                found=each.message,
                repaired=each.repaired,
            )
        if new:
            self._context.changes.publish("integration", self._context.id)


_RESTORED = (
    "ION delivered events while, by this database, no hub ran:"
    " the database was restored from a backup"
)


def _missed(given_up: int, lost: int, recovered: int) -> str:
    """Return a sentence about deliveries that did not arrive; at least one count is not 0."""
    parts: list[str] = []
    if given_up:
        parts.append(f"ION gave up on {counted(given_up, 'delivery', 'deliveries')}")
    if lost:
        delivered = counted(lost, "delivery", "deliveries")
        parts.append(f"ION reports {delivered} as sent that did not arrive")
    return f"{' and '.join(parts)}; the hub recovered {recovered:,} from ION's record"


def max_silence(hours: Sequence[datetime]) -> timedelta | None:
    """Return how long a resource may be silent, or None if its usual gaps are not known yet."""
    if len(hours) < _MIN_ACTIVE_HOURS:
        return None
    gaps = (later - earlier for earlier, later in pairwise(hours))
    return max(_MIN_SILENCE, _SILENCE_FACTOR * max(gaps))
