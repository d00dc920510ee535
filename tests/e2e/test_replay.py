"""Replay and rebuild: a range of events again, rehearsed first; a hub made anew from events and one fetch."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

NEVER = "0 0 1 1 *"
ORDER = "{ purchaseOrders(first: 1, sort: [ID_ASC]) { edges { node { id _etag description } } } }"
UPDATE = """mutation ($i: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $i) { purchaseOrder { id _etag } } }"""


@pytest.fixture(scope="module")
def integration(hub: Any, local_ion: Any) -> dict[str, Any]:
    made = hub.connect(local_ion, incremental_schedule=NEVER, full_schedule=NEVER)
    assert hub.fetch(made)["state"] == "done"
    return made


def change(ion: Any, description: str) -> str:
    order = ion.execute(ORDER)["purchaseOrders"]["edges"][0]["node"]
    ion.execute(UPDATE, i={"id": order["id"], "etag": order["_etag"], "description": description})
    return str(order["id"])


def test_a_range_is_replayed_after_a_rehearsal(
    hub: Any, local_ion: Any, integration: dict[str, Any], wait: Any
) -> None:
    id_ = change(local_ion, "as it should be")
    path = f"/objects/purchase_orders/{id_}"
    wait(lambda: hub.api("GET", path)["fields"]["description"] == "as it should be", 5, "the change")
    wait(lambda: hub.at_rest(local_ion, integration), 10, "rest")
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as connection, connection:
        connection.execute(
            """UPDATE objects SET doc = json_set(doc, '$.description', 'spoilt')
            WHERE resource = 'purchase_orders' AND id = ?""",
            [id_],
        )
    newest = hub.api("GET", f"/events?resource=purchase_orders&object={id_}")["items"][0]["seq"]

    rehearsal = hub.cli("event", "replay", "--from", str(newest), "--to", str(newest), "--dry-run", "--json")

    assert rehearsal.returncode == 0, rehearsal.stderr
    report = json.loads(rehearsal.stdout)
    assert (report["dry_run"], report["events"], report["objects"]) == (True, 1, 1)
    (changed,) = report["changes"]
    assert (changed["resource"], changed["id"], changed["change"]) == ("purchase_orders", id_, "update")
    assert changed["fields"] == [{"name": "description", "old": "spoilt", "new": "as it should be"}]
    assert hub.api("GET", path)["fields"]["description"] == "spoilt"
    assert hub.api("GET", f"/events/{newest}")["outcome"] != "replayed"

    done = hub.cli("event", "replay", "--since", "1h", "--resource", "PurchaseOrder", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] >= 1
    wait(lambda: hub.api("GET", path)["fields"]["description"] == "as it should be", 5, "the read from ION")
    assert hub.api("GET", f"/events/{newest}")["outcome"] == "replayed"


def test_a_replay_of_everything_is_not_begun_by_mistake(hub: Any, integration: dict[str, Any]) -> None:
    refused = hub.cli("event", "replay")

    assert refused.returncode == 2
    assert "Say which events" in refused.stderr
