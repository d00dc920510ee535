"""Messages between the processes of a hub on PostgreSQL (LISTEN and NOTIFY).

A message only makes another process check the tables sooner; a lost one costs a second at most.
Equal messages within a short time are sent once.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

import msgspec
import psycopg

from ultraviolet.hub.core.log_throttle import OutageLog
from ultraviolet.hub.core.periodic_task import PeriodicTask

_CHANNEL = "ultraviolet"
_SEND_INTERVAL_SECONDS = 0.05
"""Signals within this time are sent as one message."""
_MAX_SIGNALS = 25
"""Number of signals in a message; PostgreSQL limits a payload to 8,000 bytes."""
_RECONNECT_SECONDS = 1.0

Signal = tuple[str, int]
"""A kind and the id of an integration."""


class _Message(msgspec.Struct, array_like=True, frozen=True):
    sender: str
    signals: list[Signal]


class PgNotify:
    """Sends signals to the other processes and receives theirs."""

    def __init__(self, address: str, receive: Callable[[str, int], None]) -> None:
        self._address = address
        self._receive = receive
        self._name = uuid.uuid4().hex
        self._queue: dict[Signal, None] = {}
        self._has_signals = asyncio.Event()
        self._tasks = [
            PeriodicTask(f"messages-{number}", partial(self._connect, work), _RECONNECT_SECONDS)
            for number, work in enumerate((self._send, self._listen))
        ]
        self._outage = OutageLog("messages.interrupted", "messages.go_on")

    def send(self, kind: str, integration_id: int) -> None:
        """Send a signal to the other processes soon."""
        self._queue[kind, integration_id] = None
        self._has_signals.set()

    def start(self) -> None:
        """Start sending and listening."""
        for task in self._tasks:
            task.start()

    async def stop(self) -> None:
        """Stop sending and listening."""
        await asyncio.gather(*(task.stop() for task in self._tasks))

    async def _connect(self, work: Callable[[psycopg.AsyncConnection], Awaitable[None]]) -> None:
        """Connect and work until the connection is lost."""
        try:
            async with await psycopg.AsyncConnection.connect(
                self._address, autocommit=True, application_name="ultraviolet messages"
            ) as connection:
                # A message need not wait for the disk.
                await connection.execute("SET synchronous_commit = off")
                self._outage.record_success()
                await work(connection)
        except psycopg.Error as error:
            self._outage.record_failure(error)

    async def _send(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            await self._has_signals.wait()
            self._has_signals.clear()
            signals = list(self._queue)[:_MAX_SIGNALS]
            for signal in signals:
                del self._queue[signal]
            if self._queue:
                self._has_signals.set()
            payload = msgspec.json.encode(_Message(self._name, signals)).decode()
            await connection.execute("SELECT pg_notify(%s, %s)", [_CHANNEL, payload])
            await asyncio.sleep(_SEND_INTERVAL_SECONDS)

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        await connection.execute(f"LISTEN {_CHANNEL}")
        async for notice in connection.notifies():
            with suppress(msgspec.DecodeError):  # another application uses the channel
                message = msgspec.json.decode(notice.payload, type=_Message)
                if message.sender != self._name:
                    for kind, integration_id in message.signals:
                        self._receive(kind, integration_id)
