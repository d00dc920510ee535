"""Deselected resources are not read, reported or verified; selected resources stay correct."""

from typing import Any

CHOSEN = ["purchase_orders", "suppliers"]
A_LINE = """{ purchaseOrderLines(first: 1, sort: [ID_ASC], filters: {status: {eq: DRAFT}}) { edges { node {
  id _etag quantity purchaseOrderId purchaseOrder { estimatedCost } } } } }"""
UPDATE_LINE = """mutation ($input: UpdatePurchaseOrderLineInput!) {
  updatePurchaseOrderLine(input: $input) { purchaseOrderLine { id purchaseOrder { estimatedCost } } } }"""
SUBSCRIBED = "{ webhookSubscriptions { edges { node { resource } } } }"


def a_line(ion: Any) -> dict[str, Any]:
    return ion.execute(A_LINE)["purchaseOrderLines"]["edges"][0]["node"]


def more_of(ion: Any) -> str:
    """Increase the quantity of a line; return the new cost of its order."""
    line = a_line(ion)
    given = {"id": line["id"], "etag": line["_etag"], "quantity": line["quantity"] + 1}
    changed = ion.execute(UPDATE_LINE, input=given)["updatePurchaseOrderLine"]["purchaseOrderLine"]
    return changed["purchaseOrder"]["estimatedCost"]


def counts(hub: Any) -> dict[str, int]:
    listed = hub.api("GET", "/integrations/1/resources")["items"]
    return {one["resource"]: one["objects"] for one in listed if one["objects"]}


def test_only_selected_resources_are_synced_and_stay_correct(
    start_hub: Any, local_ion: Any, wait: Any
) -> None:
    hub = start_hub()
    integration = hub.connect(local_ion, resources=["PurchaseOrder", "suppliers"])
    assert integration["resources"] == CHOSEN
    hub.fetch(integration)
    assert sorted(counts(hub)) == CHOSEN
    nodes = local_ion.execute(SUBSCRIBED)["webhookSubscriptions"]["edges"]
    subscribed = {edge["node"]["resource"] for edge in nodes}
    assert {"PURCHASE_ORDERS", "SUPPLIERS", "PURCHASE_ORDER_LINES"} <= subscribed
    assert not subscribed & {"PARTS", "RUNS", "ISSUES"}

    line = a_line(local_ion)
    order = f"/objects/purchase_orders/{line['purchaseOrderId']}"
    cost = more_of(local_ion)
    wait(
        lambda: hub.api("GET", order)["fields"]["estimatedCost"] == cost,
        20,
        "the cost of the order",
    )
    told = hub.api("GET", "/events?resource=purchase_order_lines")["items"]
    assert {one["outcome"] for one in told} == {"not_chosen"}
    assert sorted(counts(hub)) == CHOSEN
    verified = hub.api("POST", "/integrations/1/verifications")
    wait(
        lambda: hub.api("GET", f"/verifications/{verified['id']}")["state"] == "done",
        60,
        "the comparison",
    )
    result = hub.api("GET", f"/verifications/{verified['id']}")
    assert (result["missing"], result["extra"], result["different"]) == (0, 0, 0)
    assert hub.api("GET", "/integrations/1/freshness")["state"] == "fresh"

    added = hub.cli(
        "integration", "resources", "--add", "purchase_order_lines", "--drop", "suppliers"
    )
    assert added.returncode == 0, added.stderr

    def proven() -> bool:
        rows = hub.api("GET", "/integrations/1/freshness")["resources"]
        return any(one["resource"] == "purchase_order_lines" and one["proven_at"] for one in rows)

    wait(proven, 60, "the lines are read")
    assert counts(hub)["purchase_order_lines"] > 0
    rows = {
        one["resource"]: one for one in hub.api("GET", "/integrations/1/freshness")["resources"]
    }
    assert "existing objects are kept" in rows["suppliers"]["skipped"]
    kept = counts(hub)["suppliers"]
    assert kept > 0
    shown = hub.api("GET", f"/objects/purchase_order_lines/{line['id']}")["fields"]
    assert shown["quantity"] == line["quantity"] + 1
    fetch = hub.fetch(integration)
    steps = {step["resource"] for step in hub.api("GET", f"/fetches/{fetch['id']}")["steps"]}
    assert steps == {"purchase_orders", "purchase_order_lines"}
    assert counts(hub)["suppliers"] == kept
