"""Processes beside the one that measures, and the processor time they take."""

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

TICKS = os.sysconf("SC_CLK_TCK")


class Announced(msgspec.Struct, frozen=True):
    """A process that said where it is."""

    address: str
    pid: int


@contextmanager
def announced(module: str, arguments: Sequence[str] = ()) -> Generator[Announced]:
    """Run a module that prints its address in its first line."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Announced(process.stdout.readline().strip(), process.pid)
        finally:
            process.terminate()


def processor_seconds(pid: int) -> float:
    """Tell how long a process has had a processor, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident(pid: int) -> float:
    """Tell how many megabytes of memory a process holds."""
    return _megabytes(pid, "VmRSS")


def most_resident(pid: int) -> float:
    """Tell how many megabytes of memory a process has held at most."""
    return _megabytes(pid, "VmHWM")


def _megabytes(pid: int, name: str) -> float:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(row for row in rows if row.startswith(name)).split()[1]) / 1024
