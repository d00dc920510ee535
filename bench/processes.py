"""Start server processes, and measure processor time and memory."""

import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec


class ServerProcess(msgspec.Struct, frozen=True):
    """A process with its address."""

    address: str
    pid: int


@contextmanager
def run_server(module: str, arguments: Sequence[str] = ()) -> Generator[ServerProcess]:
    """Run a module that prints its address in the first line."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield ServerProcess(process.stdout.readline().strip(), process.pid)
        finally:
            process.terminate()


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process with all its threads, ended ones too."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e9  # Linux: the exact time, not in ticks


def process_tree_seconds(pid: int | None) -> float:
    """Return the processor time of a process and all its children; 0 for None."""
    if pid is None:
        return 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    ended = sum(map(int, fields[13:15]))
    found = processor_seconds(pid) + ended / os.sysconf("SC_CLK_TCK")
    for child in children:
        # An ended process is counted by its parent.
        with suppress(OSError):
            found += process_tree_seconds(int(child))
    return found


def resident_megabytes(pid: int) -> float:
    """Return the memory of a process in megabytes."""
    return _megabytes(pid, "VmRSS")


def peak_resident_megabytes(pid: int) -> float:
    """Return the maximum memory of a process in megabytes."""
    return _megabytes(pid, "VmHWM")


def _megabytes(pid: int, name: str) -> float:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(row for row in rows if row.startswith(name)).split()[1]) / 1024
