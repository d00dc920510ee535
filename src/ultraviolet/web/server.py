"""The hub as a process: its keys, the first sign-in link, and the file that tells the command line where it runs."""

import os
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import uvicorn
from sqlalchemy import Connection

from ultraviolet.hub import access
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.secrets import new_token
from ultraviolet.hub.settings import Settings
from ultraviolet.web.app import create_app


class ServeOptions(msgspec.Struct, frozen=True):
    """Where to listen and where the data is."""

    host: str = "127.0.0.1"
    port: int = 8000
    data: Path = Path("ultraviolet-data")


class _Server(uvicorn.Server):
    """Ends the live streams when asked to stop; they would otherwise hold the process."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let the streams end, then close as uvicorn does."""
        self._hub.changes.close()
        await super().shutdown(sockets)


def serve(options: ServeOptions) -> None:
    """Run the hub until it is told to stop."""
    settings = Settings.from_environment(
        data=options.data, public_url=f"http://{options.host}:{options.port}"
    )
    hub = Hub.open(settings)
    config = uvicorn.Config(
        create_app(hub),
        host=options.host,
        port=options.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, hub)
    # uvicorn raises the signal again once it has stopped; an orderly end is not a death by signal.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)
    with announced(hub, f"http://{options.host}:{options.port}"):
        try:
            server.run()
        finally:
            hub.close()


@contextmanager
def announced(hub: Hub, url: str) -> Generator[None]:
    """Say where the hub is: to people on the terminal, to the command line in DATA/hub.json."""
    key = new_token("uvk")
    link = hub.store.write_now(lambda connection: _prepare(connection, hub, key))
    print(f"Ultraviolet: {url}", flush=True)  # noqa: T201  the terminal is this function's reader
    if link:
        print(f"Sign in (once, within 15 minutes): {url}/sign-in/{link}", flush=True)  # noqa: T201
    path = hub.data / "hub.json"
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode({"url": url, "pid": os.getpid(), "key": key}))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _prepare(connection: Connection, hub: Hub, key: str) -> str | None:
    """Set the keys of this process; give a sign-in link where nobody could sign in yet."""
    access.set_key(connection, "command line", "admin", key)
    if hub.settings.admin_key:
        access.set_key(connection, "ULTRAVIOLET_ADMIN_KEY", "admin", hub.settings.admin_key)
    else:
        access.drop_key(connection, "ULTRAVIOLET_ADMIN_KEY")
    people = access.list_users(connection)
    if any(person.last_sign_in_at for person in people):
        return None
    first = people[0] if people else access.create_user(connection, "first start", "admin", "admin")
    return access.create_sign_in_link(connection, first.id)
