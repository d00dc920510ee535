"""Read, create and change ION's webhook receivers and subscriptions."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from ultraviolet.ion.client import IonClient, Result
from ultraviolet.ion.errors import IonRefusedError, IonUnreadableError

Pair = tuple[str, str]
"""A value of ResourceEnum and an action."""

CREATE_RECEIVER = """mutation CreateWebhookReceiver($input: CreateWebhookReceiverInput!) {
  createWebhookReceiver(input: $input) {
    webhookReceiver {
      id
      name
      description
      webhookUri
      sharedSecret
      contentType
      expectedResponseCode
      active
      subscriptions { resource action id }
      headers { key value id }
    }
  }
}"""
EXPECTED_RESPONSE_CODE = 200
_READ_RECEIVER = (
    "query Receiver($id: ID!) { webhookReceiver(id: $id) { id _etag name webhookUri sharedSecret active"
    " expectedResponseCode subscriptions { id _etag resource action active } } }"
)
_LIST_RECEIVERS = (
    "query Receivers { webhookReceivers(first: 1000) { edges { node { id webhookUri } } } }"
)
_UPDATE_RECEIVER = (
    "mutation UpdateWebhookReceiver($input: UpdateWebhookReceiverInput!) { updateWebhookReceiver(input: $input) {"
    " webhookReceiver { id } } }"
)
_UPDATE_SUBSCRIPTION = (
    "mutation UpdateWebhookSubscription($input: UpdateWebhookSubscriptionInput!) {"
    " updateWebhookSubscription(input: $input) { webhookSubscription { id } } }"
)
_DELETE_SUBSCRIPTION = (
    "mutation DeleteWebhookSubscription($id: ID!, $etag: String!) { deleteWebhookSubscription(id: $id, etag: $etag)"
    " { id } }"
)
_OPERATIONS_PER_REQUEST = 25


class Subscription(msgspec.Struct, frozen=True):
    """A (resource, action) pair for which ION posts events."""

    id: str
    resource: str
    action: str
    active: bool
    etag: str


class Receiver(msgspec.Struct, frozen=True):
    """An address to which ION posts. It contains the secret of the webhook URL."""

    id: str
    name: str
    uri: str
    shared_secret: str | None
    active: bool
    expected_response_code: int
    etag: str
    subscriptions: tuple[Subscription, ...] = ()

    @property
    def token(self) -> str:
        """The secret part of the address."""
        return _token(self.uri)

    def __repr__(self) -> str:
        """Keep address and secret out of tracebacks and logs."""
        return f"Receiver({self.id}, {self.name})"


def subscription_document(pairs: Sequence[Pair]) -> str:
    """Return a mutation that subscribes all pairs, with the variable `receiver`."""
    lines = "\n".join(
        f"  {resource.lower()}_{action.lower()}: createWebhookSubscription(input: {{resource: {resource},"
        f" action: {action}, receiverId: $receiver, active: true}}) {{ webhookSubscription {{ id }} }}"
        for resource, action in pairs
    )
    return f"mutation Subscribe($receiver: ID!) {{\n{lines}\n}}"


async def read_receiver(client: IonClient, receiver_id: str) -> Receiver | None:
    """Read a receiver with its subscriptions; None if it does not exist.

    Raise IonRefusedError if the API key may not read receivers.
    """
    result = await client.execute(_READ_RECEIVER, {"id": receiver_id})
    found = (result.data or {}).get("webhookReceiver")
    if found:
        return _receiver(found)
    if receiver_id in {each_id for each_id, _ in await list_receivers(client)}:
        result.must()
        raise IonUnreadableError("ION lists this receiver but does not return it")
    return None


async def list_receivers(client: IonClient) -> list[tuple[str, str]]:
    """Read the ids of all receivers, each with the last path segment of its address."""
    page = (await client.execute(_LIST_RECEIVERS)).must().get("webhookReceivers")
    nodes = [_object(edge).get("node") for edge in _objects(_object(page).get("edges"))]
    return [(_id(node), _token(_text(_object(node), "webhookUri"))) for node in nodes]


async def create_receiver(client: IonClient, name: str, uri: str) -> Receiver:
    """Create a receiver. ION creates its shared secret."""
    given = {"input": {"name": name, "webhookUri": uri}}
    answer = (await client.execute(CREATE_RECEIVER, given, repeatable=False)).must()
    return _receiver(_object(answer.get("createWebhookReceiver")).get("webhookReceiver"))


async def update_receiver(client: IonClient, receiver: Receiver, **changes: Any) -> None:
    """Change a receiver, unless it changed since it was read."""
    given = {"input": {"id": receiver.id, "etag": receiver.etag, **changes}}
    (await client.execute(_UPDATE_RECEIVER, given, repeatable=False)).must()


async def subscribe(client: IonClient, receiver_id: str, pairs: Sequence[Pair]) -> list[str]:
    """Subscribe pairs in batches; return the errors."""
    refused: list[str] = []
    for start in range(0, len(pairs), _OPERATIONS_PER_REQUEST):
        part = pairs[start : start + _OPERATIONS_PER_REQUEST]
        result = await _subscribe(client, receiver_id, part)
        if result.errors and result.data is None and len(part) > 1:
            # One unknown name makes the whole mutation invalid.
            singly = [await _subscribe(client, receiver_id, [pair]) for pair in part]
            refused += [error for each in singly for error in each.errors]
        else:
            refused += result.errors
    return refused


async def activate(client: IonClient, subscriptions: Sequence[Subscription]) -> list[str]:
    """Activate subscriptions; return the errors."""
    given = [
        {"input": {"id": each.id, "etag": each.etag, "active": True}} for each in subscriptions
    ]
    return await _each(client, _UPDATE_SUBSCRIPTION, given)


async def unsubscribe(client: IonClient, subscriptions: Sequence[Subscription]) -> list[str]:
    """Delete subscriptions; return the errors."""
    return await _each(
        client, _DELETE_SUBSCRIPTION, [{"id": s.id, "etag": s.etag} for s in subscriptions]
    )


async def _subscribe(client: IonClient, receiver_id: str, pairs: Sequence[Pair]) -> Result:
    return await client.execute(
        subscription_document(pairs), {"receiver": receiver_id}, repeatable=False
    )


async def _each(client: IonClient, document: str, given: Sequence[dict[str, Any]]) -> list[str]:
    refused: list[str] = []
    for start in range(0, len(given), _OPERATIONS_PER_REQUEST):
        operations = [
            (document, variables) for variables in given[start : start + _OPERATIONS_PER_REQUEST]
        ]
        for result in await client.execute_batch(operations, repeatable=False):
            refused += result.errors
    return refused


def _receiver(shown: Any) -> Receiver:
    node = _object(shown)
    if not _text(node, "webhookUri"):
        raise IonRefusedError("ION does not return the address of this receiver")
    code = node.get("expectedResponseCode")
    return Receiver(
        id=_id(node),
        name=_text(node, "name"),
        uri=_text(node, "webhookUri"),
        shared_secret=_text(node, "sharedSecret") or None,
        active=node.get("active") is not False,
        expected_response_code=code if isinstance(code, int) and code else EXPECTED_RESPONSE_CODE,
        etag=_text(node, "_etag"),
        subscriptions=tuple(
            Subscription(
                id=_id(each),
                resource=_text(each, "resource"),
                action=_text(each, "action"),
                active=each.get("active") is not False,
                etag=_text(each, "_etag"),
            )
            for each in _objects(node.get("subscriptions") or [])
        ),
    )


def _object(value: Any) -> dict[str, Any]:
    """Return an object of a response. Null is an error, because absence causes a new receiver."""
    if not isinstance(value, dict):
        raise IonUnreadableError("ION's webhook receivers and subscriptions cannot be read")
    return cast("dict[str, Any]", value)


def _objects(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list):
        raise IonUnreadableError("ION's list of webhook receivers or subscriptions is not a list")
    return [_object(each) for each in cast("list[Any]", value)]


def _id(value: Any) -> str:
    id_ = _object(value).get("id")
    if isinstance(id_, bool) or not isinstance(id_, int | str):
        raise IonUnreadableError("A webhook receiver or subscription of ION has no id")
    return str(id_)


def _text(node: dict[str, Any], name: str) -> str:
    value = node.get(name)
    return value if isinstance(value, str) else ""


def _token(uri: str) -> str:
    return uri.partition("?")[0].rstrip("/").rpartition("/")[2]
