"""Processes beside the one that measures, and the processor time they take."""

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
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
    return sum(_times(pid)[:2])


def family_seconds(pid: int | None) -> float:
    """Tell the same of a process, what it started, and what of that has ended; no process has had none."""
    if pid is None:
        return 0.0
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = sum(_times(pid))
    for child in children:
        with suppress(
            FileNotFoundError, ProcessLookupError
        ):  # who ends meanwhile is counted by its parent
            found += family_seconds(int(child))
    return found


def _times(pid: int) -> tuple[float, ...]:
    """User and system, of the process itself and of its children that were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return tuple(int(each) / TICKS for each in fields[11:15])


def resident(pid: int) -> float:
    """Tell how many megabytes of memory a process holds."""
    return _megabytes(pid, "VmRSS")


def most_resident(pid: int) -> float:
    """Tell how many megabytes of memory a process has held at most."""
    return _megabytes(pid, "VmHWM")


def _megabytes(pid: int, name: str) -> float:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(row for row in rows if row.startswith(name)).split()[1]) / 1024
