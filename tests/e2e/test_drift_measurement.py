"""A running hub measures the drift of webhooks alone, and reports a dead receiver."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.conftest import HubProcess, make_start_hub

NEVER = "0 0 1 1 *"
ORDER = "{ purchaseOrders(first: 1, sort: [ID_ASC]) { edges { node { id } } } }"
PART = "{ parts(first: 1) { edges { node { id } } } }"
CREATE_LINE = """mutation ($i: CreatePurchaseOrderLineInput!) {
  createPurchaseOrderLine(input: $i) { purchaseOrderLine { id } } }"""
CREATE_ORDER = "mutation ($i: CreatePurchaseOrderInput!) { createPurchaseOrder(input: $i) { purchaseOrder { id } } }"
RECEIVERS = "{ webhookReceivers { edges { node { id _etag } } } }"
SWITCH_OFF = """mutation ($i: UpdateWebhookReceiverInput!) {
  updateWebhookReceiver(input: $i) { webhookReceiver { id } } }"""
CREATE_SUPPLIER = (
    "mutation ($i: CreateSupplierInput!) { createSupplier(input: $i) { supplier { id } } }"
)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """A hub that does not repair the changes of these tests."""
    with ExitStack() as stack:
        start = make_start_hub(stack, lambda name: tmp_path_factory.mktemp(name) / "data")
        yield start(ULTRAVIOLET_WATCH_SECONDS="3600")


@pytest.fixture(scope="module")
def integration(hub: Any, local_ion: Any) -> dict[str, Any]:
    made = hub.connect(local_ion, incremental_schedule="0 * * * *", full_schedule=NEVER)
    assert hub.fetch(made)["state"] == "done"
    return made


def printed(hub: Any, *command: str) -> Any:
    done = hub.cli(*command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_drift_report_shows_errors_of_webhooks_alone(
    hub: Any, local_ion: Any, integration: dict[str, Any], wait: Any
) -> None:
    order = local_ion.execute(CREATE_ORDER, i={"description": "for a line"})["createPurchaseOrder"]
    part = local_ion.execute(PART)["parts"]["edges"][0]["node"]["id"]
    line = {
        "purchaseOrderId": order["purchaseOrder"]["id"],
        "partId": part,
        "quantity": 4.0,
        "cost": 2.5,
    }
    made = local_ion.execute(CREATE_LINE, i=line)["createPurchaseOrderLine"]["purchaseOrderLine"]
    wait(lambda: hub.find(f"/objects/purchase_order_lines/{made['id']}"), 5, "the line")
    wait(lambda: hub.at_rest(local_ion, integration), 10, "rest")

    report = printed(hub, "drift", "--since", "1h", "--by", "hour")

    causes = {(one["resource"], one["cause"]): one for one in report["causes"]}
    silent = causes["purchase_order_lines", "no_event_sent"]
    assert silent["count"] == 1
    assert silent["share"] == 1.0
    assert 0 < silent["p50_seconds"] < 10
    assert list(silent["healed_by"].values()) == [1]
    assert causes["purchase_orders", "partial_create"]["healed_by"] == {"heal": 1}
    assert sum(sum(one["causes"].values()) for one in report["over_time"]) == report["wrong"]
    here = f"/integrations/{integration['id']}/drift/samples?cause=no_event_sent&resource=purchase_order_lines"
    (sample,) = hub.api("GET", here)["items"]
    assert sample["id"] == str(made["id"])
    assert "no_event_sent" in hub.cli("drift").stdout


def test_mirror_is_fresh_after_fetch(hub: Any, integration: dict[str, Any]) -> None:
    judged = printed(hub, "freshness")

    assert judged["sentence"].startswith("Up to date: last change"), judged["findings"]
    assert {one["state"] for one in judged["resources"]} == {"fresh"}
    assert judged["p99_seconds"] > 0
    (status,) = printed(hub, "status")["integrations"]
    assert (status["state"], status["sentence"][:11]) == ("fresh", "Up to date:")


def test_deactivated_receiver_is_reported(
    hub: Any, local_ion: Any, integration: dict[str, Any]
) -> None:
    for edge in local_ion.execute(RECEIVERS)["webhookReceivers"]["edges"]:
        node = edge["node"]
        local_ion.execute(SWITCH_OFF, i={"id": node["id"], "etag": node["_etag"], "active": False})
    for number in range(3):
        local_ion.execute(CREATE_SUPPLIER, i={"name": f"Unheard {number}"})
    hub.fetch(integration, "incremental")

    judged = printed(hub, "freshness")

    assert judged["state"] == "stale"
    assert "without a webhook event" in judged["sentence"]
    assert "Check the receiver" in judged["sentence"]
    assert "without a webhook event" in " ".join(hub.cli("status").stdout.split())
