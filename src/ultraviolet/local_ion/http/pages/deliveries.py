"""The page of webhook deliveries, newest first, also of one resource or transaction."""

from typing import Any

import msgspec

from ultraviolet.ion.labels import choice_label, resource_label
from ultraviolet.local_ion.http.pages.documents import PAGE_SIZE
from ultraviolet.local_ion.http.pages.reader import PageReader
from ultraviolet.local_ion.http.pages.values import (
    Cell,
    address,
    cell,
    is_shown,
    time_cell,
)

RESOURCE_TYPE = "ResourceEnum"
"""The type of the resource of a subscription, in upper case."""
_STATUS_TYPE = "Webhookeventstatusenum"
QUERY = """query Deliveries($filters: WebhookEventsInputFilters, $first: Int, $after: String) {
  webhookEvents(filters: $filters, sort: [ID_DESC], first: $first, after: $after) {
    pageInfo { totalCount }
    edges { node {
      id status numberOfRetries responseStatusCode responseData requestData _created
      subscription { id receiver { id name webhookUri } }
    } }
  }
}"""


class Delivery(msgspec.Struct, frozen=True):
    """A delivery as the page shows it."""

    id: str
    time: Cell
    event: str
    object_title: str
    object_href: str
    receiver: str
    receiver_href: str
    status: Cell
    response: str
    retries: int


class _Body(msgspec.Struct, frozen=True):
    """The parts of a delivery's body that the page shows."""

    resource: str = ""
    action: str = ""
    id: int | str = ""


def transaction_filter(transaction_id: int) -> dict[str, Any]:
    """Return the filter of the deliveries of one transaction."""
    return {"requestData": {"like": f'%"transaction_id":{transaction_id},"timestamp":%'}}


def delivery_statuses(reader: PageReader) -> list[tuple[str, str]]:
    """Return the statuses of deliveries with their labels."""
    return [(each, choice_label(each)) for each in sorted(reader.catalog.types()[_STATUS_TYPE])]


def count_deliveries(reader: PageReader, transaction_id: int) -> int:
    """Return the number of deliveries of one transaction."""
    variables = {"filters": transaction_filter(transaction_id), "first": 0}
    return reader.execute(QUERY, variables)["webhookEvents"]["pageInfo"]["totalCount"]


def read_deliveries(
    reader: PageReader, transaction_id: int | None, resource: str, status: str, after: str | None
) -> tuple[list[Delivery], int]:
    """Return one page of deliveries, and their total number.

    An empty resource or status means any.
    """
    filters = transaction_filter(transaction_id) if transaction_id is not None else {}
    if status:
        filters |= {"status": {"eq": status}}
    if resource:
        filters |= {"subscription": {"resource": {"eq": resource.upper()}}}
    variables = {"filters": filters, "first": PAGE_SIZE, "after": after}
    found = reader.execute(QUERY, variables)["webhookEvents"]
    rows = [_delivery(reader, edge["node"]) for edge in found["edges"]]
    return rows, found["pageInfo"]["totalCount"]


def _delivery(reader: PageReader, node: dict[str, Any]) -> Delivery:
    events = reader.catalog.resources["webhook_events"]
    try:
        body = msgspec.json.decode(node["requestData"] or "{}", type=_Body)
    except msgspec.MsgspecError:
        body = _Body()
    label = resource_label(body.resource)
    resource = reader.catalog.resources.get(body.resource)
    exists = resource is not None and is_shown(resource) and body.action != "DELETE"
    subscription: dict[str, Any] = node["subscription"] or {}
    receiver = subscription.get("receiver")
    return Delivery(
        str(node["id"]),
        time_cell(str(node["_created"]), "time"),
        f"{label.singular} {body.action.lower()}d",
        f"{label.singular} {body.id}",
        address(body.resource, body.id) if exists else "",
        str(receiver["name"] or receiver["webhookUri"]) if receiver else "Deleted receiver",
        address("webhook_receivers", receiver["id"]) if receiver else "",
        cell(reader.catalog, events, node, "status"),
        str(node["responseStatusCode"] or ""),
        node["numberOfRetries"] or 0,
    )
