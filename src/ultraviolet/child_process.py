"""Child processes of the demo, tests and benchmarks, with a log each."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ultraviolet.errors import UltravioletError
from ultraviolet.file_lock import try_lock
from ultraviolet.files import private_opener
from ultraviolet.outgoing import opener
from ultraviolet.process import ENDS_WITH_INPUT, describe_exit

_LOG_TAIL_LINES = 20
_STOP_TIMEOUT_SECONDS = 15
_PORTS_TO_TRY = 100


class ChildFailedError(UltravioletError):
    """A child process ended unexpectedly; read its log."""

    kind = "child-failed"


class Child:
    """A child process that runs `ultraviolet …` and writes its output to a log."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        *,
        restarts: int = 0,
        module: str = "ultraviolet",
        lock: Path | None = None,
        ends_with_parent: bool = False,
    ) -> None:
        """Configure the process, which runs a module; entering starts it.

        `restarts` is the number of times that it is restarted after a signal ended it. The process
        holds the lock of the file `lock`, which contains its id, so that `end_orphan` finds it.
        A hub or local ION with `ends_with_parent` ends when this process ends for any reason, and
        ignores the signals of its terminal.
        """
        self.lock = lock
        self.ends_with_parent = ends_with_parent
        self.restarts_left = restarts
        self.name = name
        self.command = [sys.executable, "-m", module, *arguments]
        self.log = log
        # Settings of a real hub must not leak into a child process.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ULTRAVIOLET_", "ION_"))
        }
        self.environment = {**inherited, "PYTHONUNBUFFERED": "1", **environment}
        if ends_with_parent:
            self.environment[ENDS_WITH_INPUT] = "1"

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start the process; its output is appended to the log."""
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ExitStack() as files:
            log = files.enter_context(open(self.log, "ab", opener=private_opener))
            lock = None
            if self.lock:
                lock = files.enter_context(open(self.lock, "wb", opener=private_opener))
                try_lock(lock)
            self.process = subprocess.Popen(  # noqa: S603 our own command line
                self.command,
                stdin=subprocess.PIPE if self.ends_with_parent else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
                pass_fds=[lock.fileno()] if lock else [],
                process_group=0 if self.ends_with_parent else None,
            )
            if lock:
                lock.write(str(self.process.pid).encode())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Terminate the process; kill it after 15 seconds."""
        if self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the process, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def check(self) -> None:
        """Restart the process if a signal ended it, or raise ChildFailedError."""
        code = self.process.poll()
        if code is None:
            return
        if self.restarts_left and code < 0:
            self.restarts_left -= 1
            sys.stderr.write(
                f"{self.name} (process {self.process.pid}) {describe_exit(code)};"
                " its data is kept, and it restarts.\n"
            )
            self.start()
            return
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
        raise ChildFailedError(f"{self.name} {describe_exit(code)}. The end of {self.log}:\n{tail}")

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until the process is ready; raise ChildFailedError if it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.check()
            if time.monotonic() > deadline:
                raise ChildFailedError(
                    f"{self.name} was not ready after {seconds:.0f} s; see {self.log}."
                )
            time.sleep(0.05)


def end_orphan(lock: Path) -> None:
    """End the process that holds a lock although its parent was killed; do nothing without one.

    A process that ignores SIGTERM is killed after 15 seconds. Raise ChildFailedError if it remains.
    """
    with suppress(FileNotFoundError), lock.open("rb") as file:
        for number in (signal.SIGTERM, signal.SIGKILL):
            sent, deadline = False, time.monotonic() + _STOP_TIMEOUT_SECONDS
            while time.monotonic() < deadline:
                if try_lock(file):
                    return
                file.seek(0)
                process_id = file.read(20)
                if process_id and not sent:
                    sent = True
                    with suppress(ProcessLookupError):
                        os.kill(int(process_id), number)
                time.sleep(0.02)
        raise ChildFailedError(f"The process of {lock} does not end.")


def is_responding(url: str) -> bool:
    """Return whether a GET of this URL returns 200."""
    try:
        with opener(url).open(url, timeout=2) as response:
            return response.status == 200  # noqa: PLR2004
    except OSError:
        return False


def free_port(preferred: int = 0, host: str = "127.0.0.1", taken: int = 0) -> int:
    """Return the preferred port or the next free one; without a preferred port, any free port.

    `taken` is a port that another process is about to open.
    """
    following = range(preferred, min(preferred + _PORTS_TO_TRY, 65_536)) if preferred else ()
    for port in following:
        if port == taken:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
