"""`start`: processor time of `ultraviolet --help`, and of a hub until it is ready."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import processor_seconds
from bench.stores import NewDatabase, stores
from ultraviolet.child_process import Child, free_port, is_responding

Spent = tuple[float, float]
"""Seconds of processor time and by the clock."""


def measure(scale: Scale) -> list[Figure]:
    """Start each several times; the baseline is a bare interpreter."""
    helps = [_run("-m", "ultraviolet", "--help") for _ in range(scale.repeats)]
    bare = [_run("-c", "pass") for _ in range(scale.repeats)]
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        hubs = {
            store: [_hub(Path(directory) / f"{store}-{n}", new) for n in range(scale.repeats)]
            for store, new in found.items()
        }
    return [
        _figure("start: --help", "", helps, bare, 0.3),
        *(_figure("start: hub ready", store, runs, bare, 2) for store, runs in hubs.items()),
    ]


def _figure(
    name: str, store: str, runs: Sequence[Spent], bare: Sequence[Spent], limit: float
) -> Figure:
    return figure(
        name,
        store,
        "s",
        [spent for spent, _ in runs],
        baseline=[spent for spent, _ in bare],
        budget=Budget("at most", limit, of="figure"),
        note=f"of processor time; by the clock {median(clock for _, clock in runs):.2f}",
    )


def _run(*arguments: str) -> Spent:
    """Run the interpreter; return its processor time and the time by the clock."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    after, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    expect(f"exit code of {arguments}", 0, done.returncode)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, clock


def _hub(folder: Path, new: NewDatabase) -> Spent:
    """Start a hub with a new database; return its processor time and the time until it is ready."""
    port, data = free_port(), folder / "hub"
    data.mkdir(parents=True)
    environment = {"ULTRAVIOLET_DATABASE_URL": new(data)}
    began = time.perf_counter()
    arguments = ["serve", "--port", str(port), "--data", str(data)]
    with Child("The hub", arguments, folder / "hub.log", environment) as child:
        child.wait_until(lambda: is_responding(f"http://127.0.0.1:{port}/readyz"), 120)
        return processor_seconds(child.process.pid), time.perf_counter() - began
