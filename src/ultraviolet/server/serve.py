"""Serve the hub: API keys of the process, first sign-in link, and the `hub.json` file for the CLI."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import msgspec
import stamina
import structlog
import uvicorn
from sqlalchemy import Connection

from ultraviolet import tracing
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.db.engine import make_engine, parse_url
from ultraviolet.db.locks import lock
from ultraviolet.errors import InvalidError
from ultraviolet.file_lock import lock_folder
from ultraviolet.http_protocol import (
    ConnectionCounter,
    Limits,
    make_protocol,
    raise_open_files_limit,
)
from ultraviolet.hub.accounts import api_keys, sessions, users
from ultraviolet.hub.core.encryption import new_token
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.runtime.leases import Role
from ultraviolet.process import end_with_input, force_exit_after, freeze_startup_objects
from ultraviolet.server import sd_notify
from ultraviolet.server.hub_files import database_elsewhere, hub_files
from ultraviolet.server.supervisor import (
    MAX_SHUTDOWN_SECONDS,
    Supervisor,
    hand_over,
    listen,
    own_command,
    replaces_on_sighup,
    systemd_socket,
)
from ultraviolet.web.app import create_app
from ultraviolet.web.webhook_endpoint import WebhookEndpoint

DATABASE_TIMEOUT_SECONDS = 60
"""A starting hub waits this long for its database."""
_POLL_INTERVAL_SECONDS = 0.05
_DRAIN_SECONDS = 1.0
"""Open connections may send a last request during this time before they are closed."""

_LOOPBACK_HOSTS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  compared, not bound

log = structlog.get_logger()


class ServeOptions(msgspec.Struct, frozen=True):
    """Address, data folder and role of this process."""

    host: str = "127.0.0.1"
    port: int = 8000
    data: Path = Path("ultraviolet-data")
    role: Role = "all"
    workers: int = 1
    fd: int | None = None
    """A listening socket, inherited from the supervisor or from systemd."""

    @property
    def url(self) -> str:
        """The URL the hub listens on."""
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def near(self) -> str:
        """The URL on this machine, also if the hub listens on all addresses."""
        return f"http://{_bracketed(_LOOPBACK_HOSTS.get(self.host, self.host))}:{self.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Server(uvicorn.Server):
    """Closes live streams on shutdown, so that they do not block it, and stops with its supervisor."""

    def __init__(self, config: uvicorn.Config, hub: Hub, kept: int, *, supervised: bool) -> None:
        super().__init__(config)
        self._kept = kept
        self._hub = hub
        self._parent = os.getppid() if supervised else None
        self._replace = False
        self.hands_over = False
        """Whether the process re-executes itself with its socket after shutdown."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the server and report readiness."""
        await super().startup(sockets)
        freeze_startup_objects()
        sd_notify.notify("READY=1")

    async def on_tick(self, counter: int) -> bool:
        """Also check whether the supervisor is alive and whether a replacement is requested."""
        orphaned = self._parent is not None and os.getppid() != self._parent
        if self._replace:
            self._replace = False
            program = (sys.executable, "-c", f"import {__name__}")
            loads = await (await asyncio.create_subprocess_exec(*program)).wait() == 0
            if not loads:
                log.error("process.not_replaced", process=os.getpid())
            self.hands_over = loads and not self.should_exit
        return await super().on_tick(counter) or orphaned or self.hands_over

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting connections, close open ones after their requests, then shut down uvicorn."""
        if not self.hands_over:
            sd_notify.notify("STOPPING=1")
        self._hub.changes.close()
        for server in self.servers:
            server.close()
        if not self.hands_over:  # new connections fail at once instead of waiting in vain
            for listening in sockets or []:
                listening.close()
            os.close(self._kept)
        self.server_state.default_headers = [
            *self.server_state.default_headers,
            (b"connection", b"close"),
        ]
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.server_state.connections and time.monotonic() < deadline:  # noqa: ASYNC110  uvicorn has no event for it
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Shut down; force the exit after a time limit."""
        force_exit_after(MAX_SHUTDOWN_SECONDS)
        super().handle_exit(sig, frame)

    def replace(self, _number: int, _frame: FrameType | None) -> None:
        """Request a re-exec of the program on disk, if it can be loaded."""
        self._replace = True


def serve(options: ServeOptions) -> None:
    """Run the hub until a signal stops it."""
    end_with_input()
    settings = Settings.from_environment(data=options.data, public_url=options.url)
    with ExitStack() as stack:
        if not _is_postgresql(settings):  # two hubs would share one SQLite database
            announce = stack.enter_context(lock_folder(settings.data, "hub.lock", "The hub"))
            announce(options.near)
            if database := database_elsewhere(settings.data, settings.database_url):
                locked = lock_folder(database.parent, f"{database.name}.lock", "The hub")
                stack.enter_context(locked)(options.near)
        _serve(options, settings)


def _serve(options: ServeOptions, settings: Settings) -> None:
    # Listen before the hub is announced, so that early connections wait instead of failing.
    fd = systemd_socket() if options.fd is None else options.fd
    listening = listen(options.host, options.port) if fd is None else socket.socket(fileno=fd)
    if options.workers > 1:
        _supervise(options, settings, listening)
        return
    raise_open_files_limit()
    tracing.start()
    hub = _open_hub(settings, options.role)
    sources = ConnectionCounter(settings.connections_per_source, settings.trusted_proxies)
    application = create_app(hub)
    # Deliveries are answered without ASGI, unless they are traced or have a path prefix.
    shortcut = None
    if isinstance(application, WebhookEndpoint) and not tracing.is_enabled():
        shortcut = application.accept
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=make_protocol(Limits(sources), shortcut=shortcut),
        ws="none",
        access_log=False,
        log_level="warning",
        log_config=None,  # configured for the whole process
        server_header=False,
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=5,
    )
    kept = os.dup(listening.fileno())
    server = _Server(config, hub, kept, supervised=options.fd is not None)
    # uvicorn raises the signal again after shutdown; handle it to exit normally.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    if options.fd is not None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # handled by the supervisor
    else:
        signal.signal(signal.SIGHUP, server.replace if replaces_on_sighup() else server.handle_exit)
    with nullcontext() if options.fd is not None else announced(hub, options.near):
        try:
            server.run([listening])
        finally:
            hub.close()
            tracing.stop()
    if server.hands_over and not server.should_exit:
        hand_over(kept)


def _is_postgresql(settings: Settings) -> bool:
    return parse_url(settings.database_url).drivername.startswith("postgresql")


def _open_hub(settings: Settings, role: Role) -> Hub:
    """Open the hub, and wait for its database if that is still starting.

    Raise SecretKeyError if the secret key cannot decrypt the stored credentials.
    """
    # The first process of a container ignores SIGTERM without a handler.
    signal.signal(signal.SIGTERM, _exit_during_startup)
    for attempt in stamina.retry_context(
        on=StoreUnavailableError, timeout=DATABASE_TIMEOUT_SECONDS, attempts=None, wait_max=2
    ):
        with attempt:
            hub = Hub.open(settings, role)
            try:
                hub.database.read_now(webhook_urls.active_urls, hub.secrets)
            except Exception:
                hub.close()
                raise
            return hub
    raise AssertionError


def _exit_during_startup(_number: int, _frame: FrameType | None) -> None:
    force_exit_after(1)
    raise SystemExit(0)


def _supervise(options: ServeOptions, settings: Settings, listening: socket.socket) -> None:
    if not _is_postgresql(settings):
        raise InvalidError(
            "Several worker processes require PostgreSQL; a hub on SQLite runs as one process"
        )
    hub = _open_hub(settings, options.role)
    given = ["--host", options.host, "--port", str(options.port), "--data", str(options.data)]
    command = own_command("serve", *given, "--role", options.role, "--workers", "1")
    with announced(hub, options.near), listening:
        listening.set_inheritable(True)
        hub.close()
        freeze_startup_objects()
        Supervisor(command, options.workers, listening).run()


@contextmanager
def announced(hub: Hub, url: str) -> Generator[None]:
    """Print the URL of the hub, and write it to its files for the CLI."""
    key = new_token("uvk")
    link = hub.database.write_now(_prepare_access, hub, key)
    print(f"Ultraviolet: {url}", flush=True)  # noqa: T201  output for the terminal
    if link:
        print(f"Sign in (once, within 15 minutes): {url}/sign-in/{link}", flush=True)  # noqa: T201
    paths = hub_files(hub.data, hub.settings.database_url)
    for path in paths:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(msgspec.json.encode({"url": url, "pid": os.getpid(), "key": key}))
    try:
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
        database = Database(make_engine(hub.settings.database_url))  # that of the hub is closed
        try:
            database.write_now(api_keys.delete_key_by_token, key)
        except StoreUnavailableError as error:
            log.warning("process.key_kept", error=str(error))
        finally:
            database.close()


def _prepare_access(connection: Connection, hub: Hub, key: str) -> str | None:
    """Create the API keys of this process; return a sign-in link if no one has signed in yet."""
    lock(connection, "migration")
    # One key per host and data folder.
    place = f"{users.COMMAND_LINE}{socket.gethostname()}:{hub.data}"
    api_keys.set_key(connection, place, "admin", key)
    if hub.settings.admin_key:
        api_keys.set_key(connection, "ULTRAVIOLET_ADMIN_KEY", "admin", hub.settings.admin_key)
    else:
        api_keys.delete_key(connection, "ULTRAVIOLET_ADMIN_KEY")
    people = users.list_users(connection)
    if any(person.last_sign_in_at for person in people):
        return None
    first = people[0] if people else users.create_user(connection, "first start", "admin", "admin")
    return sessions.create_sign_in_link(connection, first.id)
