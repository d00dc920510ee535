"""`freshness`: the delay from a commit in ION to the mirror, at 100 and 500 changes per second.

The baseline is the delay of the delivery. A reader queries the mirror's history every few
milliseconds; a change is visible when its `_updated` appears there. In the end, all objects of mirror
and ION must be equal.
"""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection, text
from tests.conftest import HubProcess, make_start_hub, wait_for

from bench.frame import Budget, Figure, Scale, expect, figure, on_each_database
from bench.local_ion_changes import pace
from bench.stores import NewDatabase, connect_directly
from ultraviolet.testing import LocalIonProcess, running_local_ion

RATE, HIGH_RATE = 100.0, 500.0
BUDGETS = {"sqlite": (6, 20), "postgresql": (20, 80)}
"""p50 and p99 at the lower rate, in milliseconds after the delivery."""
HIGH_BUDGET = 100
"""p99 at the higher rate."""
POLL_INTERVAL_SECONDS = 0.005
AFTER = 0.5
NEW = text(
    """SELECT seq, doc ->> '_updated' FROM versions
    WHERE seq > :last AND change <> 'delete' AND origin ->> 'kind' = 'event' ORDER BY seq"""
)
LAST = text(
    "SELECT (SELECT coalesce(max(seq), 0) FROM versions), (SELECT coalesce(max(seq), 0) FROM events)"
)
DELIVERED = text(
    "SELECT source_time, received_at FROM events WHERE seq > :last AND source_time IS NOT NULL"
)
MIRRORED = text(
    "SELECT id, doc ->> '_updated' FROM objects WHERE resource = :resource AND deleted_at IS NULL"
)


class Run(msgspec.Struct):
    """The delays of one run, in seconds."""

    visible: list[float]
    delivered: list[float]


def measure(scale: Scale) -> list[Figure]:
    """Run the plant with a hub that has fetched it."""
    return on_each_database(scale, _measured)


def _measured(store: str, folder: Path, new: NewDatabase, scale: Scale) -> list[Figure]:
    data = folder / "hub" / "data"
    data.mkdir(parents=True)
    with ExitStack() as stack:
        ion = stack.enter_context(
            running_local_ion(folder / "ion", ["--size", str(scale.amount(2000, 100))])
        )
        hub = make_start_hub(stack, lambda _: folder)(data=data, store_url=new(data))
        integration = hub.connect(ion)
        hub.fetch(integration)
        with connect_directly(hub.store_url) as database:
            seconds = max(2.0, 10 * scale.size)
            runs, high = (
                [_run(ion, hub, database, integration, seconds, rate) for _ in range(scale.repeats)]
                for rate in (RATE, HIGH_RATE)
            )
            _compare(ion, database)
    p50, p99 = (_pairs(runs, which) for which in (50, 99))
    high_p99 = _pairs(high, 99)
    note = f"{sum(len(run.visible) for run in runs):,} changes"
    reached = sum(len(run.delivered) for run in high) / seconds / len(high)
    budgets = BUDGETS[store]
    return [
        figure(
            "freshness: p50",
            store,
            "ms",
            [v - d for v, d in p50],
            baseline=[d for _, d in p50],
            budget=Budget("at most", budgets[0], of="figure"),
            note=f"after the delivery, which is the baseline; {note}",
        ),
        figure(
            "freshness: p99",
            store,
            "ms",
            [v - d for v, d in p99],
            baseline=[d for _, d in p99],
            budget=Budget("at most", budgets[1], of="figure"),
        ),
        figure(
            f"freshness at {HIGH_RATE:.0f} changes/s: p99",
            store,
            "ms",
            [v - d for v, d in high_p99],
            baseline=[d for _, d in high_p99],
            budget=Budget("at most", HIGH_BUDGET, of="figure"),
            note=f"{reached:.0f} deliveries/s reached",
        ),
    ]


def _run(
    ion: LocalIonProcess,
    hub: HubProcess,
    database: Connection,
    integration: dict[str, object],
    seconds: float,
    rate: float,
) -> Run:
    """Watch the mirror during the changes, and until it contains the last one."""
    visible: list[float] = []
    last, event = database.execute(LAST).one()

    def watch(seconds: float) -> None:
        nonlocal last
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            rows = database.execute(NEW, {"last": last}).all()
            seen = datetime.now(UTC)
            visible.extend(
                (seen - datetime.fromisoformat(updated)).total_seconds()
                for _, updated in rows
                if updated
            )
            last = rows[-1][0] if rows else last
            time.sleep(POLL_INTERVAL_SECONDS)

    def at_rest() -> bool:
        watch(AFTER)
        return hub.at_rest(ion, integration)

    pace(ion, rate)
    watch(seconds)
    pace(ion, 0)
    wait_for(at_rest, 120, "rest")
    delivered = [
        _between(began, ended) for began, ended in database.execute(DELIVERED, {"last": event})
    ]
    return Run(visible, delivered)


def _between(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def _pairs(runs: Sequence[Run], which: int) -> list[tuple[float, float]]:
    return [
        (_percentile(r.visible, which) * 1000, _percentile(r.delivered, which) * 1000) for r in runs
    ]


def _percentile(values: Sequence[float], which: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * which // 100)]


def _compare(ion: LocalIonProcess, database: Connection) -> None:
    """Compare the mirror with ION, object by object."""
    with closing(sqlite3.connect(ion.data / "ion.db")) as theirs:
        for name in (
            "purchase_orders",
            "purchase_order_lines",
            "parts",
            "parts_inventory",
            "runs",
            "issues",
        ):
            there = {
                str(id_): at for id_, at in theirs.execute(f'SELECT id, _updated FROM "{name}"')
            }
            here = dict(database.execute(MIRRORED, {"resource": name}).tuples().all())
            expect(name, there, here)
