"""Supervise several worker processes that share a listening socket; restart those that die.

The supervisor keeps the socket open, so that connections are accepted while a worker dies or is
replaced.
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
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import structlog
from prometheus_client.multiprocess import mark_process_dead  # pyright: ignore[reportUnknownVariableType]

from ultraviolet.errors import ConflictError
from ultraviolet.file_lock import try_lock
from ultraviolet.process import describe_exit, force_exit_after, reexec, signal_name
from ultraviolet.server import sd_notify

MAX_SHUTDOWN_SECONDS = 25
"""Time limit of a shutdown, below the 30 s that systemd and Docker wait."""
_TERMINATE_TIMEOUT_SECONDS = 15.0
_RESTART_PAUSE_SECONDS = 2.0
"""A process that ends within this time after its start is restarted after a pause of this length."""
_FIRST_SYSTEMD_FD = 3
"""File descriptor of the first socket passed by systemd."""
_READY_TIMEOUT_SECONDS = 90.0
"""A replacement process must be ready within this time; a hub waits a minute for its database."""
_POLL_INTERVAL_SECONDS = 0.1
_FOLDER_PREFIX = "ultraviolet-metrics-"
_LOCK_FILE = "lock"

log = structlog.get_logger()


class _Child(NamedTuple):
    process: subprocess.Popen[bytes]
    started: float


class Supervisor:
    """Runs a number of processes; SIGHUP replaces them one by one, SIGTERM stops them."""

    def __init__(self, command: Sequence[str], workers: int, listening: socket.socket) -> None:
        self._command = [*command, "--fd", str(listening.fileno())]
        self._listening = listening
        self._children: list[_Child | None] = [None] * workers
        self._stopping = False
        self._counts, self._lock = _create_metrics_folder()
        self._readiness = sd_notify.Listener(self._counts)
        self._replacing: list[int] = []
        self._successor: _Child | None = None
        self._replace_requested = False
        self._replaces_on_sighup = replaces_on_sighup()
        self._reported_ready = False

    def run(self) -> None:
        """Supervise the processes until a signal stops it."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._handle)
        while not self._stopping:
            for slot, child in enumerate(self._children):
                if child is None or child.process.poll() is not None:
                    self._restart(slot)
            if self._replace_requested or self._replacing:
                self._continue_replacing()
            if not self._reported_ready and all(c and self._is_ready(c) for c in self._children):
                self._reported_ready = True
                sd_notify.notify("READY=1")
            time.sleep(_POLL_INTERVAL_SECONDS)
        sd_notify.notify("STOPPING=1")
        self._listening.close()  # new connections fail at once instead of waiting in vain
        running = [child for child in (*self._children, self._successor) if child]
        for child in running:
            child.process.terminate()
        for child in running:
            _terminate(child)
        self._readiness.close()
        shutil.rmtree(self._counts, ignore_errors=True)
        os.close(self._lock)

    def _restart(self, slot: int) -> None:
        before = self._children[slot]
        if before:
            self._log_end(before)
            if time.monotonic() - before.started < _RESTART_PAUSE_SECONDS:
                time.sleep(_RESTART_PAUSE_SECONDS)
                if self._stopping:
                    return
        self._children[slot] = self._start()

    def _start(self) -> _Child:
        child = subprocess.Popen(  # noqa: S603  own command line
            self._command,
            pass_fds=[self._listening.fileno()],
            env={
                **os.environ,
                **self._readiness.environment,
                "PROMETHEUS_MULTIPROC_DIR": str(self._counts),
            },
        )
        log.info("process.started", process=child.pid)
        return _Child(child, time.monotonic())

    def _continue_replacing(self) -> None:
        """Start the next successor.

        When it is ready, stop its predecessor. A failure aborts the replacement. Another request
        starts again, without a successor that may run old code.
        """
        new = self._successor
        if self._replace_requested:
            self._replace_requested = False
            self._replacing = list(range(len(self._children)))
            if new:
                _terminate(new)
                self._log_end(new)
            new = None
        if new is None:
            self._successor = self._start()
        elif (
            new.process.poll() is not None
            or time.monotonic() - new.started > _READY_TIMEOUT_SECONDS
        ):
            log.error("process.not_replaced", process=new.process.pid, code=new.process.returncode)
            self._successor, self._replacing = None, []
            _terminate(new)
        elif self._is_ready(new):
            slot = self._replacing.pop()
            old, self._children[slot], self._successor = self._children[slot], new, None
            if old:
                _terminate(old)
                self._log_end(old)

    def _is_ready(self, child: _Child) -> bool:
        return self._readiness.is_ready(child.process.pid)

    def _log_end(self, child: _Child) -> None:
        process, code = child.process.pid, child.process.returncode
        if code == 0:
            log.info("process.ended", process=process, code=code)
        else:
            effect = "the other processes continue, no acknowledged event is lost, and the process is restarted"
            message = f"Worker process {process} {describe_exit(code)}; {effect}."
            log.warning(
                "process.ended",
                process=process,
                code=code,
                signal=signal_name(code),
                message=message,
            )
        mark_process_dead(child.process.pid, str(self._counts))

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._replaces_on_sighup:
            self._replace_requested = True
        else:
            force_exit_after(MAX_SHUTDOWN_SECONDS)
            self._stopping = True


def _create_metrics_folder() -> tuple[Path, int]:
    """Create a locked folder for the metrics of the processes.

    Delete those of killed supervisors.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*/{_LOCK_FILE}"):
        with suppress(OSError):  # of a running supervisor or of another user
            lock = os.open(left, os.O_RDWR)
            try:
                if try_lock(lock):
                    shutil.rmtree(left.parent, ignore_errors=True)
            finally:
                os.close(lock)
    while True:
        made = Path(tempfile.mkdtemp(prefix=_FOLDER_PREFIX))
        lock = os.open(made / _LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        # Otherwise another supervisor has just locked it, and deletes it.
        if try_lock(lock) and (made / _LOCK_FILE).exists():
            return made, lock
        os.close(lock)


def _terminate(child: _Child) -> None:
    """Stop a process; kill it if it does not stop in time."""
    child.process.terminate()
    try:
        child.process.wait(_TERMINATE_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        child.process.kill()
        child.process.wait()


def replaces_on_sighup() -> bool:
    """Return whether SIGHUP replaces the processes.

    On a terminal, it means that the terminal closed.
    """
    return sys.stdin is None or sys.stdin.closed or not sys.stdin.isatty()  # pyright: ignore[reportUnnecessaryComparison]


class PortInUseError(ConflictError):
    """The port is in use by another program or another hub."""

    kind = "port-taken"


def listen(host: str, port: int) -> socket.socket:
    """Open the socket that the processes share; raise PortInUseError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host, port))
    except OSError as error:
        opened.close()
        raise PortInUseError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port"
        ) from None
    opened.listen(2048)
    opened.set_inheritable(True)
    return opened


def systemd_socket() -> int | None:
    """Return the socket passed by systemd (socket activation), or None."""
    if (
        os.environ.get("LISTEN_PID") == str(os.getpid())
        and os.environ.get("LISTEN_FDS", "0") != "0"
    ):
        return _FIRST_SYSTEMD_FD
    return None


def hand_over(listening: int) -> None:
    """Re-exec the current program on disk with the same command line and the listening socket."""
    os.dup2(listening, _FIRST_SYSTEMD_FD)
    os.set_inheritable(_FIRST_SYSTEMD_FD, True)
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
    reexec()


def own_command(*arguments: str) -> list[str]:
    """Return the command line of this program with the given arguments."""
    return [sys.executable, "-m", "ultraviolet", *arguments]
