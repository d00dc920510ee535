"""Measure the four documented limitations: the share of affected changes, and the delays.

One local ION with all quirks serves two hubs, one of them with ULTRAVIOLET_HEAL=off, which has only
webhooks and scheduled fetches. First a plant works, and the drift of the first hub counts the affected
changes. Then the plant stops, the benchmark makes changes of each kind, and watches both mirrors until
they equal ION. An incremental fetch, as by schedule, corrects the remaining differences. The output is
one Markdown table.
"""

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec

from ultraviolet.child_process import Child, free_port, is_responding
from ultraviolet.cli.support.connection import find_running
from ultraviolet.ion import queries
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.testing import LocalIonProcess, running_local_ion

YEARLY = "0 0 1 1 *"
WATCH_SECONDS = 10.0
"""Time after which a wrong object waits for the next fetch."""
CREATE_ORDER = """mutation ($i: CreatePurchaseOrderInput!) {
  createPurchaseOrder(input: $i) { purchaseOrder { id _etag } } }"""
UPDATE_ORDER = """mutation ($i: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $i) { purchaseOrder { id } } }"""
CREATE_LINE = """mutation ($i: CreatePurchaseOrderLineInput!) {
  createPurchaseOrderLine(input: $i) { purchaseOrderLine { id } } }"""
CREATE_INVENTORY = """mutation ($i: CreatePartInventoryInput!) {
  createPartInventory(input: $i) { partInventory { id } } }"""
NAMES = (
    "{ parts(first: 1) { edges { node { id } } } locations(first: 3) { edges { node { id } } } }"
)

Look = Callable[[dict[str, Any], dict[str, Any]], bool]
"""Returns whether mirror and ION agree on the properties of a limitation."""


class Kind(msgspec.Struct, frozen=True):
    """One limitation: its change, its cause of drift, and its comparison."""

    name: str
    resource: str
    cause: str
    right: Look
    change: Callable[["Plant", int], str]


class Plant:
    """Makes changes in the local ION."""

    def __init__(self, ion: LocalIonProcess, changes: int) -> None:
        self.ion = ion
        self.catalog = load_catalog()
        self.offered = OfferedSchema.whole(self.catalog)
        names = ion.execute(NAMES)
        self.part = names["parts"]["edges"][0]["node"]["id"]
        self.location = names["locations"]["edges"][1]["node"]["id"]
        self.orders = [self._order(number) for number in range(3 * changes)]

    def _order(self, number: int) -> dict[str, Any]:
        made = self.ion.execute(CREATE_ORDER, i={"description": f"Order {number}"})
        return made["createPurchaseOrder"]["purchaseOrder"]

    def line(self, number: int) -> str:
        order = self.orders[3 * number]["id"]
        given = {"purchaseOrderId": order, "partId": self.part, "quantity": 4.0, "cost": 2.5}
        made = self.ion.execute(CREATE_LINE, i=given)["createPurchaseOrderLine"]
        return str(made["purchaseOrderLine"]["id"])

    def fill(self, number: int) -> str:
        return self._update(self.orders[3 * number + 1], orderedAt="2026-05-01T12:00:00")

    def link(self, number: int) -> str:
        return self._update(self.orders[3 * number + 2], shipToLocationId=self.location)

    def inventory(self, _number: int) -> str:
        given = {"partId": self.part, "quantity": 3.0, "autogenerateLotNumber": True}
        made = self.ion.execute(CREATE_INVENTORY, i=given)["createPartInventory"]["partInventory"]
        return str(made["id"])

    def truth(self, resource: str, id_: str) -> dict[str, Any]:
        """Return an object of ION in the form of the mirror."""
        known = self.catalog.resources[resource]
        document, variables = queries.by_ids_query([("a", known, [id_])], self.offered)
        node = self.ion.execute(document, **variables)["a"]["edges"][0]["node"]
        return queries.normalize_document(known, node)

    def _update(self, order: dict[str, Any], **fields: Any) -> str:
        self.ion.execute(UPDATE_ORDER, i={"id": order["id"], "etag": order["_etag"], **fields})
        return str(order["id"])


KINDS = (
    Kind(
        "no event for new purchase-order lines",
        "purchase_order_lines",
        "no_event_sent",
        lambda ours, ion: ours == ion,
        Plant.line,
    ),
    Kind(
        "empty → populated not understood",
        "purchase_orders",
        "empty_to_populated",
        lambda ours, ion: ours.get("orderedAt") == ion["orderedAt"],
        Plant.fill,
    ),
    Kind(
        "properties that link to another object not understood",
        "purchase_orders",
        "link",
        lambda ours, ion: ours.get("shipToLocationId") == ion["shipToLocationId"],
        Plant.link,
    ),
    Kind(
        "new objects only partly filled",
        "parts_inventory",
        "partial_create",
        lambda ours, ion: ours == ion,
        Plant.inventory,
    ),
)


class Hub:
    """A hub process."""

    def __init__(self, stack: ExitStack, data: Path, **environment: str) -> None:
        self.data = data
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        arguments = ["serve", "--port", str(port), "--data", str(data)]
        child = stack.enter_context(Child("hub", arguments, data / "hub.log", environment))
        child.wait_until(
            lambda: find_running(data) is not None and is_responding(f"{self.url}/livez"), 60
        )
        running = find_running(data)
        assert running is not None
        self.key = running.key

    def api(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        request = urllib.request.Request(
            self.url + "/api/v1" + path, content, headers, method=method
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def connect(self, ion: LocalIonProcess) -> None:
        given = {
            "name": "plant",
            "api_url": ion.url,
            "auth_url": ion.url,
            "requests_per_second": 500,
        }
        given |= {"client_id": ion.client_id, "client_secret": ion.client_secret}
        given |= {"incremental_schedule": YEARLY, "full_schedule": YEARLY}
        self.api("POST", "/integrations", given)
        self.fetch("full")
        self.api("POST", "/integrations/plant/setup", {"mode": "automatic"})

    def fetch(self, mode: str) -> None:
        number = self.api("POST", "/integrations/plant/fetches", {"mode": mode})["id"]
        wait_until(lambda: self.api("GET", f"/fetches/{number}")["state"] == "done", 300)

    def at_rest(self) -> bool:
        summary = self.api("GET", "/integrations/plant/freshness")["summary"]
        return not summary["waiting_events"] and not summary["stale"]

    def docs(self, resource: str, ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Read objects from the database directly, without load of the hub."""
        marks = ",".join("?" * len(ids))
        query = f"SELECT id, doc FROM objects WHERE resource = ? AND id IN ({marks})"
        with closing(
            sqlite3.connect(f"file:{self.data / 'hub.db'}?mode=ro", uri=True)
        ) as connection:
            for id_, doc in connection.execute(query, [resource, *ids]):
                yield id_, json.loads(doc)


class Watch:
    """Records when each change of one kind is correct in one hub."""

    def __init__(self, hub: Hub, kind: Kind) -> None:
        self.hub, self.kind = hub, kind
        self.waiting: dict[str, tuple[float, dict[str, Any]]] = {}
        self.took: list[float] = []
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.thread.start()

    def _look(self) -> None:
        while not self.over.is_set():
            self.look()
            time.sleep(0.005)

    def look(self) -> None:
        waiting = dict(self.waiting)
        if not waiting:
            return
        moment = time.monotonic()
        for id_, ours in self.hub.docs(self.kind.resource, list(waiting)):
            since, truth = waiting[id_]
            if self.kind.right(ours, truth):
                self.took.append(moment - since)
                del self.waiting[id_]

    def end(self) -> None:
        self.over.set()
        self.thread.join()


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition; end the measurement after a time-out."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(
                "The programs did not become idle in time. Run the benchmark on a less busy machine."
            )
        time.sleep(0.05)


def measure(plant: Plant, hubs: list[Hub], kind: Kind, changes: int) -> list[Watch]:
    """Make changes of one kind, and watch each hub until all are correct or the time is over."""
    watches = [Watch(hub, kind) for hub in hubs]
    for number in range(changes):
        began = time.monotonic()
        id_ = kind.change(plant, number)
        truth = plant.truth(kind.resource, id_)
        for watch in watches:
            watch.waiting[id_] = (began, truth)
        time.sleep(0.05)
    deadline = time.monotonic() + WATCH_SECONDS
    while any(watch.waiting for watch in watches) and time.monotonic() < deadline:
        time.sleep(0.05)
    for watch in watches:
        watch.end()
    return watches


def shares(hub: Hub) -> dict[str, str]:
    """Return the share of changes that each limitation affected."""
    report = hub.api("GET", "/integrations/plant/drift")
    found: dict[str, str] = {}
    for kind in KINDS:
        mine = [
            one for one in [*report["causes"], *report["understood"]] if one["cause"] == kind.cause
        ]
        if kind.cause == "no_event_sent":
            mine = [one for one in mine if one["resource"] == kind.resource]
        count = sum(one["count"] for one in mine)
        found[kind.cause] = f"{100 * count / report['changes']:.1f} % of {report['changes']:,}"
    return found


def describe(watch: Watch) -> str:
    """Describe the delays, and the share of wrong objects."""
    right = f"{time_of(watch.took, 0.5)} / {time_of(watch.took, 0.99)}" if watch.took else ""
    if not watch.waiting:
        return right
    wrong = len(watch.waiting) / (len(watch.took) + len(watch.waiting))
    return f"{wrong:.0%} wrong until the next fetch" + (f"; the rest {right}" if right else "")


def time_of(took: list[float], share: float) -> str:
    cuts = statistics.quantiles(took, n=100, method="inclusive")
    value = cuts[round(share * 100) - 1]
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=100, help="changes of each kind")
    parser.add_argument(
        "--seconds", type=int, default=60, help="duration of the plant's work in seconds"
    )
    parser.add_argument("--rate", type=int, default=20, help="changes of the plant per second")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        where = Path(folder)
        options = ["--size", "small", "--changes-per-second", str(given.rate)]
        ion = stack.enter_context(running_local_ion(where / "ion" / "data", options))
        healing = Hub(stack, where / "on")
        alone = Hub(stack, where / "off", ULTRAVIOLET_HEAL="off")
        healing.connect(ion)
        print(
            f"The plant works for {given.seconds} s at {given.rate} changes per second…", flush=True
        )
        time.sleep(given.seconds)
        ion.rest()
        wait_until(healing.at_rest, 120)
        affected = shares(healing)
        plant = Plant(ion, given.changes)
        wait_until(healing.at_rest, 120)
        alone.connect(ion)
        print(
            f"{given.changes} changes of each kind, each watched for {WATCH_SECONDS:.0f} s…\n",
            flush=True,
        )
        print("| limitation | changes affected | delay with healing (p50 / p99) | healing off |")
        print("| --- | --- | --- | --- |")
        for kind in KINDS:
            on, off = measure(plant, [healing, alone], kind, given.changes)
            print(
                f"| {kind.name} | {affected[kind.cause]} | {describe(on)} | {describe(off)} |",
                flush=True,
            )
            alone.fetch("incremental")
            off.look()
            assert not off.waiting, f"{len(off.waiting)} objects differ after a fetch"


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
