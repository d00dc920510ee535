"""Taking deliveries: judged in memory, committed together, acknowledged only when they are on disk."""

import asyncio
import contextlib
import hashlib
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
import structlog
from sqlalchemy import Connection, text

from ultraviolet import tracing
from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.db.event_store import insert_events
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core.encryption import SecretBox, hash_token
from ultraviolet.hub.core.log_throttle import OutageLog
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.ingest.counters import DeliveryCounters, Outcome
from ultraviolet.hub.ingest.spool import Spool, SpooledDelivery, SpoolFullError
from ultraviolet.hub.ingest.webhook_urls import UrlEntry, active_urls
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import Envelope, decode_envelope
from ultraviolet.ion.signatures import SIGNATURE_HEADER, SignatureFormat, detect_signature

MAX_BODY_BYTES = 1024 * 1024
_LARGEST_GROUP = 1000
_REREAD_AFTER = 2.0
"""Seconds after which the addresses are read again, for changes another process made."""
_UNKNOWN_REREAD_AFTER = 0.2
"""Seconds between two readings for addresses that are not known."""
_SEEN_EVERY = 1.0
"""Seconds between two notes that an address is in use: its row would else be a place where processes queue."""
_ASK_AGAIN_AFTER = 0.5
"""Seconds in which deliveries are put off at once after the database did not answer, instead of waiting for it too."""
TRACE_HEADER = "traceparent"
"""The header, kept with an event, that says which trace its delivery is part of: the hub's own where it traces."""
_PRIVATE = re.compile("auth|cookie|credential|key|password|secret|token")
"""Names of headers that may hold a secret, such as one that a receiver in ION was told to send."""

log = structlog.get_logger()

_SEEN = text(
    """UPDATE webhook_urls SET last_delivery_at = :at, first_delivery_at = coalesce(first_delivery_at, :at),
      first_verified_at = CASE WHEN :verified = 1 THEN coalesce(first_verified_at, :at) ELSE first_verified_at END,
      signature_format = coalesce(signature_format, :format)
    WHERE id = :id"""
)
_END_REPLACED = text(
    """WITH RECURSIVE older (id) AS (
      SELECT replaces_id FROM webhook_urls WHERE id = :id
      UNION SELECT w.replaces_id FROM webhook_urls AS w JOIN older ON w.id = older.id)
    UPDATE webhook_urls SET state = 'revoked', shared_secret = NULL
    WHERE state = 'rotated' AND id IN (SELECT id FROM older)"""
)

_INTEGRATIONS = text("SELECT id FROM integrations")


class Verdict(msgspec.Struct, frozen=True):
    """What became of a delivery."""

    status: int


class _Waiting(SpooledDelivery):
    """A delivery on its way to the disk."""

    done: "asyncio.Future[Verdict]"
    trace: str | None = None


class _Seen(msgspec.Struct, frozen=True):
    """When this process last noted that an address is in use, and how it was signed."""

    at: float
    form: SignatureFormat | None


class _Use(msgspec.Struct, frozen=True):
    """That an address is in use, as a transaction wrote it: whether it was noted, and whether that ended another."""

    url_id: int
    seen: _Seen | None
    ended: bool


class IngestService:
    """Takes deliveries; many that wait at the same time are one commit."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        secrets: SecretBox,
        changes: PubSub,
        wake: Callable[[int], None],
        spool: Spool | None = None,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._secrets = secrets
        self._changes = changes
        self._wake = wake
        self._spool = spool
        self._draining: asyncio.Task[None] | None = None
        self._urls: Mapping[bytes, UrlEntry] = {}
        self._read_at = self._urls_of = -_REREAD_AFTER
        self._rereading: asyncio.Task[None] | None = None
        self._away_until = 0.0
        self._used: set[int] = set()
        self._seen: dict[int, _Seen] = {}
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self._counts = DeliveryCounters(database)
        self._complaint = OutageLog("delivery.not_kept", "delivery.kept_again")

    async def submit(self, token: str, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Judge one delivery and keep it; a 2xx means it is on disk."""
        if self._is_away and (self._spool is None or not self.knows(token)):
            if known := self._urls.get(hash_token(token)):
                self._counts.note(known.url_id, "put_off")
            return Verdict(503)
        url = await self._url(token)
        if url is None:
            return Verdict(404)
        if len(body) > MAX_BODY_BYTES:
            self._counts.note(url.url_id, "too_large")
            return Verdict(413)
        form = None
        if url.shared_secret is not None:
            before = self._seen.get(url.url_id)
            signature, likely = headers.get(SIGNATURE_HEADER), before.form if before else None
            form = detect_signature(url.shared_secret, body, signature, likely)
            if form is None:
                self._counts.note(url.url_id, "wrong_signature")
                return Verdict(401)
        trace = tracing.current_traceparent()
        # A proxy may repeat the address in a header, and the address is the secret.
        headers = {name: "…" if token in value else value for name, value in headers.items()}
        row = event_row(
            url.integration_id,
            url.url_id,
            body,
            decode_envelope(self._catalog, body),
            received_at=now_rfc3339(),
            signature="verified" if form else "unverified",
            headers={**headers, TRACE_HEADER: trace} if trace else headers,
        )
        waiting = _Waiting(row, form, asyncio.get_running_loop().create_future(), trace)
        self._waiting.append(waiting)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        return await waiting.done

    def knows(self, token: str) -> bool:
        """Return whether an address worked when addresses were last read."""
        return hash_token(token) in self._urls

    async def refresh(self) -> None:
        """Read the addresses again: after one was minted, rotated, revoked, or its secret became known."""
        began = self._read_at = time.monotonic()
        urls = await self._database.read(active_urls, self._secrets)
        if began >= self._urls_of:  # else one that began later has told more
            self._urls, self._urls_of = urls, began

    async def close(self) -> None:
        """Finish what has begun."""
        if self._committing:
            await asyncio.gather(self._committing, return_exceptions=True)
        for task in filter(None, (self._draining, self._rereading)):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._counts.close()

    @property
    def spooled(self) -> int:
        """How many deliveries wait in the spool of this process."""
        return self._spool.waiting if self._spool else 0

    @property
    def refused(self) -> int:
        """How many deliveries of the spool the database did not take, since this process began."""
        return self._spool.refused if self._spool else 0

    def drain(self) -> None:
        """Let what is in the spool go into the database, as soon as that takes it."""
        if self.spooled and (self._draining is None or self._draining.done()):
            self._draining = asyncio.create_task(self._drain(), name="spool")

    @property
    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    async def _url(self, token: str) -> UrlEntry | None:
        hashed = hash_token(token)
        known = hashed in self._urls
        if known and (self._is_away or self.spooled):
            self._read_at = (
                time.monotonic() - _REREAD_AFTER
            )  # nobody waits for a database that is away
        elif not known:
            await self._look_again()
        elif time.monotonic() - self._read_at > _REREAD_AFTER:
            # An address that is known goes on being good; one that is not cannot be told from a wrong one.
            with contextlib.suppress(Exception):
                await self.refresh()
        url = self._urls.get(hashed)
        return None if url and url.expires_at and url.expires_at < now_rfc3339() else url

    async def _look_again(self) -> None:
        """Wait for a reading that begins from now on: another process may have made an address a moment ago.

        Guesses cost no more than one reading in a while, which all that came by then wait for.
        """
        if self._rereading is None:
            self._rereading = asyncio.create_task(self._read_by_and_by())
        await asyncio.shield(self._rereading)

    async def _read_by_and_by(self) -> None:
        await asyncio.sleep(self._read_at + _UNKNOWN_REREAD_AFTER - time.monotonic())
        self._rereading = None  # who comes while it reads waits for the next one
        await self.refresh()

    async def _commit_all(self) -> None:
        while self._waiting:
            fair = _in_turn(self._waiting)
            group, self._waiting = fair[:_LARGEST_GROUP], fair[_LARGEST_GROUP:]
            try:
                await self._commit_group(group)
            finally:
                _answer(group, Verdict(503))  # whatever went wrong, nobody waits for ever

    async def _commit_group(self, group: Sequence[_Waiting]) -> None:
        if self._spool and (
            self._is_away or self._spool.waiting
        ):  # in order: first what came before
            await self._set_aside(group)
            return
        try:
            with tracing.span(
                "deliveries.commit",
                links=[w.trace for w in group if w.trace],
                root=True,
                events=len(group),
            ):
                uses = await self._database.write_delivery(self._commit, group)
        except Exception as error:
            away = isinstance(error, StoreUnavailableError)
            if away:
                self._complaint.record_failure(error, count=len(group))
                self._away_until = time.monotonic() + _ASK_AGAIN_AFTER
            else:
                log.warning(
                    "delivery.not_kept", count=len(group), error=first_line(error), exc_info=True
                )
            if not away and len(group) > 1:  # one that cannot be kept must not keep others from it
                for one in group:
                    await self._commit_group([one])
                return
            if away and self._spool:
                await self._set_aside(group)
            else:
                _answer(group, Verdict(503))
                self._count(group, "put_off")
            return
        failpoint("ingest.committed")
        self._complaint.record_success()
        self._note(uses)
        _answer(group, Verdict(200))
        self._count(group, "taken")
        self._tell(group)

    async def _set_aside(self, group: Sequence[_Waiting]) -> None:
        """Keep deliveries in the spool; where it is full or fails, ION is to send them again."""
        assert self._spool
        try:
            await self._spool.keep([SpooledDelivery(w.row, w.form) for w in group])
        except (SpoolFullError, sqlite3.Error) as error:
            log.warning("delivery.not_spooled", count=len(group), error=str(error) or error.__doc__)
            _answer(group, Verdict(503))
            self._count(group, "put_off")
        else:
            failpoint("spool.kept")
            _answer(group, Verdict(200))
            self._count(group, "taken")
        self.drain()

    async def _drain(self) -> None:
        """Bring the spool into the database in order; what was brought is forgotten only then, so that nothing is lost."""
        spool = self._spool
        assert spool
        count, most = 0, _LARGEST_GROUP
        while found := await spool.first(most):
            kept = [one for _, one in found]
            try:
                uses = await self._database.write_delivery(self._commit_known, kept)
            except StoreUnavailableError:
                await asyncio.sleep(_ASK_AGAIN_AFTER)
                continue
            except Exception as error:
                if most > 1:  # find the one that cannot be kept
                    most = 1
                    continue
                log.exception("spool.refused", seq=found[0][0])
                await spool.refuse(found[0][0], first_line(error))
                continue
            failpoint("spool.drained")
            self._complaint.record_success()
            await spool.forget(found[-1][0])
            count += len(found)
            self._note(uses)
            self._tell(kept)
        log.info("spool.drained", count=count)

    def _commit_known(self, connection: Connection, kept: Sequence[SpooledDelivery]) -> list[_Use]:
        """Commit but for what belongs to an integration that was removed since."""
        known = set(connection.execute(_INTEGRATIONS).scalars())
        lost = sum(one.row["integration_id"] not in known for one in kept)
        if lost:
            log.warning("spool.of_removed_integration", count=lost)
        return self._commit(connection, [one for one in kept if one.row["integration_id"] in known])

    def _tell(self, group: Sequence[SpooledDelivery]) -> None:
        for integration_id in {w.row["integration_id"] for w in group}:
            self._wake(integration_id)
            self._changes.publish("event", integration_id)

    def _count(self, group: Sequence[SpooledDelivery], outcome: Outcome) -> None:
        for url_id, count in Counter(w.row["webhook_url_id"] for w in group).items():
            self._counts.note(url_id, outcome, count)

    def _commit(self, connection: Connection, group: Sequence[SpooledDelivery]) -> list[_Use]:
        """Write events and which addresses are in use; returns what is to be remembered once it is on disk."""
        insert_events(connection, [w.row for w in group])
        uses: list[_Use] = []
        for url_id in sorted(
            {w.row["webhook_url_id"] for w in group}
        ):  # in one order, as in `record`
            mine = [w for w in group if w.row["webhook_url_id"] == url_id]
            form: SignatureFormat | None = next((w.form for w in mine if w.form), None)
            seen = self._write_use(connection, url_id, mine[-1].row["received_at"], form)
            first = url_id not in self._used
            ended = first and connection.execute(_END_REPLACED, {"id": url_id}).rowcount > 0
            uses.append(_Use(url_id, seen, ended))
        failpoint("ingest.written")
        return uses

    def _write_use(
        self, connection: Connection, url_id: int, at: str, form: SignatureFormat | None
    ) -> _Seen | None:
        noted, moment = self._seen.get(url_id), time.monotonic()
        if noted and noted.form == form and moment - noted.at < _SEEN_EVERY:
            return None
        given = {"id": url_id, "at": at, "verified": int(form is not None), "format": form}
        connection.execute(_SEEN, given)
        return _Seen(moment, form)

    def _note(self, uses: Sequence[_Use]) -> None:
        for use in uses:
            self._used.add(use.url_id)
            if use.seen:
                self._seen[use.url_id] = use.seen
            if use.ended:
                self._read_at = -_REREAD_AFTER


def _in_turn(waiting: list[_Waiting]) -> list[_Waiting]:
    """Let every address have its next one in turn, so that a flood at one does not keep another waiting."""
    if len(waiting) <= _LARGEST_GROUP:
        return waiting
    counts: Counter[int] = Counter()
    turns: list[int] = []
    for one in waiting:
        url_id = one.row["webhook_url_id"]
        turns.append(counts[url_id])
        counts[url_id] += 1
    return [waiting[n] for n in sorted(range(len(waiting)), key=turns.__getitem__)]


def _answer(group: Sequence[_Waiting], verdict: Verdict) -> None:
    for waiting in group:
        if not waiting.done.done():
            waiting.done.set_result(verdict)


def event_row(
    integration_id: int,
    url_id: int,
    body: bytes,
    envelope: Envelope,
    *,
    received_at: str,
    signature: str,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the row of an event, to be inserted once however often it is delivered."""
    shown = {name: "…" if _is_private(name) else value for name, value in (headers or {}).items()}
    return {
        "integration_id": integration_id,
        "webhook_url_id": url_id,
        "dedupe_key": _dedupe_key(envelope, body),
        "event_id": envelope.event_id,
        "subscription_id": envelope.subscription_id,
        "resource": envelope.resource,
        "action": envelope.action,
        "object_id": envelope.object_id,
        "source_time": envelope.source_time,
        "received_at": received_at,
        "body": body,
        "headers": msgspec.json.encode(shown).decode(),
        "signature": signature,
    }


@lru_cache(256)
def _is_private(name: str) -> bool:
    return _PRIVATE.search(name) is not None


def _dedupe_key(envelope: Envelope, body: bytes) -> bytes:
    """Recognise an event that is delivered again.

    ION's number of it alone would take an event for a repetition after ION was set up afresh and counts from
    one again, and lose it.
    """
    if envelope.event_id is None:
        return hashlib.sha256(body).digest()
    told = (
        envelope.event_id,
        envelope.subscription_id,
        envelope.resource,
        envelope.action,
        envelope.object_id,
        envelope.source_time,
    )
    return hashlib.sha256(msgspec.json.encode(told)).digest()
