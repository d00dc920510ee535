"""Readiness notifications in the protocol of systemd, sent by the hub and received by the supervisor."""

import os
import socket
from contextlib import suppress
from pathlib import Path

_VARIABLE = "NOTIFY_SOCKET"


def notify(state: str) -> None:
    """Send READY=1 or STOPPING=1 for this process, if a notification socket is set."""
    address = os.environ.get(_VARIABLE, "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, suppress(OSError):
            abstract = "\0" + address[1:] if address.startswith("@") else address
            sender.sendto(f"{state}\nMAINPID={os.getpid()}".encode(), abstract)


class Listener:
    """Receives the readiness notifications of processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "ready"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._socket.setblocking(False)
        self._ready: set[int] = set()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of processes that notify this listener."""
        return {_VARIABLE: str(self._path)}

    def is_ready(self, process: int) -> bool:
        """Return whether a process has reported that it is ready."""
        with suppress(BlockingIOError):
            while True:
                fields = dict(
                    line.split("=", 1) for line in self._socket.recv(1000).decode().splitlines()
                )
                if fields.get("READY") == "1":
                    self._ready.add(int(fields["MAINPID"]))
        return process in self._ready

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
