"""A busy plant of 20,000 objects: what webhooks bring is right when ION rests, and a crash loses nothing."""

import json
import sqlite3
import urllib.request
from typing import Any

SIZE = "20000"
RATE = 100
SECONDS = 60
CHANGES = RATE * SECONDS
ACCEPTED = """query ($after: ID) { webhookEvents(filters: {status: {eq: SUCCEEDED}, id: {gt: $after}},
  sort: [ID_ASC], first: 5000) { edges { node { id } } } }"""


def test_a_hub_killed_amid_100_changes_a_second_is_right_afterwards(
    start_ion: Any, start_hub: Any, wait: Any
) -> None:
    ion = start_ion(size=SIZE, changes=RATE)
    hub = start_hub()
    integration = hub.connect(ion)
    assert hub.fetch(integration)["state"] == "done"
    before = plant_changes(ion)

    wait(lambda: plant_changes(ion) - before >= CHANGES / 2, SECONDS, "the first half of the changes")
    hub.child.kill()
    accepted = accepted_events(ion)
    hub = start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]))
    assert len(accepted) > RATE
    assert accepted <= stored_events(hub)
    wait(lambda: plant_changes(ion) - before >= CHANGES, SECONDS, "the second half of the changes")

    ion.rest()
    wait(lambda: at_rest(hub, ion, integration), 120, "all deliveries taken, applied and healed")
    verified = hub.cli("verify", "--json")
    report = json.loads(verified.stdout)
    assert verified.returncode == 0, report
    assert (report["missing"], report["extra"], report["different"]) == (0, 0, 0)
    assert report["objects"] == report["equal"] >= 20_000
    assert accepted_events(ion) <= stored_events(hub)


def plant_changes(ion: Any) -> int:
    with urllib.request.urlopen(f"{ion.url}/_local/plant") as answer:
        return json.loads(answer.read())["changes"]


def accepted_events(ion: Any) -> set[str]:
    """The events whose delivery was answered with 2xx, as ION recorded it."""
    found: set[str] = set()
    last = 0
    while True:
        edges = ion.execute(ACCEPTED, after=last)["webhookEvents"]["edges"]
        found |= {str(edge["node"]["id"]) for edge in edges}
        if not edges:
            return found
        last = edges[-1]["node"]["id"]


def stored_events(hub: Any) -> set[str]:
    with sqlite3.connect(f"file:{hub.data / 'hub.db'}?mode=ro", uri=True) as connection:
        return {row[0] for row in connection.execute("SELECT event_id FROM events")}


def at_rest(hub: Any, ion: Any, integration: dict[str, Any]) -> bool:
    underway = ion.execute(
        "{ webhookEvents(filters: {status: {in: [SENDING, RETRYING]}}, first: 1) { pageInfo { totalCount } } }"
    )
    summary = hub.api("GET", f"/integrations/{integration['id']}/freshness")["summary"]
    return underway["webhookEvents"]["pageInfo"]["totalCount"] == 0 and not (
        summary["stale"] or summary["waiting_events"]
    )
