"""The examples of the query runner, with ids and etags of existing objects."""

from typing import Any

import msgspec

from ultraviolet.local_ion.http.pages.reader import PageReader

EXISTING = """query Existing {
  purchaseOrders(filters: {status: {in: [DRAFT, REQUESTED, APPROVED, ORDERED]}},
      sort: [ID_ASC], first: 1) { edges { node { id _etag description } } }
  webhookReceivers(sort: [ID_DESC], first: 1) { edges { node { id } } }
}"""
ORDERS = """query PurchaseOrders {
  purchaseOrders(first: 10, sort: [ID_DESC]) {
    pageInfo { totalCount }
    edges { node { id status estimatedTotalCost supplier { id name } _etag } }
  }
}
"""
UPDATE_ORDER = """mutation UpdateOrder($input: UpdatePurchaseOrderInput!) {
  updatePurchaseOrder(input: $input) {
    purchaseOrder { id description status _etag }
  }
}
"""
CREATE_RECEIVER = """mutation CreateReceiver($input: CreateWebhookReceiverInput!) {
  createWebhookReceiver(input: $input) {
    webhookReceiver { id name webhookUri sharedSecret active }
  }
}
"""
SUBSCRIBE = """mutation Subscribe($input: CreateWebhookSubscriptionInput!) {
  createWebhookSubscription(input: $input) {
    webhookSubscription { id resource action active }
  }
}
"""
DELIVERIES = """query Deliveries {
  webhookEvents(first: 10, sort: [ID_DESC]) {
    edges { node { id status responseStatusCode requestData } }
  }
}
"""


class Example(msgspec.Struct, frozen=True):
    """An operation to load into the query runner."""

    name: str
    title: str
    description: str
    query: str
    variables: dict[str, Any] = {}


def load_examples(reader: PageReader) -> list[Example]:
    """Return the examples for the current objects."""
    data = reader.execute(EXISTING, {})
    orders = [edge["node"] for edge in data["purchaseOrders"]["edges"]]
    receivers = [edge["node"] for edge in data["webhookReceivers"]["edges"]]
    order = orders[0] if orders else {"id": 1, "_etag": "the current etag", "description": ""}
    receiver_id = receivers[0]["id"] if receivers else 1
    text = f"{order['description'] or 'Order'}, changed in the query runner"
    update = {"input": {"id": order["id"], "etag": order["_etag"], "description": text}}
    stale = {"input": {"id": order["id"], "etag": "outdated", "description": text}}
    url = "http://127.0.0.1:9000/hook"
    return [
        Example("orders", "List purchase orders", "A query with a linked object.", ORDERS),
        Example(
            "update-order",
            "Update an order",
            f"A mutation with the current etag of purchase order {order['id']}.",
            UPDATE_ORDER,
            update,
        ),
        Example(
            "create-receiver",
            "Create a webhook receiver",
            "The address to which ION posts deliveries.",
            CREATE_RECEIVER,
            {"input": {"name": "My receiver", "webhookUri": url, "sharedSecret": "a secret"}},
        ),
        Example(
            "subscribe",
            "Subscribe to an event",
            f"Deliver updates of purchase orders to receiver {receiver_id}.",
            SUBSCRIBE,
            {
                "input": {
                    "receiverId": receiver_id,
                    "resource": "PURCHASE_ORDERS",
                    "action": "UPDATE",
                }
            },
        ),
        Example("deliveries", "List deliveries", "The newest webhook deliveries.", DELIVERIES),
        Example(
            "outdated-etag",
            "A mutation that fails",
            "ION rejects an update with an outdated etag.",
            UPDATE_ORDER,
            stale,
        ),
    ]
