"""`freshness`: from a commit in ION to the mirror, at 100 changes a second, beside the delivery's own delay.

A reader looks at the mirror's history as anyone could, every few milliseconds; when it first sees the `_updated` that
a change was given in ION, that change is visible. Afterwards every mirrored object must be as ION has it.
"""

import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from tests.conftest import HubProcess, make_start_hub, wait_for

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.local_ion_changes import pace
from ultraviolet.testing import LocalIonProcess, running_local_ion

RATE = 100.0
LOOK = 0.005
NEW = """SELECT seq, json_extract(doc, '$._updated') FROM versions
  WHERE seq > ? AND change <> 'delete' AND json_extract(origin, '$.kind') = 'event' ORDER BY seq"""
LAST = "SELECT coalesce(max(seq), 0) FROM versions"
DELIVERED = "SELECT source_time, received_at FROM events WHERE seq > ? AND source_time IS NOT NULL"
MIRRORED = "SELECT id, json_extract(doc, '$._updated') FROM objects WHERE resource = ? AND deleted_at IS NULL"


class Run(msgspec.Struct):
    """The delays of one stretch, in seconds."""

    visible: list[float]
    delivered: list[float]


def measure(scale: Scale) -> list[Figure]:
    """Let the plant work in front of a hub that has fetched it."""
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        folder = Path(directory)
        ion = stack.enter_context(running_local_ion(folder / "ion", ["--size", str(scale.of(2000, 100))]))
        hub = make_start_hub(stack, lambda _: folder)(data=folder / "hub" / "data")
        integration = hub.connect(ion)
        hub.fetch(integration)
        runs = [_stretch(ion, hub, integration, max(2.0, 10 * scale.size)) for _ in range(scale.repeats)]
        _compare(ion, hub)
    p50, p99 = (_pairs(runs, which) for which in (50, 99))
    note = f"{sum(len(run.visible) for run in runs):,} changes"
    return [
        figure(
            "freshness: p50",
            "sqlite",
            "ms",
            [v - d for v, d in p50],
            baseline=[d for _, d in p50],
            budget=Budget("at most", 100, of="figure"),
            note=f"after the delivery, whose delay is the baseline; {note}",
        ),
        figure(
            "freshness: p99",
            "sqlite",
            "ms",
            [v - d for v, d in p99],
            baseline=[d for _, d in p99],
            budget=Budget("at most", 1000, of="figure"),
        ),
    ]


def _stretch(ion: LocalIonProcess, hub: HubProcess, integration: dict[str, object], seconds: float) -> Run:
    """Watch the mirror while changes are made."""
    visible: list[float] = []
    with closing(sqlite3.connect(hub.data / "hub.db")) as database:
        last = database.execute(LAST).fetchone()[0]
        event = database.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
        pace(ion, RATE)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rows = database.execute(NEW, (last,)).fetchall()
            seen = datetime.now(UTC)
            visible += [
                (seen - datetime.fromisoformat(updated)).total_seconds() for _, updated in rows if updated
            ]
            last = rows[-1][0] if rows else last
            time.sleep(LOOK)
        pace(ion, 0)
        wait_for(lambda: hub.at_rest(ion, integration), 120, "rest")
        delivered = [_between(*row) for row in database.execute(DELIVERED, (event,))]
    return Run(visible, delivered)


def _between(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _pairs(runs: Sequence[Run], which: int) -> list[tuple[float, float]]:
    return [(_percentile(r.visible, which) * 1000, _percentile(r.delivered, which) * 1000) for r in runs]


def _percentile(values: Sequence[float], which: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * which // 100)]


def _compare(ion: LocalIonProcess, hub: HubProcess) -> None:
    """Hold the mirror to ION, object by object."""
    with (
        closing(sqlite3.connect(ion.data / "ion.db")) as theirs,
        closing(sqlite3.connect(hub.data / "hub.db")) as ours,
    ):
        for name in ("purchase_orders", "purchase_order_lines", "parts", "parts_inventory", "runs", "issues"):
            there = {str(id_): at for id_, at in theirs.execute(f'SELECT id, _updated FROM "{name}"')}
            expect(name, there, dict(ours.execute(MIRRORED, (name,)).fetchall()))
