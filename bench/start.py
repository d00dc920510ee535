"""`start`: the command line's help, a hub until it is ready, and a hub that rests, in processor time and memory."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import processor_seconds, resident
from ultraviolet.cli.children import Child, answers, free_port

REST = 5.0


def measure(scale: Scale) -> list[Figure]:
    """Start each several times, beside a bare interpreter."""
    helps = [_run("-m", "ultraviolet", "--help") for _ in range(scale.repeats)]
    bare = [_run("-c", "pass") for _ in range(scale.repeats)]
    hubs = [_hub(scale) for _ in range(scale.repeats)]
    return [
        figure(
            "start: --help",
            "",
            "s",
            [spent for spent, _ in helps],
            baseline=[spent for spent, _ in bare],
            budget=Budget("at most", 0.3, of="figure"),
            note=f"of processor time; by the clock {median(clock for _, clock in helps):.2f}",
        ),
        figure(
            "start: hub ready",
            "sqlite",
            "s",
            [hub[0] for hub in hubs],
            baseline=[spent for spent, _ in bare],
            budget=Budget("at most", 2, of="figure"),
            note=f"of processor time; by the clock {median(hub[1] for hub in hubs):.2f}",
        ),
        figure(
            "start: idle hub",
            "sqlite",
            "MB",
            [hub[2] for hub in hubs],
            budget=Budget("at most", 120),
            note=f"after {REST * scale.size:g} s of rest",
        ),
    ]


def _run(*arguments: str) -> tuple[float, float]:
    """Run the interpreter to its end; gives its processor time and the time by the clock."""
    before, began = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False)
    after, clock = os.times(), time.perf_counter() - began
    expect(f"exit code of {arguments}", 0, done.returncode)
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, clock


def _hub(scale: Scale) -> tuple[float, float, float]:
    """Start a hub; gives its processor time and the time until it is ready, and its memory at rest."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        began = time.perf_counter()
        arguments = ["serve", "--port", str(port), "--data", str(data / "hub")]
        with Child("The hub", arguments, data / "hub.log", {}) as child:
            child.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 120)
            ready, spent = time.perf_counter() - began, processor_seconds(child.process.pid)
            time.sleep(REST * scale.size)
            return spent, ready, resident(child.process.pid)
