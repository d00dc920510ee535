"""`verify`: compare the mirror with the local ION; the baseline downloads the same pages."""

import asyncio
import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from tests.conftest import HubProcess, make_start_hub, wait_for

from bench.fetch import connect, download, over
from bench.frame import Budget, Figure, Scale, expect, figure
from bench.stores import NewDatabase, stores
from ultraviolet.testing import LocalIonProcess, running_local_ion

OBJECTS = 20_000


def measure(scale: Scale) -> list[Figure]:
    """Fetch once, then verify and download, in turn."""
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        folder = Path(directory)
        with running_local_ion(
            folder / "ion", ["--size", str(scale.amount(OBJECTS, 100))], seconds=600
        ) as ion:
            return [
                _measured(ion, store, folder / store, new, scale) for store, new in found.items()
            ]


def _measured(
    ion: LocalIonProcess, store: str, data: Path, new: NewDatabase, scale: Scale
) -> Figure:
    (data / "data").mkdir(parents=True)
    with ExitStack() as stack:
        hub = make_start_hub(stack, lambda _: data)(
            data=data / "data", store_url=new(data / "data")
        )
        integration = connect(hub, ion)
        wait_for(lambda: over(hub, integration), 600, "the first fetch")
        runs = [
            (_compare(hub, integration), asyncio.run(download(ion))) for _ in range(scale.repeats)
        ]
    for (_, objects), bare in runs:
        expect("objects that are equal", bare.objects, objects)
    return figure(
        "verify",
        store,
        "s",
        [seconds for (seconds, _), _ in runs],
        baseline=[bare.seconds for _, bare in runs],
        budget=Budget("at most", 3),
        note=f"{runs[0][1].objects:,} objects",
    )


def _compare(hub: HubProcess, integration: int) -> tuple[float, int]:
    """Verify; return the duration and the number of objects, which must all be equal."""
    report = hub.api("POST", f"/integrations/{integration}/verifications", {})

    def done() -> dict[str, object] | None:
        now = hub.api("GET", f"/verifications/{report['id']}")
        return now if now["state"] != "running" else None

    report = wait_for(done, 600, "the comparison")
    expect(
        "state and number of differences",
        ("done", 0),
        (report["state"], report["objects"] - report["equal"]),
    )
    took = datetime.fromisoformat(report["finished_at"]) - datetime.fromisoformat(
        report["started_at"]
    )
    return took.total_seconds(), report["equal"]
