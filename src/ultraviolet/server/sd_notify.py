"""Telling whoever started this process that it is ready, as systemd understands it; supervisors here listen the same way."""

import os
import socket
from contextlib import suppress
from pathlib import Path

_VARIABLE = "NOTIFY_SOCKET"


def notify(state: str) -> None:
    """Say READY=1 or STOPPING=1 for this process; nothing where nobody wants to know."""
    address = os.environ.get(_VARIABLE, "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaks, suppress(OSError):
            abstract = "\0" + address[1:] if address.startswith("@") else address
            speaks.sendto(f"{state}\nMAINPID={os.getpid()}".encode(), abstract)


class Listener:
    """Hears which processes are ready."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ready"
        self._hears = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._hears.bind(str(self._path))
        self._hears.setblocking(False)
        self._ready: set[int] = set()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to tell it here."""
        return {_VARIABLE: str(self._path)}

    def is_ready(self, process: int) -> bool:
        """Return whether a process has said so."""
        with suppress(BlockingIOError):
            while True:
                said = dict(
                    line.split("=", 1) for line in self._hears.recv(1000).decode().splitlines()
                )
                if said.get("READY") == "1":
                    self._ready.add(int(said["MAINPID"]))
        return process in self._ready

    def close(self) -> None:
        """Hear nothing more."""
        self._hears.close()
