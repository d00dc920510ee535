"""The watchdog: what keeps changes from arriving is found, put right where the hub may, and said in words.

Each look asks ION who the key is, compares receiver and subscriptions with what is wanted and ION's record of its
deliveries with what arrived, and looks in the tables for resources that fell silent or cannot be read.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import structlog
from sqlalchemy import Connection, text

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core import findings
from ultraviolet.hub.core.findings import NewFinding
from ultraviolet.hub.health import missed_deliveries, restore_detection
from ultraviolet.hub.health.failed_steps import failed_steps
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.service import IngestService
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.hub.sync import fetch
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.ion import webhooks
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.errors import (
    NEXT_STEPS,
    IonError,
    IonInterceptedError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
    IonUnreachableError,
    known_step,
    next_step,
)
from ultraviolet.ion.webhooks import Receiver

ACTOR = "watchdog"
_HABIT = timedelta(days=7)
_HABIT_HOURS = 12
"""Hours with events of a resource that make a habit."""
_REST = timedelta(hours=1)
_REST_FACTOR = 3
_CLOCKS_DIFFER = timedelta(hours=1)
"""A change that ION dates so much later than the last event came is none that this told of."""
_HOPELESS = 5

log = structlog.get_logger()

_HABITS = text(
    """SELECT DISTINCT resource, hour FROM arrivals
    WHERE integration_id = :integration AND hour > :since AND cause = '' AND healed_by IN ('event', 'heal')
    ORDER BY resource, hour"""
)
"""Events tell of changes, or cause the reads that do."""
_LAST_WORD = text(
    """SELECT received_at FROM events WHERE +integration_id = :integration AND resource = :resource AND seq > :behind
    ORDER BY seq DESC LIMIT 1"""
)
"""By number, from the newest on; the plus keeps from reading all that a resource ever told by an index of objects."""
_NEWEST = text("SELECT coalesce(max(seq), 0) FROM events")
_HOPELESS_ONES = text(
    """SELECT resource, count(*) AS count, min(id) AS first, min(error) AS error FROM stale
    WHERE integration_id = :integration AND attempts >= :attempts AND error IS NOT NULL
    GROUP BY resource"""
)
_REFUSED = text(
    """SELECT id, name, refused, last_refused_at FROM webhook_urls
    WHERE integration_id = :integration AND state <> 'revoked' AND last_refused_at > :since"""
)


class Watchdog:
    """Looks after one integration."""

    def __init__(
        self,
        hub: webhook_setup.Hub,
        ingest: IngestService,
        site: SyncContext,
        wake: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._ingest = ingest
        self._site = site
        self._wake = wake
        self._told: dict[str, datetime] = {}
        """When resources were last seen to tell something."""
        self._behind: dict[str, int] = {}
        """The number of the newest event then, so that none before it is looked at again."""

    async def look(self) -> None:
        """Look once at everything; raises what keeps ION from answering, after saying so."""
        client = await self._hub.client(self._site.id)
        try:
            (await client.execute("query Me { me { id } }")).must()
        except IonError as error:
            await self._keep(("credentials", "unreachable"), [_no_answer(error)])
            raise
        await self._keep(("credentials", "unreachable"), [])
        receiver = await self._receiver(client)
        if receiver:
            await self._record(client, receiver)
        await self._keep(("silent",), await self._silent())
        await self._keep(
            ("unreadable", "hopeless", "forged"), await self._site.database.read(self._in_tables)
        )

    async def _receiver(self, client: IonClient) -> Receiver | None:
        """Compare receiver and subscriptions with what is wanted, and set up again what is not as it was."""
        url = await self._site.database.read(webhook_urls.current_url, self._site.id)
        if url and url.receiver_id is None:
            url = await self._adopt()
        if url is None or url.receiver_id is None:
            await self._keep(("receiver",), [_not_set_up()])
            return None
        if self._hub.setting_up(self._site.id).locked():
            return None  # somebody is at it
        try:
            receiver = await webhooks.read_receiver(client, url.receiver_id)
            wrong = await self._wrong(url, receiver)
            if not wrong:
                await self._keep(("receiver",), [])
                return receiver
            done = await webhook_setup.apply_setup(self._hub, ACTOR, self._site.id)
        except (
            IonUnauthorizedError,
            IonUnreachableError,
            IonInterceptedError,
            IonRateLimitedError,
        ):
            raise
        except IonError as error:
            await self._keep(("receiver",), [_cannot_see(error)])
            return None
        await self._ingest.refresh()
        refused = "; ".join(done.refused)
        found = [
            NewFinding(
                "receiver", what, _repaired(sentence, refused), _next_step(refused), not refused
            )
            for what, sentence in wrong
        ]
        await self._keep(("receiver",), found)
        await self._fetch_what_was_missed("deliveries were interrupted")
        return await webhooks.read_receiver(client, done.webhook_url.receiver_id or "")

    async def _adopt(self) -> WebhookUrl | None:
        """Take over a receiver that somebody made by hand in ION and that posts here."""
        try:
            url = await webhook_setup.adopt_receiver(self._hub, ACTOR, self._site.id)
        except (IonRefusedError, InvalidError):
            return None
        if url:
            await self._ingest.refresh()
        return url

    async def _wrong(self, url: WebhookUrl, receiver: Receiver | None) -> list[tuple[str, str]]:
        """Return what is not as wanted, as subjects and sentences."""
        if receiver is None:
            return [("deleted", f"Receiver {url.receiver_id} was deleted in ION")]
        posts_to = await self._site.database.read(
            webhook_urls.find_by_token, self._site.id, receiver.token
        )
        if posts_to is None or posts_to.state != "active":
            return [
                (
                    "address",
                    f"Receiver {receiver.id} posts to an address that is not ours or no longer works",
                )
            ]
        entries = await self._site.database.read(webhook_urls.active_urls, self._hub.secrets)
        known = {entry.shared_secret for entry in entries.values() if entry.url_id == posts_to.id}
        plan = await webhook_setup.plan_setup(self._hub, self._site.id)
        await webhook_setup.note_subscribed(self._hub, posts_to, plan)
        wrong = [("settings", problem) for problem in plan.problems]
        if receiver.shared_secret not in known:
            wrong.append(
                ("secret", f"The shared secret of receiver {receiver.id} was changed in ION")
            )
        if plan.missing:
            wrong.append(("missing", f"{len(plan.missing)} subscriptions are missing in ION"))
        if plan.inactive:
            wrong.append(
                ("inactive", f"{len(plan.inactive)} subscriptions were switched off in ION")
            )
        return wrong

    async def _record(self, client: IonClient, receiver: Receiver) -> None:
        """Look at ION's record of its deliveries; a key that may not read it keeps nothing else from being seen."""
        try:
            await self._gaps(client, receiver)
        except IonInterceptedError:
            raise
        except IonRefusedError as error:
            sentence = f"ION's record of its deliveries cannot be read: {error}"
            await self._keep(
                ("gap",), [NewFinding("gap", "not readable", sentence, next_step(str(error)))]
            )

    async def _gaps(self, client: IonClient, receiver: Receiver) -> None:
        """Compare ION's record of its deliveries with what arrived; what is missing is taken from there."""
        if not self._site.reader.offered.has("Query", "webhookEvents"):
            return
        ours = {each.id for each in receiver.subscriptions}
        url = await self._site.database.read(webhook_urls.current_url, self._site.id)
        given_up = lost = recovered = 0
        comparable, more, is_restored = True, True, False
        ahead = client.ahead or 0.0
        while more:
            after = await self._site.database.read(missed_deliveries.cursor, self._site.id)
            record = await missed_deliveries.read_sent_deliveries(client, after)

            def work(
                connection: Connection, sent: Sequence[missed_deliveries.SentDelivery] = record.sent
            ) -> missed_deliveries.MissedDeliveries:
                found = missed_deliveries.insert_missed(
                    connection,
                    self._hub.catalog,
                    self._site.id,
                    url.id if url else 0,
                    sent,
                    ours,
                    ahead,
                )
                if found.restored:
                    restore_detection.begin(connection, self._site.id, _RESTORED)
                return found

            found = await self._site.database.write(work)
            given_up, lost = given_up + found.given_up, lost + found.lost + record.unreadable
            recovered, comparable = recovered + found.recovered, comparable and found.comparable
            is_restored = is_restored or found.restored
            more = record.more and await self._moved(after)
        if recovered:
            self._wake("apply")
        if is_restored:
            self._wake("fetch")
        elif given_up + lost > recovered:
            await self._fetch_what_was_missed("events of which ION kept no body")
        await self._keep(("gap",), _gap(given_up, lost, recovered, comparable=comparable))

    async def _moved(self, after: int) -> bool:
        return await self._site.database.read(missed_deliveries.cursor, self._site.id) > after

    async def _silent(self) -> list[NewFinding]:
        """Find resources that told nothing for longer than is their habit, though they changed in ION."""
        moment = datetime.fromisoformat(now_rfc3339())
        given = {"integration": self._site.id, "since": _hour(moment - _HABIT)}
        hours: defaultdict[str, list[datetime]] = defaultdict(list)
        for row in await self._site.database.read(lambda c: c.execute(_HABITS, given).all()):
            hours[row.resource].append(datetime.fromisoformat(f"{row.hour}:00:00+00:00"))
        found: list[NewFinding] = []
        for resource in self._site.readable():
            rest = _longest_rest(hours[resource.name])
            if (
                rest is None
                or resource in self._site.catalog.silent
                or not self._site.reader.dates(resource)
            ):
                continue
            last = await self._last_word(resource.name, moment - rest)
            if last is None or moment - last < rest:
                continue
            newest = await self._site.reader.newest(resource)
            if newest and datetime.fromisoformat(newest) > last + _CLOCKS_DIFFER:
                sentence = f"{resource.title} changed in ION at {newest}, but no event told of it since {as_text(last)}"
                next_step = "Look at the receiver's events in ION; a fetch was begun"
                found.append(NewFinding("silent", resource.name, sentence, next_step))
        if found:
            await self._fetch_what_was_missed("a resource fell silent")
        return found

    async def _last_word(self, resource: str, since: datetime) -> datetime | None:
        """Return when the last event of a resource came; looked for only where none is known that came since."""
        known = self._told.get(resource)
        if known is None or known < since:
            given = {"integration": self._site.id, "resource": resource}
            given |= {"behind": self._behind.get(resource, 0)}

            def look(connection: Connection) -> tuple[str | None, int]:
                last = connection.execute(_LAST_WORD, given).scalar()
                return last, connection.execute(_NEWEST).scalar_one()

            last, self._behind[resource] = await self._site.database.read(look)
            if last:
                known = self._told[resource] = datetime.fromisoformat(last)
        return known

    def _in_tables(self, connection: Connection) -> list[NewFinding]:
        given: dict[str, Any] = {"integration": self._site.id, "attempts": _HOPELESS}
        given["since"] = as_text(datetime.fromisoformat(now_rfc3339()) - timedelta(hours=1))
        unreadable = [
            NewFinding(
                "unreadable",
                resource,
                f"{_title(resource)} could not be read: {error}",
                next_step(error),
            )
            for resource, error in sorted(failed_steps(connection, self._site.id).items())
        ]
        hopeless = [
            NewFinding(
                "hopeless",
                r.resource,
                f"{r.count} {_title(r.resource).lower()} cannot be read, such as {r.first}: {r.error}",
                next_step(r.error),
            )
            for r in connection.execute(_HOPELESS_ONES, given)
        ]
        forged = [
            NewFinding(
                "forged",
                f"webhook URL {r.id}",
                f"{r.refused} deliveries to “{r.name}” had a wrong signature, the last at {r.last_refused_at}",
                "If they go on, somebody else knows the address: rotate the webhook URL",
            )
            for r in connection.execute(_REFUSED, given)
        ]
        return [*unreadable, *hopeless, *forged]

    async def _fetch_what_was_missed(self, why: str) -> None:
        await self._site.database.write(fetch.request_fetch, self._site.id, "incremental", why)
        self._wake("fetch")

    async def _keep(self, kinds: Sequence[str], found: Sequence[NewFinding]) -> None:
        new = await self._site.database.write(findings.save_findings, self._site.id, kinds, found)
        for each in new:
            log.warning(
                "watchdog.found",
                integration_id=self._site.id,
                kind=each.kind,
                found=each.sentence,
                repaired=each.repaired,
            )
        if new:
            self._site.changes.publish("integration", self._site.id)


def watchdog_task(watchdog: Watchdog, every: float) -> Callable[[], Awaitable[float]]:
    """Return what a controller does: look, then rest so many seconds."""

    async def look() -> float:
        await watchdog.look()
        return every

    return look


_RESTORED = (
    "ION delivered events to a hub that this database does not know: it was restored from a backup"
)


def _hour(moment: datetime) -> str:
    return as_text(moment)[:13]


def _longest_rest(hours: Sequence[datetime]) -> timedelta | None:
    """How long a resource may be silent: some times the longest rest it took; None where it has no habit yet."""
    if len(hours) < _HABIT_HOURS:
        return None
    rests = (later - earlier for earlier, later in pairwise(hours))
    return max(_REST, _REST_FACTOR * max(rests))


def _title(resource: str) -> str:
    return resource.replace("_", " ").capitalize()


def _no_answer(error: IonError) -> NewFinding:
    if isinstance(error, IonUnauthorizedError):
        return NewFinding("credentials", "API key", str(error), NEXT_STEPS[error.kind])
    return NewFinding(
        "unreachable", "ION", str(error), NEXT_STEPS.get(error.kind) or next_step(str(error))
    )


def _not_set_up() -> NewFinding:
    return NewFinding(
        "receiver", "none", "No receiver in ION posts here", "Finish the set-up guide"
    )


def _cannot_see(error: IonError) -> NewFinding:
    sentence = f"Receiver and subscriptions cannot be checked: {error}"
    step = known_step(str(error)) or "Give the API key's user the webhook permissions in ION"
    return NewFinding("receiver", "not readable", sentence, step)


def _repaired(sentence: str, refused: str) -> str:
    if refused:
        return f"{sentence}, and ION refused the repair: {refused}"
    return f"{sentence}; the hub has set it up again and fetches what was missed"


def _next_step(refused: str) -> str:
    if not refused:
        return "Nothing, if it was not on purpose"
    return known_step(refused) or "Give the API key's user the webhook permissions in ION"


def _gap(given_up: int, lost: int, recovered: int, *, comparable: bool) -> list[NewFinding]:
    if not comparable:
        sentence = "ION's numbers of its deliveries are not those in their bodies; gaps cannot be seen that way"
        return [NewFinding("gap", "numbers", sentence, "Nothing: fetches find what webhooks miss")]
    if not given_up + lost:
        return []
    sentence = (
        f"ION gave up {given_up} deliveries and holds {lost} to be delivered that never arrived;"
        f" {recovered} were taken from its record"
    )
    return [
        NewFinding(
            "gap",
            "deliveries",
            sentence,
            "Look at what stands between ION and the hub",
            repaired=True,
        )
    ]
