"""Find the hub that a command addresses, and connect to it."""

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ultraviolet.cli.support.api import Api
from ultraviolet.command_text import command as line
from ultraviolet.errors import HubUnreachableError, UnauthenticatedError


class HubAddress(NamedTuple):
    """Which hub is meant, as far as the command line and the environment say."""

    url: str | None
    key: str | None
    data: Path


if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import AppTransport


class RunningHub(msgspec.Struct, frozen=True):
    """What a running hub leaves in its data directory for the command line."""

    url: str
    pid: int
    key: str


def connect(where: HubAddress) -> Api:
    """Choose the way to the hub."""
    from ultraviolet.cli.support.transports import HttpTransport

    running = find_running(where.data)
    if where.url is not None:
        same = running is not None and running.url.rstrip("/") == where.url.rstrip("/")
        key = where.key or (running.key if same and running else None)
        if key is None:
            raise UnauthenticatedError(
                f"Give an API key of {where.url} with --key or ULTRAVIOLET_KEY."
            )
        return Api(HttpTransport(where.url, key))
    if running is not None:
        return Api(HttpTransport(running.url, where.key or running.key))
    return Api(in_process(where.data))


def find_running(data: Path) -> RunningHub | None:
    """Read hub.json, believing it only while its process lives."""
    try:
        running = msgspec.json.decode((data / "hub.json").read_bytes(), type=RunningHub)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return running if _alive(running.pid) else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Someone else's process: alive all the same.
        return True
    return True


def in_process(data: Path) -> "AppTransport":
    """Open the hub's database and run its application in this process for one command.

    Nothing but what the command asks for is done: no controller runs, and no process is left behind.
    """
    if not (data / "hub.db").exists() and "ULTRAVIOLET_DATABASE_URL" not in os.environ:
        # A command must not leave a new, empty hub behind wherever it happens to be run.
        raise HubUnreachableError(
            f"No hub is on {data}. Start one with `{line('serve', data=str(data))}`."
        )
    from ultraviolet import log_config
    from ultraviolet.cli.support.transports import AppTransport
    from ultraviolet.hub.accounts import api_keys
    from ultraviolet.hub.core.encryption import new_token
    from ultraviolet.hub.core.settings import Settings
    from ultraviolet.hub.hub import Hub
    from ultraviolet.web.app import create_app

    log_config.configure(logging.WARNING)
    settings = Settings.from_environment(data=data, public_url="http://127.0.0.1:8000")
    hub = Hub.open(settings, one_off=True)
    key = new_token("uvk")
    # Named after the process, because commands that work on a database side by side have a key each.
    name = f"command line on {socket.gethostname()}, process {os.getpid()}"
    hub.database.write_now(api_keys.set_key, name, "admin", key)

    def close() -> None:
        try:
            hub.database.write_now(api_keys.delete_key_by_token, key)
        finally:
            hub.close()

    return AppTransport(create_app(hub), key, close)
