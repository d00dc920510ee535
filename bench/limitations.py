"""The four documented limitations, measured: how many changes each affects, and how long each stays wrong.

One local ION with all its quirks on, and two hubs connected to it: one as it is, one with ULTRAVIOLET_HEAL=off, which
has nothing but webhooks and scheduled fetches. First a plant works, and the drift of the first hub tells what share of
all changes each limitation affects. Then the plant rests, the same changes are made for both, one kind after another,
and each mirror is watched until it says what ION says. What is still wrong at the end of the watch is read by an
incremental fetch, as the schedule would. Prints one Markdown table.
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

NEVER = "0 0 1 1 *"
WATCH = 10.0
"""Seconds after which a change that is not right yet is left to the next fetch."""
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
"""Whether what the mirror has agrees with what ION has, as far as a limitation goes."""


class Kind(msgspec.Struct, frozen=True):
    """One limitation: what shows it, where drift counts it, and how a mirror is right about it."""

    name: str
    resource: str
    cause: str
    right: Look
    change: Callable[["Plant", int], str]


class Plant:
    """The local ION as one who works in it sees it."""

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
        """What a whole read of an object gives, in the form the mirror keeps."""
        known = self.catalog.resources[resource]
        document, variables = queries.by_ids_query([("a", known, [id_])], self.offered)
        node = self.ion.execute(document, **variables)["a"]["edges"][0]["node"]
        return queries.normalize_document(known, node)

    def _update(self, order: dict[str, Any], **fields: Any) -> str:
        self.ion.execute(UPDATE_ORDER, i={"id": order["id"], "etag": order["_etag"], **fields})
        return str(order["id"])


KINDS = (
    Kind(
        "no webhook for new purchase-order lines",
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
    """A hub in a process of its own."""

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
        given |= {"incremental_schedule": NEVER, "full_schedule": NEVER}
        self.api("POST", "/integrations", given)
        self.fetch("full")
        self.api("POST", "/integrations/plant/setup", {"mode": "automatic"})

    def fetch(self, mode: str) -> None:
        number = self.api("POST", "/integrations/plant/fetches", {"mode": mode})["id"]
        until(lambda: self.api("GET", f"/fetches/{number}")["state"] == "done", 300)

    def at_rest(self) -> bool:
        summary = self.api("GET", "/integrations/plant/freshness")["summary"]
        return not summary["waiting_events"] and not summary["stale"]

    def docs(self, resource: str, ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Read objects past the hub, so that watching costs it nothing."""
        marks = ",".join("?" * len(ids))
        query = f"SELECT id, doc FROM objects WHERE resource = ? AND id IN ({marks})"
        with closing(
            sqlite3.connect(f"file:{self.data / 'hub.db'}?mode=ro", uri=True)
        ) as connection:
            for id_, doc in connection.execute(query, [resource, *ids]):
                yield id_, json.loads(doc)


class Watch:
    """Sees when each change of one kind is right in one hub."""

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


def until(look: Callable[[], bool], seconds: float) -> None:
    """Look again and again; what takes too long ends the measurement."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit(
                "This did not come to rest in time; the machine may be too busy to measure."
            )
        time.sleep(0.05)


def measure(plant: Plant, hubs: list[Hub], kind: Kind, changes: int) -> list[Watch]:
    """Make changes of one kind, and watch each hub until all are right or the time is over."""
    watches = [Watch(hub, kind) for hub in hubs]
    for number in range(changes):
        began = time.monotonic()
        id_ = kind.change(plant, number)
        truth = plant.truth(kind.resource, id_)
        for watch in watches:
            watch.waiting[id_] = (began, truth)
        time.sleep(0.05)
    deadline = time.monotonic() + WATCH
    while any(watch.waiting for watch in watches) and time.monotonic() < deadline:
        time.sleep(0.05)
    for watch in watches:
        watch.end()
    return watches


def shares(hub: Hub) -> dict[str, str]:
    """Tell what share of changes each limitation affected while the plant worked."""
    report = hub.api("GET", "/integrations/plant/drift")
    found: dict[str, str] = {}
    for kind in KINDS:
        mine = [one for one in report["causes"] if one["cause"] == kind.cause]
        if kind.cause == "no_event_sent":
            mine = [one for one in mine if one["resource"] == kind.resource]
        count = sum(one["count"] for one in mine)
        found[kind.cause] = f"{100 * count / report['changes']:.1f} % of {report['changes']:,}"
    return found


def words(watch: Watch) -> str:
    """Say how long changes took to be right, and how many were left wrong."""
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
    parser.add_argument("--seconds", type=int, default=60, help="how long the plant works first")
    parser.add_argument("--rate", type=int, default=20, help="changes a second of the plant")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        where = Path(folder)
        options = ["--size", "small", "--changes-per-second", str(given.rate)]
        ion = stack.enter_context(running_local_ion(where / "ion" / "data", options))
        healing = Hub(stack, where / "on")
        alone = Hub(stack, where / "off", ULTRAVIOLET_HEAL="off")
        healing.connect(ion)
        print(
            f"The plant works for {given.seconds} s at {given.rate} changes a second…", flush=True
        )
        time.sleep(given.seconds)
        ion.rest()
        until(healing.at_rest, 120)
        affected = shares(healing)
        plant = Plant(ion, given.changes)
        until(healing.at_rest, 120)
        alone.connect(ion)
        print(
            f"{given.changes} changes of each kind, each watched for {WATCH:.0f} s…\n", flush=True
        )
        print(
            "| limitation | changes affected | right after, healing on (p50 / p99) | healing off |"
        )
        print("| --- | --- | --- | --- |")
        for kind in KINDS:
            on, off = measure(plant, [healing, alone], kind, given.changes)
            print(
                f"| {kind.name} | {affected[kind.cause]} | {words(on)} | {words(off)} |", flush=True
            )
            alone.fetch("incremental")
            off.look()
            assert not off.waiting, f"{len(off.waiting)} were wrong even after a fetch"


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
