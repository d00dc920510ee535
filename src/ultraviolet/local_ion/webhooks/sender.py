"""Sends deliveries: signed, concurrent, retried with back-off, every attempt recorded."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import structlog

from ultraviolet import clock
from ultraviolet.local_ion.webhooks.delivery import (
    Attempt,
    Delivery,
    PlanTransmissions,
    Transmission,
    plan_unchanged,
)
from ultraviolet.local_ion.webhooks.outbox import Outbox

if TYPE_CHECKING:
    from ultraviolet.local_ion.webhooks.post import Poster

log = structlog.get_logger()

MAX_RECORDED_ATTEMPTS = 200
"""Attempts recorded in one transaction."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """Number of retries and their pauses (ION's own numbers are not public)."""

    max_retries: int = 8
    first_pause_seconds: float = 0.5
    max_pause_seconds: float = 60.0

    def pause_seconds(self, retries: int) -> float:
        """Return the pause before the next attempt: exponential with jitter."""
        pause = min(self.max_pause_seconds, self.first_pause_seconds * 2**retries)
        return pause * (0.5 + random.random() / 2)  # noqa: S311  jitter, not a secret


class Sender:
    """Sends deliveries until cancelled; call `wake` after every commit, from any thread."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        plan: PlanTransmissions = plan_unchanged,
        retry_policy: RetryPolicy | None = None,
        concurrency: int = 64,
        timeout_seconds: float = 30.0,
    ) -> None:
        self._outbox = outbox
        self._plan = plan
        self._retry_policy = retry_policy or RetryPolicy()
        self._timeout_seconds = timeout_seconds
        self._poster: Poster | None = None
        self._slots = asyncio.Semaphore(concurrency)
        self._concurrency = concurrency
        self._committed = asyncio.Event()
        self._attempts: asyncio.Queue[Attempt] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Signal that something was committed."""
        self._loop.call_soon_threadsafe(self._committed.set)

    async def run(self) -> None:
        """Send until cancelled; on cancellation, record the finished attempts."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish_loop())
                while True:
                    await self._record_batch([await self._attempts.get()])
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if not self._attempts.empty():
                await self._record_batch([self._attempts.get_nowait()])
            if self._poster is not None:
                await self._poster.close()

    async def _publish_loop(self) -> None:
        self._start(await asyncio.to_thread(self._plan_from, self._outbox.unfinished))
        while True:
            self._committed.clear()
            planned = await asyncio.to_thread(self._plan_from, self._outbox.publish)
            self._start(planned)
            if not planned:
                await self._committed.wait()

    def _plan_from(self, load: Callable[[], list[Delivery]]) -> list[Transmission]:
        return self._plan(load())

    def _start(self, planned: list[Transmission]) -> None:
        for transmission in planned:
            task = asyncio.create_task(self._send(transmission))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, transmission: Transmission) -> None:
        if transmission.pause_seconds:
            await asyncio.sleep(transmission.pause_seconds)
        delivery, reason = transmission.delivery, transmission.lost_reason
        if reason is not None:
            await self._attempts.put(
                Attempt(delivery.event_id, "failed", delivery.retries, None, reason, None)
            )
        elif transmission.recorded:
            await self._deliver(delivery)
        else:
            async with self._slots:
                await self._attempt(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        while True:
            async with self._slots:
                attempt = await self._attempt(delivery)
            await self._attempts.put(attempt)
            if attempt.status != "retrying":
                return
            await asyncio.sleep(self._retry_policy.pause_seconds(attempt.retries))
            current = await asyncio.to_thread(self._outbox.reload, delivery.event_id)
            if current is None:
                reason = "The receiver or its subscription was removed or switched off."
                await self._attempts.put(
                    Attempt(attempt.event_id, "failed", attempt.retries, None, reason, None)
                )
                return
            delivery = msgspec.structs.replace(current, retries=attempt.retries + 1)

    async def _attempt(self, delivery: Delivery) -> Attempt:
        if self._poster is None:
            # Imported on use: aiohttp takes a tenth of the start of a local ION.
            from ultraviolet.local_ion.webhooks.post import Poster  # noqa: PLC0415

            self._poster = Poster(self._concurrency, self._timeout_seconds)
        response_status, text = await self._poster.post(delivery)
        if response_status is not None and is_success(response_status, delivery.expected_status):
            status = "succeeded"
        elif delivery.retries < self._retry_policy.max_retries:
            status = "retrying"
        else:
            status = "failed"
        received_at = clock.now_rfc3339() if response_status else None
        return Attempt(
            delivery.event_id, status, delivery.retries, response_status, text, received_at
        )

    async def _record_batch(self, batch: list[Attempt]) -> None:
        while len(batch) < MAX_RECORDED_ATTEMPTS and not self._attempts.empty():
            batch.append(self._attempts.get_nowait())
        await asyncio.to_thread(self._outbox.record, batch)


class DeliveryService:
    """Runs a sender; it can stop and restart after the store's content was replaced."""

    def __init__(
        self, create_outbox: Callable[[], Outbox], plan: PlanTransmissions = plan_unchanged
    ) -> None:
        self._create_outbox = create_outbox
        self._plan = plan
        self._sender: Sender | None = None
        self._running: asyncio.Task[None] | None = None
        self._outbox: Outbox | None = None

    def wake(self) -> None:
        """Signal that something was committed; safe from any thread."""
        if self._sender is not None:
            self._sender.wake()

    async def start(self) -> None:
        """Start to send deliveries."""
        self._outbox = await asyncio.to_thread(self._create_outbox)
        self._sender = Sender(self._outbox, plan=self._plan)
        self._running = asyncio.create_task(self._sender.run())
        self._running.add_done_callback(log_failure)

    async def stop(self) -> None:
        """Stop to send deliveries and abandon those in progress."""
        if self._running is not None and self._outbox is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._running, return_exceptions=True)
            await asyncio.to_thread(self._outbox.close)
        self._sender = self._running = self._outbox = None


def log_failure(task: asyncio.Task[None]) -> None:
    """Log the error of a background task that failed."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("local_ion.failed", error=str(error), exc_info=error)


def is_success(status: int, expected: int) -> bool:
    """Return whether a status is the expected one; an expected 200 accepts any 2xx."""
    return status == expected or (expected == 200 and 200 <= status < 300)  # noqa: PLR2004
