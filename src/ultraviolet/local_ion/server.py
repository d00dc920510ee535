"""The local ION as a process: its data, deliveries, plant and HTTP server, started and stopped together."""

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import structlog
import uvicorn
from litestar import Litestar

from ultraviolet.local_ion.app import Edge, create_app
from ultraviolet.local_ion.callers import Credentials, credentials_of, first_key
from ultraviolet.local_ion.delivery import Sender
from ultraviolet.local_ion.factory.live import StoppedError
from ultraviolet.local_ion.factory.works import SetUpMark, Works
from ultraviolet.local_ion.ledger import WebhookLedger
from ultraviolet.local_ion.oauth import Tokens
from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.schema import LocalIon

log = structlog.get_logger()

THREADS = 8


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to run a local ION."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8100
    size: str = "small"
    seed: int = 1
    changes_per_second: float = 0.0
    no_quirk: tuple[str, ...] = ()
    token_lifetime: int = 300
    plant: bool = True

    @property
    def url(self) -> str:
        """The address to open in a browser on this machine."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104  compared, not bound
        return f"http://{host}:{self.port}"


class Process:
    """Everything one local ION runs beside its HTTP server."""

    def __init__(self, options: ServeOptions, given: Credentials | None) -> None:
        self.options = options
        self.quirks = Quirks.without(options.no_quirk)
        options.data.mkdir(parents=True, exist_ok=True)
        mark = SetUpMark(options.data)
        mark.clear_away()
        self.ion = LocalIon(options.data)
        self.ion.store.files.base = options.url
        self._stop = threading.Event()
        self.works = Works(
            self.ion,
            mark,
            self._stop,
            size=options.size,
            seed=options.seed,
            changes_per_second=options.changes_per_second,
        )
        self.credentials = first_key(self.ion.store, given)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="graphql")
        issuer = f"{options.url}/realms/api-keys"
        tokens = Tokens.from_data(options.data, issuer=issuer, lifetime=options.token_lifetime)
        self.edge = Edge(self.ion, tokens, self._threads, self.works)

    @contextlib.asynccontextmanager
    async def running(self, _: Litestar) -> AsyncGenerator[None]:
        """Deliver, set up the plant and keep it working, for as long as the server serves."""
        sender = Sender(WebhookLedger(self.ion.store, self.quirks))
        self.ion.on_commit = sender.wake
        delivering = asyncio.create_task(sender.run())
        working = asyncio.create_task(self._plant())
        for task in (delivering, working):
            task.add_done_callback(_complain)
        try:
            yield
        finally:
            self._stop.set()
            delivering.cancel()
            await asyncio.gather(delivering, working, return_exceptions=True)
            self._threads.shutdown()
            self.ion.close()

    async def _plant(self) -> None:
        if self.options.plant:
            try:
                await asyncio.to_thread(self.works.fill)
            except StoppedError:
                return
        self.edge.ready = True
        if self.options.plant:
            await asyncio.to_thread(self.works.work)


def serve(options: ServeOptions) -> None:
    """Run a local ION until SIGTERM or SIGINT; credentials are fixed by ION_CLIENT_ID and ION_CLIENT_SECRET."""
    process = Process(options, credentials_of(os.environ))
    app = create_app(process.edge, lifespan=[process.running])
    server = uvicorn.Server(
        uvicorn.Config(app, host=options.host, port=options.port, log_level="warning", access_log=False)
    )
    # uvicorn raises the signal again once it has stopped; an orderly end is not a death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    announce(options, process.credentials)
    server.run()


def announce(options: ServeOptions, credentials: Credentials | None) -> None:
    """Say once where everything is, and the credentials if they were made just now."""
    lines = [
        f"Local ION      {options.url}/home   (query runner {options.url}/)",
        f"GraphQL        {options.url}/graphql",
        f"Auth server    {options.url}",
    ]
    if credentials is not None:
        lines += [
            f"Client id      {credentials.client_id}",
            f"Client secret  {credentials.client_secret}   (shown only now)",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("local_ion.failed", error=str(error), exc_info=error)
