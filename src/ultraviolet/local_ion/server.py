"""The local ION as a process: its data, deliveries, plant and HTTP server, started and stopped together."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn
from litestar import Litestar

from ultraviolet.errors import InvalidError
from ultraviolet.folders import own_folder
from ultraviolet.in_time import end_within
from ultraviolet.local_ion.auth.oauth import Tokens
from ultraviolet.local_ion.auth.viewers import Credentials, credentials_of, first_key
from ultraviolet.local_ion.control.snapshots import Snapshots
from ultraviolet.local_ion.faults.clock import Clock
from ultraviolet.local_ion.faults.deliveries import Misdelivery
from ultraviolet.local_ion.faults.http import Gateway, Protocol
from ultraviolet.local_ion.faults.registry import Faults
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.http.app import Edge, create_app
from ultraviolet.local_ion.http.tls import Certificates, certificates
from ultraviolet.local_ion.plant.activities import StoppedError
from ultraviolet.local_ion.plant.simulator import SetUpMark, Works
from ultraviolet.local_ion.webhooks.outbox import WebhookLedger
from ultraviolet.local_ion.webhooks.quirks import Quirks
from ultraviolet.local_ion.webhooks.sender import Deliveries, complain

THREADS = 8
_PATIENCE = 8
"""Seconds in which it has ended when told to; a container is given ten where nothing else is said."""
ADDRESS_FILE = "local-ion.json"
"""Where a running local ION says its address, in its data directory."""


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
    tls: bool = False
    time_limit: float = 30.0

    @property
    def url(self) -> str:
        """The address to open in a browser on this machine."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104  compared, not bound
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class _Server(uvicorn.Server):
    """Ends in time: a receiver whose name nobody knows any more holds it no longer than a stop may take."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End in order, or else in time."""
        end_within(_PATIENCE)
        super().handle_exit(sig, frame)


class Process:
    """Everything one local ION runs beside its HTTP server."""

    def __init__(self, options: ServeOptions, given: Credentials | None) -> None:
        self.options = options
        self.quirks = Quirks.without(options.no_quirk)
        options.data.mkdir(parents=True, exist_ok=True)
        self.mark = SetUpMark(options.data)
        self.mark.clear_away()
        self.faults = Faults()
        clock = Clock(self.faults)
        self.ion = LocalIon(options.data, clock.text)
        self.ion.store.files.base = options.url
        self._stop = threading.Event()
        self.works = Works(
            self.ion,
            self.mark,
            self._stop,
            size=options.size,
            seed=options.seed,
            changes_per_second=options.changes_per_second,
        )
        self.credentials = first_key(self.ion.store, given)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="graphql")
        issuer = f"{options.url}/realms/api-keys"
        tokens = Tokens.from_data(
            options.data, issuer=issuer, lifetime=options.token_lifetime, clock=clock.now
        )
        self.deliveries = Deliveries(
            lambda: WebhookLedger(self.ion.store, self.quirks), Misdelivery(self.faults, self.ion.store).plan
        )
        self.snapshots = Snapshots(self.ion, options.data / "snapshots")
        self.edge = Edge(
            self.ion, tokens, self._threads, self.works, self.faults, self.deliveries, self.snapshots
        )

    @contextlib.asynccontextmanager
    async def running(self, _: Litestar) -> AsyncGenerator[None]:
        """Deliver, set up the plant and keep it working, for as long as the server serves."""
        self.ion.on_commit = self.deliveries.wake
        await self.deliveries.start()
        working = asyncio.create_task(self._plant())
        working.add_done_callback(complain)
        try:
            yield
        finally:
            self._stop.set()
            await self.deliveries.stop()
            await asyncio.gather(working, return_exceptions=True)
            self._threads.shutdown()
            self.ion.close()

    async def _plant(self) -> None:
        if self.options.plant:
            try:
                await asyncio.to_thread(self._fill)
            except StoppedError:
                return
        self.edge.ready = True
        if self.options.plant:
            await asyncio.to_thread(self.works.work)

    def _fill(self) -> None:
        if not self.mark.done:
            self.works.fill()
            self.snapshots.keep_plant()


def serve(options: ServeOptions) -> None:
    """Run a local ION until SIGTERM or SIGINT; credentials are fixed by ION_CLIENT_ID and ION_CLIENT_SECRET."""
    own_folder(options.data)
    with listening(options.host, options.port) as listener:
        options = msgspec.structs.replace(options, port=listener.getsockname()[1])
        process = Process(options, credentials_of(os.environ))
        app = create_app(process.edge, lifespan=[process.running])
        found = certificates(options.data / "tls", options.host) if options.tls else None
        config = uvicorn.Config(
            Gateway(app, process.faults, options.time_limit),
            http=Protocol,
            log_level="warning",
            access_log=False,
            date_header=False,  # the gateway tells this ION's own time
            ssl_certfile=found and found.certificate,
            ssl_keyfile=found and found.key,
        )
        server = _Server(config)
        # uvicorn raises the signal again once it has stopped; an orderly end is not a death by signal.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        announce(options, process.credentials, found)
        server.run(sockets=[listener])


def listening(host: str, port: int) -> socket.socket:
    """Take a port, any free one for 0; raises InvalidError where it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise InvalidError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from error


def announce(options: ServeOptions, credentials: Credentials | None, found: Certificates | None) -> None:
    """Say once where everything is, and the credentials if they were made just now; leave the address in a file."""
    lines = [
        f"Local ION      {options.url}/home   (query runner {options.url}/)",
        f"GraphQL        {options.url}/graphql",
        f"Auth server    {options.url}",
    ]
    if found is not None:
        lines.append(
            f"Authority      {found.authority.resolve()}   (REQUESTS_CA_BUNDLE, ULTRAVIOLET_CA_FILE)"
        )
    if credentials is not None:
        lines += [
            f"Client id      {credentials.client_id}",
            f"Client secret  {credentials.client_secret}   (shown only now)",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    address = msgspec.json.encode({"url": options.url, "pid": os.getpid()})
    fresh = options.data / f"{ADDRESS_FILE}.new"
    fresh.write_bytes(address)
    fresh.replace(options.data / ADDRESS_FILE)
