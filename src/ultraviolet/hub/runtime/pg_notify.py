"""Messages between the processes of a hub on PostgreSQL (LISTEN and NOTIFY): that something of a kind happened.

They only make others look sooner; what is true is in the tables, so one that is lost costs a second at most.
What is said within a moment is said once.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import psycopg

from ultraviolet.hub.core.log_throttle import OutageLog

_CHANNEL = "ultraviolet"
_PAUSE = 0.05
"""Seconds between two messages of a process; what happens in between is one message."""
_AT_ONCE = 25
"""What one message says at most; PostgreSQL carries 8,000 bytes."""
_AGAIN_AFTER = 1.0

Handler = tuple[str, int]
"""A kind, and the integration it concerns."""


class _Message(msgspec.Struct, array_like=True, frozen=True):
    by: str
    said: list[Handler]


class PgNotify:
    """Carries what this process says to the others, and what they say to it."""

    def __init__(self, address: str, heard: Callable[[str, int], None]) -> None:
        self._address = address
        self._heard = heard
        self._name = uuid.uuid4().hex
        self._waiting: dict[Handler, None] = {}
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._complaint = OutageLog("messages.interrupted", "messages.go_on")

    def say(self, kind: str, integration_id: int) -> None:
        """Tell the others, soon."""
        self._waiting[kind, integration_id] = None
        self._something.set()

    def start(self) -> None:
        """Begin to speak and to listen."""
        self._tasks = [
            asyncio.create_task(self._forever(work), name=f"messages-{number}")
            for number, work in enumerate((self._speak, self._listen))
        ]

    async def stop(self) -> None:
        """Fall silent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forever(self, work: Callable[[psycopg.AsyncConnection], Awaitable[None]]) -> None:
        while True:
            try:
                async with await self._connect() as connection:
                    self._complaint.record_success()
                    await work(connection)
            except psycopg.Error as error:
                self._complaint.record_failure(error)
            await asyncio.sleep(_AGAIN_AFTER)

    async def _speak(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            said = list(self._waiting)[:_AT_ONCE]
            for one in said:
                del self._waiting[one]
            if self._waiting:
                self._something.set()
            payload = msgspec.json.encode(_Message(self._name, said)).decode()
            await connection.execute("SELECT pg_notify(%s, %s)", [_CHANNEL, payload])
            await asyncio.sleep(_PAUSE)

    async def _listen(self, connection: psycopg.AsyncConnection) -> None:
        await connection.execute(f"LISTEN {_CHANNEL}")
        async for notice in connection.notifies():
            with suppress(msgspec.DecodeError):  # somebody else's use of the channel
                message = msgspec.json.decode(notice.payload, type=_Message)
                if message.by != self._name:
                    for kind, integration_id in message.said:
                        self._heard(kind, integration_id)

    async def _connect(self) -> psycopg.AsyncConnection:
        connection = await psycopg.AsyncConnection.connect(
            self._address, autocommit=True, application_name="ultraviolet messages"
        )
        await connection.execute(
            "SET synchronous_commit = off"
        )  # a message need not wait for the disk
        return connection
