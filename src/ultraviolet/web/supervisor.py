"""Several processes behind one address: they share a listening socket, and one that dies is started again.

The socket is opened here and never closed before the end, so that whatever connects while a process dies or is
replaced is answered by another one.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import FrameType

import structlog

from ultraviolet.errors import ConflictError

_PATIENCE = 15.0
_TOO_SOON = 2.0
"""A process that ends sooner than this after its start is started again only after as long a pause."""
_LOOK_EVERY = 0.1

log = structlog.get_logger()


class Supervisor:
    """Keeps a number of processes alive; SIGHUP replaces them one by one, SIGTERM ends them in order."""

    def __init__(self, command: Sequence[str], workers: int, listening: socket.socket) -> None:
        self._command = [*command, "--fd", str(listening.fileno())]
        self._listening = listening
        self._children: list[tuple[subprocess.Popen[bytes], float] | None] = [None] * workers
        self._stopping = False
        self._counts = tempfile.mkdtemp(prefix="ultraviolet-metrics-")
        self._replacing: list[int] = []

    def run(self) -> None:
        """Watch over the processes until told to stop."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._replace)
        while not self._stopping:
            for slot, child in enumerate(self._children):
                if child is None or child[0].poll() is not None:
                    self._start(slot)
            if self._replacing:
                self._end(self._replacing.pop())
            time.sleep(_LOOK_EVERY)
        for child in self._children:
            if child:
                child[0].terminate()
        for slot in range(len(self._children)):
            self._end(slot)
        shutil.rmtree(self._counts, ignore_errors=True)

    def _start(self, slot: int) -> None:
        before = self._children[slot]
        if before:
            log.warning("process.ended", process=before[0].pid, code=before[0].returncode)
            if time.monotonic() - before[1] < _TOO_SOON:
                time.sleep(_TOO_SOON)
                if self._stopping:
                    return
        child = subprocess.Popen(  # noqa: S603 our own command line
            self._command,
            pass_fds=[self._listening.fileno()],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": self._counts},
        )
        self._children[slot] = child, time.monotonic()
        log.info("process.started", process=child.pid)

    def _end(self, slot: int) -> None:
        """End a process in order, by force where it does not listen."""
        child = self._children[slot]
        if child is None:
            return
        self._children[slot] = None
        child[0].terminate()
        try:
            child[0].wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            child[0].kill()
            child[0].wait()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _replace(self, _number: int, _frame: FrameType | None) -> None:
        self._replacing = list(range(len(self._children)))


class PortTakenError(ConflictError):
    """The hub cannot listen there: another program has the port, or another hub runs."""

    kind = "port-taken"


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the processes share; raises PortTakenError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise PortTakenError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port"
        ) from None
    opened.listen(2048)
    opened.set_inheritable(True)
    return opened


def given_socket() -> int | None:
    """Give the socket that systemd opened for this process (socket activation), if it did."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS", "0") != "0":
        return 3
    return None


def own_command(*arguments: str) -> list[str]:
    """Give the command line that runs this program with other arguments."""
    return [sys.executable, "-m", "ultraviolet", *arguments]
