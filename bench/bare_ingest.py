"""A minimal durable endpoint for deliveries, the baseline of `ingest`.

`python -m bench.bare_ingest DATABASE_URL` prints a URL for deliveries signed with SECRET. The
endpoint verifies the signature, decodes the envelope, and responds after the event is on disk. It
stores each event once, and commits waiting events together, in one thread. It has no webhook URLs,
limits, headers, statistics or errors of a database.
"""

import asyncio
import hmac
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

import msgspec
import uvicorn

from bench.hooks_server import SECRET
from ultraviolet.ion.signatures import SIGNATURE_HEADER
from ultraviolet.local_ion.server import open_listener
from ultraviolet.server.serve import freeze_startup_objects

Row = tuple[str, float, str, str, str, bytes]
"""Event id, time of receipt, resource, action, object id, body."""
Save = Callable[[list[Row]], None]

TABLE = "bare_events"
"""A PostgreSQL database of the benchmarks already has the tables of a hub."""
COLUMNS = "event_id, received_at, resource, action, object_id, body"
_TABLE = """CREATE TABLE IF NOT EXISTS {table} (seq {serial} PRIMARY KEY, event_id TEXT UNIQUE,
  received_at FLOAT, resource TEXT, action TEXT, object_id TEXT, body {bytes})"""
_SIGNATURE = SIGNATURE_HEADER.encode()
_KEY = SECRET.encode()
_OK_BODY = b'{"received":true}'
_OK = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_OK_BODY)).encode()),
    ],
}
_UNAUTHORIZED = {
    "type": "http.response.start",
    "status": 401,
    "headers": [(b"content-length", b"0")],
}


class Envelope(msgspec.Struct):
    """The fields that identify an event."""

    event_id: int
    resource: str
    action: str
    id: int


_decode_envelope = msgspec.json.Decoder(Envelope).decode


def sqlite_save(path: str) -> Save:
    """Return a function that commits rows to an SQLite file, each flushed to disk."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute(_TABLE.format(table=TABLE, serial="INTEGER", bytes="BLOB"))
    insert = f"INSERT OR IGNORE INTO {TABLE} ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"

    def save(rows: list[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(insert, rows)
        connection.execute("COMMIT")

    return save


def postgresql_save(url: str) -> Save:
    """Return a function that commits rows to PostgreSQL with one statement."""
    import psycopg  # noqa: PLC0415  loaded only for PostgreSQL

    connection = psycopg.connect(url, autocommit=True)
    connection.execute(_TABLE.format(table=TABLE, serial="BIGSERIAL", bytes="BYTEA").encode())
    insert = f"""INSERT INTO {TABLE} ({COLUMNS}) SELECT * FROM unnest(%s::text[], %s::float[],
      %s::text[], %s::text[], %s::text[], %s::bytea[]) ON CONFLICT DO NOTHING""".encode()

    def save(rows: list[Row]) -> None:
        connection.execute(insert, [list(column) for column in zip(*rows, strict=True)])

    return save


class Writer(threading.Thread):
    """Commits waiting rows together, and then resolves their futures."""

    def __init__(self, open_store: Callable[[], Save]) -> None:
        super().__init__(daemon=True)
        self._open_store = open_store
        self._loop = asyncio.get_running_loop()
        self._waiting: SimpleQueue[tuple[Row, asyncio.Future[None]]] = SimpleQueue()

    def add(self, row: Row) -> asyncio.Future[None]:
        """Commit a row with the next group."""
        future = self._loop.create_future()
        self._waiting.put((row, future))
        return future

    def run(self) -> None:
        """Commit groups until the process ends."""
        save = self._open_store()
        while True:
            group = [self._waiting.get()]
            with suppress(Empty):
                while True:
                    group.append(self._waiting.get_nowait())
            save([row for row, _ in group])
            self._loop.call_soon_threadsafe(self._resolve, [future for _, future in group])

    @staticmethod
    def _resolve(futures: list[asyncio.Future[None]]) -> None:
        for future in futures:
            future.set_result(None)


class BareEndpoint:
    """The ASGI application."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Store one delivery."""
        message = await receive()
        body = message["body"]
        while message["more_body"]:
            message = await receive()
            body += message["body"]
        signature = b""
        for name, value in scope["headers"]:
            if name == _SIGNATURE:
                signature = value
        expected = hmac.digest(_KEY, body, "sha256").hex().encode()
        if not hmac.compare_digest(expected, signature):
            await send(_UNAUTHORIZED)
            await send({"type": "http.response.body", "body": b""})
            return
        event = _decode_envelope(body)
        await self._writer.add(
            (str(event.event_id), time.time(), event.resource, event.action, str(event.id), body)
        )
        await send(_OK)
        await send({"type": "http.response.body", "body": _OK_BODY})


async def _serve(database: str) -> None:
    parts = urlsplit(database)
    if parts.scheme == "sqlite":
        writer = Writer(lambda: sqlite_save(parts.path[1:]))
    else:
        writer = Writer(lambda: postgresql_save(database))
    writer.start()
    freeze_startup_objects()
    with open_listener("127.0.0.1", 0) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/hooks/bare", flush=True)
        config = uvicorn.Config(
            BareEndpoint(writer),
            lifespan="off",
            log_level="warning",
            access_log=False,
            http="httptools",
        )
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(sys.argv[1]))
