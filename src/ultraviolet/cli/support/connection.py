"""Find the hub that a command addresses, and connect to it."""

import logging
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ultraviolet.cli.support import contexts
from ultraviolet.command_text import command as line
from ultraviolet.errors import HubUnreachableError, UltravioletError, UnauthenticatedError
from ultraviolet.server.hub_files import hub_files

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

DATA = Path("ultraviolet-data")


class HubAddress(NamedTuple):
    """The addressed hub; `context` is the context that it is from."""

    url: str | None
    key: str | None
    data: Path
    context: str | None = None

    def __str__(self) -> str:
        """Return the context with its hub, for error messages."""
        return f"context {self.context} ({self.url or self.data})"


class RunningHub(msgspec.Struct, frozen=True):
    """The content of hub.json, by which commands find a running hub."""

    url: str
    pid: int
    key: str


def resolve(url: str | None, key: str | None, data: Path | None) -> HubAddress:
    """Return the hub of the options and the environment, else of the current context."""
    stored = contexts.Contexts()
    if url is None and data is None and "ULTRAVIOLET_DATABASE_URL" not in os.environ:
        stored = contexts.load()
    if stored.current is None:
        return HubAddress(url, key, data or DATA)
    context = stored.get(stored.current)
    directory = Path(context.data) if context.data else DATA
    return HubAddress(context.url, key or context.key, directory, stored.current)


def connect(address: HubAddress) -> "Api":
    """Return a client of the addressed hub: over HTTP if it runs, else in this process."""
    from ultraviolet.cli.support.transports import Api

    url, key = find_url_and_key(address)
    if url is None:
        return in_process(address.data)
    if key is None:
        raise UnauthenticatedError(f"Set an API key of {url} with --key or ULTRAVIOLET_KEY.")
    return Api(url, key)


def find_url_and_key(address: HubAddress) -> tuple[str | None, str | None]:
    """Return the address of the hub, None if none runs, and its key, None if it is unknown."""
    running = find_running(address.data, os.environ.get("ULTRAVIOLET_DATABASE_URL"))
    url = address.url or (running.url if running else None)
    same = running is not None and url is not None and running.url.rstrip("/") == url.rstrip("/")
    return url, address.key or (running.key if running and same else None)


def find_running(data: Path, database_url: str | None = None) -> RunningHub | None:
    """Return the content of hub.json, None if no hub runs with this data folder or database."""
    found = map(_read_running, hub_files(data, database_url))
    return next((running for running in found if running), None)


def _read_running(file: Path) -> RunningHub | None:
    """Return the content of a hub.json; None if its process has ended."""
    try:
        running = msgspec.json.decode(file.read_bytes(), type=RunningHub)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    try:
        os.kill(running.pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return running  # a process of another user
    return running


def require_hub(data: Path) -> None:
    """Raise HubUnreachableError without a hub in the directory: no command must create one there."""
    if not (data / "hub.db").exists() and "ULTRAVIOLET_DATABASE_URL" not in os.environ:
        raise HubUnreachableError(
            f"No hub in {data}. Name the directory of a hub with --data,"
            f" or start one with `{line('serve', data=str(data))}`."
        )


@contextmanager
def naming_context(address: HubAddress) -> Generator[None]:
    """Name the context in errors, if the address is from one."""
    try:
        yield
    except UltravioletError as error:
        if address.context:
            error.add_note(f"The command used the {address}.")
        raise


def in_process(data: Path) -> "Api":
    """Open the hub's database and run its application in this process for one command.

    No controllers run.
    """
    require_hub(data)
    from ultraviolet import log_config
    from ultraviolet.cli.support.transports import Api, AppTransport
    from ultraviolet.hub.accounts import api_keys, users
    from ultraviolet.hub.core.encryption import new_token
    from ultraviolet.hub.core.settings import Settings
    from ultraviolet.hub.hub import Hub
    from ultraviolet.web.app import create_app

    log_config.configure(logging.ERROR, readable=True)
    settings = Settings.from_environment(data=data, public_url="")
    hub = Hub.open(settings, one_off=True)
    key = new_token("uvk")
    # The name contains the process id: concurrent commands have separate keys.
    name = f"{users.COMMAND_LINE}{socket.gethostname()}, process {os.getpid()}"
    hub.database.write_now(api_keys.set_key, name, "admin", key)

    def close() -> None:
        try:
            hub.database.write_now(api_keys.delete_key_by_token, key)
        finally:
            hub.close()

    transport = AppTransport(create_app(hub, pages=False), close)
    return Api("http://localhost", key, transport, transport.pause)
