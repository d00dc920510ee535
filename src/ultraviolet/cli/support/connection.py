"""Find the hub that a command addresses, and connect to it."""

import logging
import os
import socket
from pathlib import Path
from typing import NamedTuple

import msgspec

from ultraviolet.cli.support.api import Api
from ultraviolet.command_text import command as line
from ultraviolet.errors import HubUnreachableError, UnauthenticatedError


class HubAddress(NamedTuple):
    """The hub that the options and the environment address."""

    url: str | None
    key: str | None
    data: Path


class RunningHub(msgspec.Struct, frozen=True):
    """The content of hub.json, by which commands find a running hub."""

    url: str
    pid: int
    key: str


def connect(address: HubAddress) -> Api:
    """Return a client of the addressed hub: over HTTP if it runs, else in this process."""
    running = find_running(address.data)
    if address.url is not None:
        same = running is not None and running.url.rstrip("/") == address.url.rstrip("/")
        key = address.key or (running.key if same and running else None)
        if key is None:
            raise UnauthenticatedError(
                f"Set an API key of {address.url} with --key or ULTRAVIOLET_KEY."
            )
        return Api(address.url, key)
    if running is not None:
        return Api(running.url, address.key or running.key)
    return in_process(address.data)


def find_running(data: Path) -> RunningHub | None:
    """Return the content of hub.json, None if its process has ended."""
    try:
        running = msgspec.json.decode((data / "hub.json").read_bytes(), type=RunningHub)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return running if _is_alive(running.pid) else None


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # a process of another user
    return True


def in_process(data: Path) -> Api:
    """Open the hub's database and run its application in this process for one command.

    No controllers run.
    """
    if not (data / "hub.db").exists() and "ULTRAVIOLET_DATABASE_URL" not in os.environ:
        # A command must not create an empty hub in the current directory.
        raise HubUnreachableError(
            f"No hub in {data}. Start one with `{line('serve', data=str(data))}`."
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
    # The name contains the process id: concurrent commands have separate keys.
    name = f"command line on {socket.gethostname()}, process {os.getpid()}"
    hub.database.write_now(api_keys.set_key, name, "admin", key)

    def close() -> None:
        try:
            hub.database.write_now(api_keys.delete_key_by_token, key)
        finally:
            hub.close()

    transport = AppTransport(create_app(hub), close)
    return Api("http://localhost", key, transport, transport.pause)
