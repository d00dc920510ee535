"""`local-ion-changes`: changes per second of the local ION's processor time, with all subscriptions.

The plant works at its maximum rate. The processor time includes deliveries. The baseline is the same
plant without subscriptions. Every change of a subscribed table must cause exactly one delivery.
"""

import json
import sqlite3
import tempfile
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from statistics import quantiles

import msgspec

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import processor_seconds, run_server
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.webhooks import subscription_document
from ultraviolet.local_ion.quirks import QUIRKS
from ultraviolet.testing import LocalIonProcess, running_local_ion

RECEIVER = """mutation($uri: String!) { createWebhookReceiver(input: {name: "sink", webhookUri: $uri, sharedSecret: "secret"})
  { webhookReceiver { id } } }"""
# changes without a delivery, and deliveries under way
UNDER_WAY = """SELECT (SELECT max(action_id) FROM logged_actions) - (SELECT action_id FROM _outbox_cursor)
  + (SELECT count(*) FROM webhook_events WHERE status IN ('sending', 'retrying'))"""
# changes with a subscription
EXPECTED = """SELECT l.action_id FROM logged_actions l JOIN webhook_subscriptions s
  ON s.resource = l.table_name AND s.action = lower(l.action)
  JOIN webhook_receivers r ON r.id = s.receiver_id AND r.active WHERE l.action_id > ?"""
RATE = 500.0


class Run(msgspec.Struct):
    """The result of one run."""

    changes: int
    seconds: float
    processor: float

    @property
    def per_processor_second(self) -> float:
        """Changes per second of processor time."""
        return self.changes / self.processor


def measure(scale: Scale) -> list[Figure]:
    """Run the plant without and with subscriptions, in turn."""
    with tempfile.TemporaryDirectory() as directory, run_server("bench.sink") as sink:
        options = ["--size", "2000", *(f"--no-quirk={name}" for name in QUIRKS)]
        with running_local_ion(Path(directory) / "ion", options) as ion:
            quiet = [_work(ion, scale.amount(2000, 50)) for _ in range(scale.repeats)]
            begun = _subscribe(ion, sink.address)
            busy = [_work(ion, scale.amount(2000, 50)) for _ in range(scale.repeats)]
            delays = _checked(ion, sink.address, begun)
    p50, p99 = quantiles(delays, n=100)[49], quantiles(delays, n=100)[98]
    deliveries = len(delays) / sum(run.processor for run in busy)
    note = (
        f"by the clock {sum(r.changes for r in busy) / sum(r.seconds for r in busy):,.0f} changes/s; "
        f"{deliveries:,.0f} deliveries per processor second; delay p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    )
    return [
        figure(
            "local-ion-changes",
            "sqlite",
            "changes/s of a core",
            [run.per_processor_second for run in busy],
            baseline=[run.per_processor_second for run in quiet],
            budget=Budget("at least", RATE, of="figure"),
            note=note,
        )
    ]


def _work(ion: LocalIonProcess, changes: int) -> Run:
    """Run the plant for `changes` changes, and wait until all are delivered."""
    before, began, processor = (
        ion.changes(),
        time.perf_counter(),
        processor_seconds(ion.child.process.pid),
    )
    pace(ion, RATE)
    while ion.changes() - before < changes:
        time.sleep(0.1)
    pace(ion, 0)
    with closing(sqlite3.connect(ion.data / "ion.db")) as database:
        while database.execute(UNDER_WAY).fetchone()[0]:
            time.sleep(0.1)
    made = ion.changes() - before
    taken = processor_seconds(ion.child.process.pid) - processor
    return Run(made, time.perf_counter() - began, taken)


def pace(ion: LocalIonProcess, rate: float) -> None:
    """Set the rate of the plant in changes per second."""
    content = json.dumps({"changes_per_second": rate}).encode()
    headers = {"content-type": "application/json"}
    asked = urllib.request.Request(f"{ion.url}/_local/plant", content, headers, method="PATCH")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        answer.read()


def _subscribe(ion: LocalIonProcess, sink: str) -> int:
    receiver = ion.execute(RECEIVER, uri=sink)["createWebhookReceiver"]["webhookReceiver"]["id"]
    names = [r.name.upper() for r in load_catalog().resources.values() if r.subscribable]
    pairs = [(name, action) for name in names for action in ("CREATE", "UPDATE", "DELETE")]
    ion.execute(subscription_document(pairs), receiver=receiver)
    with closing(sqlite3.connect(ion.data / "ion.db")) as database:
        return database.execute("SELECT max(action_id) FROM logged_actions").fetchone()[0]


def _checked(ion: LocalIonProcess, sink: str, begun: int) -> list[float]:
    """Check that each expected delivery arrived once; return the delays."""
    with urllib.request.urlopen(sink, timeout=60) as answer:
        came = json.load(answer)
    with closing(sqlite3.connect(ion.data / "ion.db")) as database:
        owed = [action_id for (action_id,) in database.execute(EXPECTED, (begun,))]
    expect("deliveries that came", len(owed), len(came))
    expect("events that came", set(owed), {event for event, _ in came})
    return [delay for _, delay in came]
