"""The local ION as a process: store, deliveries, plant and HTTP server."""

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

from ultraviolet.asgi import HeadAsGet
from ultraviolet.codecs import prepare_codecs
from ultraviolet.errors import InvalidError
from ultraviolet.file_lock import lock_folder
from ultraviolet.files import ensure_private_dir
from ultraviolet.http_protocol import Limits, make_protocol, raise_open_files_limit
from ultraviolet.ion.contract.derive import Version
from ultraviolet.local_ion.auth.oauth import Tokens
from ultraviolet.local_ion.auth.viewers import (
    Credentials,
    credentials_from_environment,
    ensure_first_key,
)
from ultraviolet.local_ion.control.api import ControlState
from ultraviolet.local_ion.control.snapshots import Snapshots
from ultraviolet.local_ion.faults.clock import Clock
from ultraviolet.local_ion.faults.deliveries import DeliveryFaults
from ultraviolet.local_ion.faults.http import ConnectionProtocol, HttpFaultMiddleware
from ultraviolet.local_ion.faults.registry import FaultRegistry
from ultraviolet.local_ion.faults.schema import SchemaFaults
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.http.app import AppState, create_app
from ultraviolet.local_ion.http.tls import Certificates, ensure_certificates
from ultraviolet.local_ion.plant.pacing import PlantStoppedError
from ultraviolet.local_ion.plant.simulator import PlantSimulator, SetupMarker
from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.sandbox.loader import copy_into
from ultraviolet.local_ion.webhooks.outbox import Outbox
from ultraviolet.local_ion.webhooks.sender import DeliveryService, log_failure
from ultraviolet.process import end_with_input, force_exit_after, freeze_startup_objects

GRAPHQL_THREADS = 8
MAX_SHUTDOWN_SECONDS = 8
"""Less than the ten seconds that a container has by default."""
SOCKET_BACKLOG = 2048
ADDRESS_FILE = "local-ion.json"
"""The file in the data directory with the address of the running local ION."""
_FILES = (
    "ion.db*",
    f"{ADDRESS_FILE}*",
    "token-key.pem",
    "ion.lock",
    "plant.begun",
    "plant.done",
    "files",
    "loading",
    "snapshots",
    "tls",
)
"""The files that a local ION writes into its data directory."""


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a local ION."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 8100
    size: str = "small"
    seed: int = 1
    changes_per_second: float = 0.0
    no_quirk: tuple[str, ...] = ()
    api: Version = "all"
    token_lifetime: int = 300
    plant: bool = True
    tls: bool = False
    time_limit: float = 30.0
    from_file: Path | None = None

    @property
    def url(self) -> str:
        """The URL to open in a browser on this machine."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104  compared, not bound
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


class _Server(uvicorn.Server):
    """Limits the duration of a shutdown; an unreachable receiver must not delay it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server."""
        await super().startup(sockets)
        freeze_startup_objects()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start the shutdown."""
        force_exit_after(MAX_SHUTDOWN_SECONDS)
        super().handle_exit(sig, frame)


class LocalIonServer:
    """The parts of a running local ION."""

    def __init__(self, options: ServeOptions, configured: Credentials | None) -> None:
        prepare_codecs()
        self.options = options
        quirks = Quirks.without(options.no_quirk)
        options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.marker = SetupMarker(options.data)
        self.marker.remove_incomplete_plant()
        self.faults = FaultRegistry()
        clock = Clock(self.faults)
        self.ion = LocalIon(options.data, clock.now_text, quirks, options.api)
        self.ion.store.files.base_url = options.url
        self._stop = threading.Event()
        self.simulator = PlantSimulator(
            self.ion,
            self.marker,
            self._stop,
            size=options.size,
            seed=options.seed,
            changes_per_second=options.changes_per_second,
        )
        self.credentials = ensure_first_key(self.ion.store, configured)
        self._threads = ThreadPoolExecutor(GRAPHQL_THREADS, thread_name_prefix="graphql")

        def create_outbox() -> Outbox:
            return Outbox(self.ion.store, quirks)

        plan = DeliveryFaults(self.faults, self.ion.store).plan
        self.deliveries = DeliveryService(create_outbox, plan)
        self.snapshots = Snapshots(self.ion, options.data / "snapshots")
        self.control = ControlState(
            self.simulator,
            self.faults,
            SchemaFaults(self.ion.schema, self.faults),
            self.deliveries,
            self.snapshots,
            self.ion.action_rules.executions,
        )
        tokens = Tokens.from_data(
            options.data,
            issuer=f"{options.url}/realms/api-keys",
            lifetime_seconds=options.token_lifetime,
            clock=clock.now,
        )
        self.app_state = AppState(self.ion, tokens, self._threads, self.control)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: Litestar) -> AsyncGenerator[None]:
        """Run the deliveries and the plant while the server serves."""
        self.ion.on_commit = self.deliveries.wake
        await self.deliveries.start()
        plant = asyncio.create_task(self._run_plant())
        plant.add_done_callback(log_failure)
        try:
            yield
        finally:
            self._stop.set()
            await self.deliveries.stop()
            await asyncio.gather(plant, return_exceptions=True)
            self._threads.shutdown()
            self.ion.close()

    async def _run_plant(self) -> None:
        if self.options.plant:
            try:
                if not self.marker.finished:
                    await asyncio.to_thread(self.simulator.set_up)
                if not self.snapshots.has_plant:
                    await asyncio.to_thread(self.snapshots.save_plant)
            except PlantStoppedError:
                return
        self.control.ready = True
        if self.options.plant:
            await asyncio.to_thread(self.simulator.run)


def serve(options: ServeOptions) -> None:
    """Run a local ION until SIGTERM or SIGINT.

    ION_CLIENT_ID and ION_CLIENT_SECRET set its credentials.
    """
    end_with_input()
    prepare_folder(options.data)
    if options.from_file is not None:
        copy_into(options.data, options.from_file)
    raise_open_files_limit()
    with (
        lock_folder(options.data, "ion.lock", "The local ION") as write_url,
        open_listener(options.host, options.port) as listener,
    ):
        options = msgspec.structs.replace(options, port=listener.getsockname()[1])
        write_url(options.url)
        local_ion = LocalIonServer(options, credentials_from_environment(os.environ))
        app = create_app(local_ion.app_state, lifespan=[local_ion.lifespan])
        tls = ensure_certificates(options.data / "tls", options.host) if options.tls else None
        config = uvicorn.Config(
            HttpFaultMiddleware(HeadAsGet(app), local_ion.faults, options.time_limit),
            http=make_protocol(Limits(), ConnectionProtocol),
            ws="none",
            log_level="warning",
            log_config=None,  # as set up for the whole process
            access_log=False,
            date_header=False,  # the middleware sends the time of this ION's clock
            ssl_certfile=tls and tls.certificate,
            ssl_keyfile=tls and tls.key,
        )
        server = _Server(config)
        # uvicorn re-raises the signal after it stopped; a regular exit must not end by signal.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        announce(options, local_ion.credentials, tls)
        server.run(sockets=[listener])


def prepare_folder(data: Path) -> None:
    """Create the data directory, readable by its owner only."""
    ensure_private_dir(data, _FILES)


def open_listener(host: str, port: int) -> socket.socket:
    """Listen on a port, any free one for 0; raise InvalidError if the port is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=SOCKET_BACKLOG)
    except OSError as error:
        raise InvalidError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another --port."
        ) from error


def announce(
    options: ServeOptions, credentials: Credentials | None, tls: Certificates | None
) -> None:
    """Print the URLs and new credentials; write the address to a file."""
    lines = [
        f"Local ION      {options.url}/home   (query runner {options.url}/)",
        f"GraphQL        {options.url}/graphql",
        f"Auth server    {options.url}",
    ]
    if tls is not None:
        authority = tls.authority.resolve()
        lines.append(f"Authority      {authority}   (REQUESTS_CA_BUNDLE, ULTRAVIOLET_CA_FILE)")
    if credentials is not None:
        lines += [
            f"Client id      {credentials.client_id}",
            f"Client secret  {credentials.client_secret}   (shown only once)",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    address = msgspec.json.encode({"url": options.url, "pid": os.getpid()})
    new_file = options.data / f"{ADDRESS_FILE}.new"
    new_file.write_bytes(address)
    new_file.replace(options.data / ADDRESS_FILE)
