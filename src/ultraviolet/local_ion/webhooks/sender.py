"""Sends what changed to the receivers: signed, concurrent, retried with back-off, every attempt recorded."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Protocol

import aiohttp
import msgspec
import structlog

from ultraviolet import times
from ultraviolet.ion.signatures import sign

log = structlog.get_logger()

RESPONSE_KEPT = 2_000
FLUSH_AT = 200


class Delivery(msgspec.Struct, frozen=True):
    """One event on its way to one receiver."""

    event_id: int
    url: str
    secret: str
    expected: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    retries: int = 0
    signed: bytes | None = None
    """What the signature is made of, where that is not the body."""


class Sending(msgspec.Struct, frozen=True):
    """What is really sent of a delivery: after a pause, perhaps not at all, perhaps without a record."""

    delivery: Delivery
    pause: float = 0.0
    recorded: bool = True
    lost: str | None = None
    """Why it is not sent."""


Plan = Callable[[Sequence[Delivery]], list[Sending]]
"""Turns deliveries into what is really sent; may block."""


class Attempt(msgspec.Struct, frozen=True):
    """How one attempt went; `status` is the webhook event's from now on, as the database has it."""

    event_id: int
    status: str
    retries: int
    code: int | None
    answer: str
    received_at: str | None


class Retries(msgspec.Struct, frozen=True):
    """How often, and after how many seconds, a delivery is tried again (ION's own numbers are not public)."""

    limit: int = 8
    first: float = 0.5
    longest: float = 60.0

    def pause(self, retries: int) -> float:
        """Give the pause before the next attempt: exponential, with half of it jitter."""
        whole = min(self.longest, self.first * 2**retries)
        return whole * (0.5 + random.random() / 2)  # noqa: S311  jitter, not a secret


class Ledger(Protocol):
    """Where deliveries come from and attempts are written; every method may block."""

    def announce(self) -> list[Delivery]:
        """Turn commits since the last call into deliveries, durably, once."""
        ...

    def unfinished(self) -> list[Delivery]:
        """Give the deliveries a former process left without a final answer."""
        ...

    def again(self, event_id: int) -> Delivery | None:
        """Give a delivery with its receiver as it is now; None when nobody wants it any more."""
        ...

    def record(self, attempts: list[Attempt]) -> None:
        """Write attempts to their webhook events, in one transaction."""
        ...

    def close(self) -> None:
        """Announce no more; returns when nothing is being announced."""
        ...


def as_they_are(deliveries: Sequence[Delivery]) -> list[Sending]:
    """Send every delivery once, at once."""
    return [Sending(delivery) for delivery in deliveries]


class Sender:
    """Delivers until told to stop; `wake` it after every commit, from any thread."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        plan: Plan = as_they_are,
        retries: Retries | None = None,
        concurrency: int = 64,
        timeout: float = 30.0,
    ) -> None:
        self._ledger = ledger
        self._plan = plan
        self._retries = retries or Retries()
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._slots = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._changed = asyncio.Event()
        self._attempts: asyncio.Queue[Attempt] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._sending: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Say that something was committed."""
        self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Deliver for ever; on cancellation the attempts already made are recorded."""
        connector = aiohttp.TCPConnector(limit=self._concurrency)
        async with aiohttp.ClientSession(connector=connector, timeout=self._timeout) as session:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._announce_for_ever(session))
                    group.create_task(self._record_for_ever())
            finally:
                await self._stop()

    async def _announce_for_ever(self, session: aiohttp.ClientSession) -> None:
        self._start(session, await asyncio.to_thread(self._planned, self._ledger.unfinished))
        while True:
            self._changed.clear()
            sendings = await asyncio.to_thread(self._planned, self._ledger.announce)
            self._start(session, sendings)
            if not sendings:
                await self._changed.wait()

    def _planned(self, owed: Callable[[], list[Delivery]]) -> list[Sending]:
        return self._plan(owed())

    def _start(self, session: aiohttp.ClientSession, sendings: list[Sending]) -> None:
        for sending in sendings:
            task = asyncio.create_task(self._send(session, sending))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, session: aiohttp.ClientSession, sending: Sending) -> None:
        if sending.pause:
            await asyncio.sleep(sending.pause)
        delivery = sending.delivery
        if sending.lost is not None:
            lost = Attempt(delivery.event_id, "failed", delivery.retries, None, sending.lost, None)
            await self._attempts.put(lost)
        elif sending.recorded:
            await self._deliver(session, delivery)
        else:
            async with self._slots:
                await self._attempt(session, delivery)

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery) -> None:
        while True:
            async with self._slots:
                attempt = await self._attempt(session, delivery)
            await self._attempts.put(attempt)
            if attempt.status != "retrying":
                return
            await asyncio.sleep(self._retries.pause(attempt.retries))
            current = await asyncio.to_thread(self._ledger.again, delivery.event_id)
            if current is None:
                await self._attempts.put(_given_up(attempt))
                return
            delivery = msgspec.structs.replace(current, retries=attempt.retries + 1)

    async def _attempt(self, session: aiohttp.ClientSession, delivery: Delivery) -> Attempt:
        try:
            code, answer = await post(session, delivery)
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            code, answer = None, f"{type(error).__name__}: {error}"
        status = self._judge(delivery, code)
        return Attempt(
            delivery.event_id, status, delivery.retries, code, answer, times.now() if code else None
        )

    def _judge(self, delivery: Delivery, code: int | None) -> str:
        if code is not None and succeeded(code, delivery.expected):
            return "succeeded"
        return "retrying" if delivery.retries < self._retries.limit else "failed"

    async def _record_for_ever(self) -> None:
        while True:
            await self._record_batch([await self._attempts.get()])

    async def _record_batch(self, batch: list[Attempt]) -> None:
        while len(batch) < FLUSH_AT and not self._attempts.empty():
            batch.append(self._attempts.get_nowait())
        await asyncio.to_thread(self._ledger.record, batch)

    async def _stop(self) -> None:
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if not self._attempts.empty():
            await self._record_batch([self._attempts.get_nowait()])


class Deliveries:
    """A sender that can be stopped, and started again over a store that has changed meanwhile."""

    def __init__(self, ledger: Callable[[], Ledger], plan: Plan = as_they_are) -> None:
        self._make_ledger = ledger
        self._plan = plan
        self._sender: Sender | None = None
        self._running: asyncio.Task[None] | None = None
        self._ledger: Ledger | None = None

    def wake(self) -> None:
        """Say that something was committed; from any thread."""
        if self._sender is not None:
            self._sender.wake()

    async def start(self) -> None:
        """Deliver from now on."""
        self._ledger = await asyncio.to_thread(self._make_ledger)
        self._sender = Sender(self._ledger, plan=self._plan)
        self._running = asyncio.create_task(self._sender.run())
        self._running.add_done_callback(complain)

    async def stop(self) -> None:
        """Deliver no more; what is under way is let go."""
        if self._running is not None and self._ledger is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._running, return_exceptions=True)
            await asyncio.to_thread(self._ledger.close)
        self._sender = self._running = self._ledger = None


def complain(task: asyncio.Task[None]) -> None:
    """Log what ended a task that should have gone on."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("local_ion.failed", error=str(error), exc_info=error)


async def post(session: aiohttp.ClientSession, delivery: Delivery) -> tuple[int, str]:
    """POST one delivery and give the status and the beginning of the answer."""
    headers = dict(delivery.headers) | {
        "content-type": "application/json",
        "x-ion-signature": sign(delivery.secret, delivery.signed or delivery.body),
    }
    async with session.post(
        delivery.url, data=delivery.body, headers=headers, allow_redirects=False
    ) as response:
        answer = await response.content.read(RESPONSE_KEPT)
        return response.status, answer.decode("utf-8", "replace")


def succeeded(code: int, expected: int) -> bool:
    """Judge an answer: the status the receiver expects, and any 2xx where that is 200."""
    return code == expected or (expected == 200 and 200 <= code < 300)  # noqa: PLR2004


def _given_up(last: Attempt) -> Attempt:
    answer = "The receiver or its subscription was removed or switched off."
    return Attempt(last.event_id, "failed", last.retries, None, answer, None)
