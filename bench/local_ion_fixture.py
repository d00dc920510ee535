"""`local-ion-fixture`: the pytest fixture: start with a cached plant, restore of a state.

The baselines are the start of its libraries alone, and a restore that copies the whole database.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import processor_seconds
from ultraviolet.testing import LocalIonProcess, running_local_ion
from ultraviolet.testing.plant_cache import KEY_FILE, PlantCache

LIBRARIES = "import time, graphql, litestar, uvicorn, jwt, structlog; print(time.process_time())"
LABEL = "mutation ($value: String!) { createLabel(input: {value: $value}) { label { id } } }"
LABELS = '{ labels(filters: {value: {like: "bench%"}}) { edges { node { value } } } }'


def measure(scale: Scale) -> list[Figure]:
    """Start the fixture's local ION several times, and restore states of the last one."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        _start(folder, "first")
        starts = [_start(folder, str(number)) for number in range(scale.repeats)]
        bare = [
            float(subprocess.check_output([sys.executable, "-c", LIBRARIES]))
            for _ in range(scale.repeats)
        ]
        with running_local_ion(folder / "ion" / "data", PlantCache(folder, []).options) as ion:
            undone, copied = _restores(ion, scale.amount(40, 2))
    return [
        figure(
            "local-ion-fixture: start",
            "sqlite",
            "s",
            [spent for spent, _ in starts],
            baseline=bare,
            budget=Budget("at most", 2.2),
            note=f"of processor time; by the clock {min(clock for _, clock in starts):.2f}",
        ),
        figure(
            "local-ion-fixture: restore",
            "sqlite",
            "ms",
            undone,
            baseline=copied,
            budget=Budget("at most", 100, of="figure"),
            note="with the first mutation after it",
        ),
    ]


def _start(folder: Path, name: str) -> tuple[float, float]:
    """Start as the fixture does; return the processor time and the time by the clock."""
    plants, data = PlantCache(folder, []), folder / name / "data"
    began = time.perf_counter()
    plants.prepare(data)
    with running_local_ion(data, plants.options) as ion:
        spent = processor_seconds(ion.child.process.pid), time.perf_counter() - began
        ion.snapshot("bench")
        plants.save(data / "snapshots" / "bench.db", data / KEY_FILE)
    return spent


def _restores(ion: LocalIonProcess, number: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of restores that undo changes, and of those that copy all rows."""
    ion.snapshot("start")
    for name in ("one", "other"):
        ion.restore("start")
        ion.execute(LABEL, value=f"bench {name}")
        ion.snapshot(name)
    undone = [_restore(ion, "other") for _ in range(number)]
    copied = [_restore(ion, ("one", "other")[n % 2]) for n in range(number)]
    return undone, copied


def _restore(ion: LocalIonProcess, name: str) -> float:
    """Restore a state and change it; return the milliseconds."""
    began = time.perf_counter()
    ion.restore(name)
    ion.execute(LABEL, value="bench change")
    spent = 1000 * (time.perf_counter() - began)
    labels = {edge["node"]["value"] for edge in ion.execute(LABELS)["labels"]["edges"]}
    expect("labels of the state", {f"bench {name}", "bench change"}, labels)
    return spent
