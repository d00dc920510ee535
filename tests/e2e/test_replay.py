"""Replay a range of events after a dry run; rebuild a hub from events and one fetch."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from tests.conftest import set_pace

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


def test_range_is_replayed_after_dry_run(
    hub: Any, local_ion: Any, integration: dict[str, Any], wait: Any
) -> None:
    id_ = change(local_ion, "as it should be")
    path = f"/objects/purchase_orders/{id_}"
    wait(
        lambda: hub.api("GET", path)["fields"]["description"] == "as it should be", 5, "the change"
    )
    wait(lambda: hub.at_rest(local_ion, integration), 10, "rest")
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as connection, connection:
        connection.execute(
            """UPDATE objects SET doc = json_set(doc, '$.description', 'spoilt')
            WHERE resource = 'purchase_orders' AND id = ?""",
            [id_],
        )
    newest = hub.api("GET", f"/events?resource=purchase_orders&object={id_}")["items"][0]["seq"]

    rehearsal = hub.cli(
        "event", "replay", "--from", str(newest), "--to", str(newest), "--dry-run", "--json"
    )

    assert rehearsal.returncode == 0, rehearsal.stderr
    report = json.loads(rehearsal.stdout)
    assert (report["dry_run"], report["events"], report["objects"]) == (True, 1, 1)
    (changed,) = report["changes"]
    assert (changed["resource"], changed["id"], changed["change"]) == (
        "purchase_orders",
        id_,
        "update",
    )
    assert changed["fields"] == [{"name": "description", "old": "spoilt", "new": "as it should be"}]
    assert hub.api("GET", path)["fields"]["description"] == "spoilt"
    assert hub.api("GET", f"/events/{newest}")["outcome"] != "replayed"

    done = hub.cli("event", "replay", "--since", "1h", "--resource", "PurchaseOrder", "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["events"] >= 1
    wait(
        lambda: hub.api("GET", path)["fields"]["description"] == "as it should be",
        5,
        "the read from ION",
    )
    assert hub.api("GET", f"/events/{newest}")["outcome"] == "replayed"


def test_replay_requires_a_range(hub: Any, integration: dict[str, Any]) -> None:
    refused = hub.cli("event", "replay")

    assert refused.returncode == 2
    assert "Select events" in refused.stderr


def contents(hub: Any) -> dict[tuple[str, str], Any]:
    """Return all objects that are not deleted, from the database directly."""
    query = "SELECT resource, id, doc FROM objects WHERE deleted_at IS NULL"
    with closing(sqlite3.connect(f"file:{hub.data / 'hub.db'}?mode=ro", uri=True)) as connection:
        return {
            (resource, id_): json.loads(doc) for resource, id_, doc in connection.execute(query)
        }


def bodies(hub: Any) -> list[bytes]:
    with closing(sqlite3.connect(f"file:{hub.data / 'hub.db'}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM events ORDER BY seq")]


def test_hub_rebuilt_from_events_and_one_fetch_equals_original(
    hub: Any,
    local_ion: Any,
    integration: dict[str, Any],
    start_hub: Any,
    wait: Any,
    tmp_path: Any,
) -> None:
    ion, original = local_ion, hub
    before = ion.changes()
    set_pace(ion, 30)
    wait(lambda: ion.changes() - before > 200, 60, "200 changes")
    ion.rest()
    wait(lambda: original.at_rest(ion, integration), 60, "rest")
    with closing(sqlite3.connect(original.data / "hub.db", timeout=30)) as connection, connection:
        connection.execute("UPDATE events SET body = ? WHERE seq = 1", [b"not \xff UTF-8"])
    file = tmp_path / "events.jsonl"

    exported = original.cli("event", "export", str(file))
    assert exported.returncode == 0, exported.stderr
    rebuilt = start_hub(data=tmp_path / "rebuilt" / "data")
    given = {"name": "plant", "api_url": ion.url, "auth_url": ion.url, "requests_per_second": 500}
    given |= {"client_id": ion.client_id, "client_secret": ion.client_secret}
    given |= {"incremental_schedule": NEVER, "full_schedule": NEVER}
    again = rebuilt.api("POST", "/integrations", given)
    imported = rebuilt.cli("event", "import", str(file), "--json")
    assert imported.returncode == 0, imported.stderr
    rebuilt.fetch(again)
    wait(lambda: rebuilt.at_rest(ion, again), 60, "rest after the import")

    count = json.loads(imported.stdout)["added"]
    assert count == len(file.read_bytes().splitlines()) > 100
    assert bodies(rebuilt) == bodies(original)
    assert contents(rebuilt) == contents(original)
    assert json.loads(rebuilt.cli("event", "import", str(file), "--json").stdout)["added"] == 0
