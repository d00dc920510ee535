"""Run a hub and a local ION under random faults and kill -9, then verify the mirror.

`make soak MINUTES=30` runs it longer at 200 changes per second and prints figures.
"""

import argparse
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import make_start_hub, make_start_ion, wait_for

WATCH = {"ULTRAVIOLET_WATCH_SECONDS": "5"}
FAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("dropped", {"probability": 0.3}),
    ("duplicated", {"probability": 0.5}),
    ("delayed", {"probability": 0.3, "seconds": 3.0}),
    ("reordered", {"probability": 0.5, "seconds": 2.0}),
    ("truncated", {"probability": 0.2}),
    ("forged", {"probability": 0.2}),
    ("unknown_column", {"probability": 0.3}),
    ("error", {"probability": 0.2, "status": 503}),
    ("rate_limit", {"above_rate": 5.0}),
    ("reset", {"probability": 0.2}),
    ("cut_body", {"probability": 0.2}),
    ("slow_body", {"probability": 0.2}),
    ("latency", {"probability": 0.3, "seconds": 1.0}),
    ("token_rejected", {"probability": 0.2}),
    ("clock_skew", {"seconds": 20.0}),
    ("clock_skew", {"seconds": -20.0}),
)
DIFFERENCES = ("missing", "extra", "different", "displayed")
DELAYS = """SELECT source_time, applied_at AS at FROM events
  WHERE outcome = 'applied' AND source_time IS NOT NULL AND applied_at IS NOT NULL"""
CONFIRMED = """SELECT source_time, observed_at AS at FROM versions
  WHERE source_time IS NOT NULL AND json_extract(origin, '$.kind') = 'heal'"""


class Soak:
    """One run: processes, faults and results."""

    def __init__(self, stack: ExitStack, folder: Path, seed: int, rate: float, size: str) -> None:
        self.random = random.Random(seed)
        self.rate = rate
        self.start_ion = make_start_ion(stack, lambda name: folder / name / "data")
        self.start_hub = make_start_hub(stack, lambda name: folder / name / "data")
        self.ion = self.start_ion(size=size, changes=rate)
        self.hub = self.start_hub(**WATCH)
        self.integration = self.hub.connect(self.ion)
        self.crashes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        assert self.hub.fetch(self.integration)["state"] == "done"

    def run(self, seconds: float, crash_every: float, faults_last: float) -> None:
        """Set faults continuously, and kill a process at intervals."""
        end = time.monotonic() + seconds
        crash_at = time.monotonic() + crash_every
        while time.monotonic() < end:
            self._break_something(
                self.random.choice(FAULTS), min(faults_last, end - time.monotonic())
            )
            if time.monotonic() >= crash_at:
                self._kill(self.random.choice(("hub", "hub", "local ION")))
                crash_at += crash_every

    def _break_something(self, fault: tuple[str, dict[str, Any]], seconds: float) -> None:
        kind, settings = fault
        until = time.monotonic() + seconds
        number = self.ion.faults.set(kind, **settings, seed=self.random.getrandbits(32))["id"]
        wait_for(lambda: time.monotonic() >= until, seconds + 5, "the fault's time")
        for each in self.ion.faults.listed():
            if each["id"] == number:
                self.faults[kind] += each["triggered"]
        self.ion.faults.clear(number)

    def _kill(self, who: str) -> None:
        self.crashes[who] += 1
        one = self.hub if who == "hub" else self.ion
        port = int(one.url.rsplit(":", 1)[1])
        one.child.kill()
        if who == "hub":
            self.hub = self.start_hub(data=self.hub.data, port=port, **WATCH)
        else:
            self.ion = self.start_ion(data=self.ion.data, port=port, changes=self.rate)

    def rest(self, patience: float) -> None:
        """Wait for rule 6: ION is idle, one full fetch is complete, and nothing is stale."""
        self.ion.faults.clear()
        self.ion.rest()
        self._quiet(patience)
        fetch = self.hub.fetch(self.integration)
        assert fetch["state"] == "done", fetch
        wait_for(lambda: self.hub.at_rest(self.ion, self.integration), patience, "nothing stale")

    def _quiet(self, patience: float) -> None:
        def quiet() -> bool:
            path = f"/integrations/{self.integration['id']}/freshness"
            under_way = "{ webhookEvents(filters: {status: {in: [SENDING, RETRYING]}}, first: 1) { pageInfo { totalCount } } }"
            left = self.ion.execute(under_way)["webhookEvents"]["pageInfo"]["totalCount"]
            return not left and not self.hub.api("GET", path)["summary"]["waiting_events"]

        wait_for(quiet, patience, "all deliveries accepted and applied")

    def figures(self) -> dict[str, Any]:
        """Return the result of the verification, and the figures."""
        report = self.hub.verify(self.integration)
        lost = self.ion.accepted() - self.hub.stored_events()
        with closing(
            sqlite3.connect(f"file:{self.hub.data / 'hub.db'}?mode=ro", uri=True)
        ) as database:
            events = database.execute(
                "SELECT (SELECT count(*) FROM events), (SELECT sum(deliveries) FROM event_keys)"
            ).fetchone()
            visible, confirmed = _delays(database, DELAYS), _delays(database, CONFIRMED)
        return {
            "verify": {name: report[name] for name in ("state", "objects", "equal", *DIFFERENCES)},
            "differences": sum(report[name] for name in DIFFERENCES),
            "lost": len(lost),
            "events": events[0],
            "deliveries": events[1],
            "crashes": dict(self.crashes),
            "faults": dict(sorted(self.faults.items())),
            "commit to visible, s": visible,
            "commit to confirmed, s": confirmed,
        }


def _delays(database: sqlite3.Connection, query: str) -> dict[str, float]:
    found = sorted(
        (datetime.fromisoformat(at) - datetime.fromisoformat(since)).total_seconds()
        for since, at in database.execute(query)
    )
    if len(found) < 100:
        return {}
    cuts = statistics.quantiles(found, n=100)
    return {"p50": round(cuts[49], 3), "p99": round(cuts[98], 3)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(
        f"seed {given.seed}: {given.minutes} minutes at {given.rate} changes per second", flush=True
    )
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        soak = Soak(stack, Path(folder), given.seed, given.rate, "20000")
        soak.run(given.minutes * 60, crash_every=60, faults_last=10)
        soak.rest(600)
        figures = soak.figures()
    for name, value in figures.items():
        print(f"{name}: {value}", flush=True)
    right = figures["verify"]["state"] == "done" and not figures["differences"]
    return 0 if right and not figures["lost"] else 1


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        sys.exit(main())
