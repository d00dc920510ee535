"""The main path over real processes: connect, set up, fetch, receive changes, verify."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.conftest import make_start_hub, make_start_ion

AN_ORDER = "{ purchaseOrders(first: 1, sort: [ID_ASC]) { edges { node { id _etag status description } } } }"
UPDATE_ORDER = """mutation ($input: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $input) { purchaseOrder { id _etag description } }
}"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str | None:
    """The URL of the hub's database; None means the default file."""
    return (
        request.getfixturevalue("postgresql").new_database()
        if request.param == "postgresql"
        else None
    )


@pytest.fixture(scope="module")
def local_ion(tmp_path_factory: pytest.TempPathFactory, database: Any) -> Iterator[Any]:
    """A local ION for each database, with only one hub."""
    with ExitStack() as stack:
        yield make_start_ion(stack, lambda name: tmp_path_factory.mktemp(name) / "data")()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, database: Any) -> Iterator[Any]:
    """A hub on each database."""
    with ExitStack() as stack:
        yield make_start_hub(stack, lambda name: tmp_path_factory.mktemp(name) / "data")(
            store_url=database
        )


@pytest.fixture(scope="module")
def integration(hub: Any, local_ion: Any) -> dict[str, Any]:
    """An integration as in the setup guide, after its first fetch."""
    made = hub.connect(local_ion)
    assert hub.fetch(made)["state"] == "done"
    return made


def first_order(local_ion: Any) -> dict[str, Any]:
    return local_ion.execute(AN_ORDER)["purchaseOrders"]["edges"][0]["node"]


def test_connection_test_shows_key_and_readable_resources(
    hub: Any, integration: dict[str, Any]
) -> None:
    result = hub.api("POST", f"/integrations/{integration['id']}/test")

    assert result["ok"], result["findings"]
    assert result["viewer"]["name"]
    readable = {one["resource"] for one in result["resources"] if one["readable"]}
    assert {"purchase_orders", "purchase_order_lines", "parts", "runs"} <= readable


def test_secret_is_never_returned(hub: Any, integration: dict[str, Any], local_ion: Any) -> None:
    seen = json.dumps(hub.api("GET", f"/integrations/{integration['id']}"))

    assert local_ion.client_secret not in seen


def test_change_in_ion_arrives_without_a_fetch(
    hub: Any, local_ion: Any, integration: dict[str, Any], wait: Any
) -> None:
    order = first_order(local_ion)
    wanted = f"Changed at {time.time()}"

    update = {"id": order["id"], "etag": order["_etag"], "description": wanted}
    local_ion.execute(UPDATE_ORDER, input=update)

    def arrived() -> Any:
        mirrored = hub.api("GET", f"/objects/purchase_orders/{order['id']}")
        return mirrored if mirrored["fields"]["description"] == wanted else None

    wait(arrived, 5, "the change")
    fresh = wait(lambda: (o := arrived()) and o["state"] == "fresh" and o, 3, "the confirmation")
    assert fresh["origin"]["kind"] in ("event", "heal")


def test_change_has_history_and_event(
    hub: Any, local_ion: Any, integration: dict[str, Any], wait: Any
) -> None:
    order = first_order(local_ion)
    before = hub.api("GET", f"/objects/purchase_orders/{order['id']}")["version"]
    update = {"id": order["id"], "etag": order["_etag"], "description": "For the history"}
    local_ion.execute(UPDATE_ORDER, input=update)

    path = f"/objects/purchase_orders/{order['id']}"
    wait(lambda: hub.api("GET", path)["version"] > before, 3, "a new version")

    newest = next(
        v for v in hub.api("GET", f"{path}/history")["items"] if "description" in v["changed"]
    )
    assert newest["by"]["name"]
    events = hub.api("GET", f"/events?resource=purchase_orders&object={order['id']}")["items"]
    assert events[0]["action"] == "UPDATE"
    assert events[0]["signature"] == "verified"


def test_repeated_setup_changes_nothing(
    hub: Any, local_ion: Any, integration: dict[str, Any]
) -> None:
    counts = "{ webhookReceivers(filters: {active: {eq: true}}) { pageInfo { totalCount } } webhookSubscriptions { pageInfo { totalCount } } }"
    before = local_ion.execute(counts)

    hub.api("POST", f"/integrations/{integration['id']}/setup", {"mode": "automatic"})

    assert local_ion.execute(counts) == before
    assert before["webhookReceivers"]["pageInfo"]["totalCount"] == 1


def test_verify_finds_no_difference(hub: Any, integration: dict[str, Any]) -> None:
    result = hub.cli("verify", "--json")

    report = json.loads(result.stdout)
    assert result.returncode == 0, report
    assert report["missing"] == report["extra"] == report["different"] == 0
    assert report["equal"] == report["objects"] > 100


def test_command_line_shows_the_same(hub: Any, local_ion: Any, integration: dict[str, Any]) -> None:
    order = first_order(local_ion)
    shown = hub.cli("object", "show", "purchase_orders", str(order["id"]), "--json")

    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["fields"]["description"] == order["description"]


def test_killed_hub_keeps_acknowledged_deliveries(
    local_ion: Any, start_hub: Any, wait: Any, database: Any, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgresql").new_database() if database else None
    hub = start_hub(store_url=url)
    integration = hub.connect(local_ion, name="to be killed")
    hub.fetch(integration)
    wanted = []
    order = first_order(local_ion)
    for number in range(30):
        update = {
            "id": order["id"],
            "etag": order["_etag"],
            "description": f"Before the crash {number}",
        }
        order = local_ion.execute(UPDATE_ORDER, input=update)["updatePurchaseOrder"][
            "purchaseOrder"
        ]
        wanted.append(order["description"])
        if number == 15:
            hub.child.kill()

    again = start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]), store_url=url)

    def right() -> bool:
        mirrored = again.api(
            "GET", f"/objects/purchase_orders/{order['id']}?integration={integration['id']}"
        )
        return mirrored["fields"]["description"] == wanted[-1]

    # ION retries deliveries to a dead hub with growing pauses.
    wait(right, 60, "the newest content")
    accepted = local_ion.execute(
        "{ webhookEvents(filters: {status: {eq: SUCCEEDED}}) { edges { node { id subscription { receiverId } } } } }"
    )["webhookEvents"]["edges"]
    receivers = local_ion.execute(
        "{ webhookReceivers(sort: [ID_DESC], first: 1) { edges { node { id } } } }"
    )
    newest = receivers["webhookReceivers"]["edges"][0]["node"]["id"]
    sent = {
        str(one["node"]["id"])
        for one in accepted
        if one["node"]["subscription"]["receiverId"] == newest
    }
    stored = all_events(again, integration)
    assert sent <= stored


def all_events(hub: Any, integration: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    path = f"/events?integration={integration['id']}&limit=500"
    cursor = ""
    while True:
        page = hub.api("GET", path + cursor)
        found |= {str(one["event_id"]) for one in page["items"]}
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}"
