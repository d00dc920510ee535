"""A delivery is read as far as it can be understood, whatever its style, and never fails."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ultraviolet.ion import catalog, deliveries, signatures
from ultraviolet.ion.deliveries import Envelope, actor

CATALOG = catalog.load_catalog()
SECRET, BODY = "s3cret", b'{"event_id": 1}'
MAC = hmac.new(SECRET.encode(), BODY, hashlib.sha256).digest()
TIMED = hmac.new(SECRET.encode(), b"17." + BODY, hashlib.sha256).hexdigest()


def read(content: Any) -> Envelope:
    """Decode a body, and check that decoding only its envelope gives the same result."""
    body = json.dumps(content).encode()
    whole = deliveries.decode(CATALOG, body)
    assert deliveries.decode_envelope(CATALOG, body) == replace(whole, fields={}, old={}, keys={})
    return whole


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (MAC.hex(), "hex"),
        (f" {MAC.hex().upper()} ", "hex"),
        (base64.b64encode(MAC).decode(), "base64"),
        (f"sha256={MAC.hex()}", "sha256=hex"),
        (f"sha256={base64.b64encode(MAC).decode()}", "sha256=base64"),
        (f"t=17,v1={TIMED}", "t=,v1="),
        (f"t=18, v1={TIMED}", None),
        ("", None),
        (None, None),
        ("grün", None),
        (MAC.hex()[:-1], None),
    ],
)
def test_signature_format_is_detected(header: str | None, form: str | None) -> None:
    assert signatures.verify_signature(SECRET, BODY, header) == form
    assert signatures.verify_signature("another", BODY, header) is None
    for likely in signatures.FORMATS:
        assert signatures.verify_signature(SECRET, BODY, header, likely) == form


def test_only_the_detected_signature_format_is_accepted() -> None:
    assert signatures.sign(SECRET, BODY) == MAC.hex()
    assert signatures.verify_signature(SECRET, BODY, MAC.hex(), formats=("hex",)) == "hex"
    assert (
        signatures.verify_signature(SECRET, BODY, f"sha256={MAC.hex()}", formats=("hex",)) is None
    )


def test_delivery_of_the_local_ion_is_decoded_completely() -> None:
    changes = {
        "status": {"old": "draft", "new": "ordered"},
        "ship_to_location_id": {"old": 2, "new": None},
        "paid": {"new": 1},
        "ordered_at": {"old": None, "new": "2026-11-23T23:40:50Z"},
        "supplier_instructions": {"new": '[{"text": "fragile"}]'},
    }
    body = deliveries.encode(
        event_id=123456,
        subscription_id=42,
        resource="purchase_orders",
        action="UPDATE",
        object_id=17,
        transaction_id=9871,
        timestamp="2026-11-23T23:40:50.123456+00:00",
        actor_id=3,
        changes=changes,
    )
    assert Envelope(
        event_id="123456",
        subscription_id="42",
        resource="purchase_orders",
        action="UPDATE",
        object_id="17",
        source_time="2026-11-23T23:40:50.123456+00:00",
        fields={
            "status": "ORDERED",
            "shipToLocationId": None,
            "paid": True,
            "orderedAt": "2026-11-23T23:40:50.000000+00:00",
            "supplierInstructions": [{"text": "fragile"}],
        },
        old={"status": "DRAFT", "shipToLocationId": 2, "orderedAt": None},
        keys={"shipToLocationId": 2},
    ) == deliveries.decode(CATALOG, body)


@pytest.mark.parametrize(
    "content",
    [
        {
            "resource": "purchase_orders",
            "action": "UPDATE",
            "id": 17,
            "changes": {"status": {"new": "ordered"}},
        },
        {
            "Resource": "PurchaseOrder",
            "operation": "updated",
            "objectId": "17",
            "changes": {"status": "ORDERED"},
        },
        {
            "table_name": "PURCHASE_ORDERS",
            "op": "U",
            "record": {"id": 17, "status": "ordered"},
            "ID": 17.0,
        },
        {"event": "purchase_order.updated", "data": {"id": 17, "status": "ordered"}},
        {
            "data": {
                "resource": "purchaseOrders",
                "id": 17,
                "action": "update",
                "changes": {"status": "ordered"},
            }
        },
        {
            "action": "update",
            "id": 17,
            "changes": {"purchaseOrders": {"status": {"old": "draft", "new": "ordered"}}},
        },
        {
            "resource": "purchase-orders",
            "eventType": "UPDATE",
            "id": 17,
            "changes": [{"field": "status", "old": "draft", "new": "ordered"}],
        },
        {
            "table": "purchase_orders",
            "action": "update",
            "id": 17,
            "oldValues": {"status": "draft"},
            "newValues": {"status": "ordered"},
        },
        [
            {
                "resource": "purchase_orders",
                "action": "UPDATE",
                "id": 17,
                "diff": {"status": "ordered"},
            }
        ],
    ],
)
def test_change_is_decoded_in_many_styles(content: Any) -> None:
    envelope = read(content)
    assert (envelope.resource, envelope.action, envelope.object_id) == (
        "purchase_orders",
        "UPDATE",
        "17",
    )
    assert envelope.fields["status"] == "ORDERED"
    assert envelope.problem is None


def test_deletion_contains_the_key_of_its_owner() -> None:
    line = {"id": {"old": 9}, "purchase_order_id": {"old": 17}, "status": {"old": "draft"}}
    envelope = read(
        {"resource": "purchase_order_lines", "action": "DELETE", "id": 9, "changes": line}
    )
    assert envelope.fields == {}
    assert envelope.keys == {"id": 9, "purchaseOrderId": 17}


def test_expanded_link_becomes_its_key_and_unknown_fields_are_ignored() -> None:
    envelope = read(
        {
            "resource": "RUN",
            "id": 1,
            "changes": {"part": {"id": 4}, "novelty": 3, "status": "from_2030"},
        }
    )
    assert envelope.fields == {"partId": 4, "status": "FROM_2030"}


@pytest.mark.parametrize("state", [{"title": "Żółw", "n": 1}, '{"title":"Żółw","n":1}'])
def test_json_string_field_remains_a_string(state: Any) -> None:
    content = {
        "resource": "REDLINES",
        "action": "UPDATE",
        "id": 1,
        "changes": {"initial_state": {"new": state}},
    }
    assert read(content).fields == {"initialState": '{"title":"Żółw","n":1}'}


def test_composite_key_is_joined() -> None:
    keys = {"part_id": {"new": 1}, "procedure_id": {"new": 2}}
    assert read({"resource": "part_procedures", "changes": keys}).object_id == "1:2"
    assert (
        read({"resource": "part_procedures", "id": {"partId": 1, "procedureId": 2}}).object_id
        == "1:2"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "names no resource"),
        ({"resource": "warp_drives", "id": 1}, "warp_drives is not known"),
        ({"resource": "runs"}, "no id"),
        ("text", "not one JSON object"),
        ([], "not one JSON object"),
    ],
)
def test_unusable_envelope_has_a_problem(content: Any, problem: str) -> None:
    assert problem in str(read(content).problem)


def test_envelope_with_only_a_subscription_is_valid() -> None:
    assert read({"subscription": {"id": 5}, "event_id": True}).subscription_id == "5"


def test_deepest_readable_body_is_accepted() -> None:
    for depth in range(200, 3000, 100):
        link = b'{"id":' * depth + b"1" + b"}" * depth
        body = b'{"resource":"purchase_orders","id":1,"changes":{"supplierId":' + link + b"}}"
        assert isinstance(deliveries.decode(CATALOG, body), Envelope)
        assert isinstance(deliveries.decode_envelope(CATALOG, body), Envelope)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"<event/>", b'{"a":', b"[" * 100_000, b'{"id": 1e999}', b"NaN"]
)
def test_invalid_bodies_do_not_raise(body: bytes) -> None:
    assert deliveries.decode(CATALOG, body).problem is not None


NAMES = st.sampled_from(
    [
        "id",
        "resource",
        "action",
        "changes",
        "data",
        "old",
        "new",
        "status",
        "type",
        "event",
        "field",
        "purchase_order_id",
        "timestamp",
        "attributes",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["runs", "PARTS", "update"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.text(max_size=3), inner, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(VALUES | st.dictionaries(NAMES, VALUES, max_size=8))
def test_decoding_never_raises(content: Any) -> None:
    assert isinstance(read(content), Envelope)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"resource": "parts", "id": 1, "actor_id": 3}', "3"),
        (b'{"event": {"resource": "parts", "id": 1, "changedBy": {"id": 4, "name": "Ada"}}}', "4"),
        (b'{"resource": "parts", "id": 1}', None),
        (b"not JSON", None),
        (b"[1]", None),
    ],
)
def test_actor_is_read_from_the_body(body: bytes, expected: str | None) -> None:
    assert expected == actor(body)


def respelled(body: bytes) -> bytes:
    """Return the same body with a name that the assumed format does not have."""
    return body.replace(b'"event_id"', b'"eventId"', 1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"cost": {"old": 1.5, "new": "2.5"}},
        {
            "assigned_to_id": {"old": None, "new": {"id": 3}},
            "_updated": {"new": "2026-01-02T00:00:00Z"},
        },
        {"status": {"old": "draft", "new": "Sent"}, "unknown": {"new": 1}},
        {"description": {"new": None}},
        {"description": {}},
        {"description": {"old": "a", "was": "b"}},
        {"description": "bare"},
        {"to": {"new": 1}},
        {"purchase_orders": {"description": {"old": "a", "new": "b"}}},
        {"description": {"new": "a\x00b"}},
        {"description": {"new": [[[{"a": []}]]]}},
    ],
)
@pytest.mark.parametrize(
    "envelope",
    [
        {},
        {"action": "DELETE"},
        {"action": "updated"},
        {"action": "vanish"},
        {"resource": "PurchaseOrder"},
        {"resource": "nothing known"},
        {"object_id": "x" * 101},
        {"object_id": ""},
        {"event_id": "e" * 101},
        {"subscription_id": 0},
        {"timestamp": "2026-01-01T01:00:00+01:00"},
        {"timestamp": "yesterday"},
    ],
)
def test_assumed_format_is_decoded_like_any_other(
    envelope: dict[str, Any], changes: dict[str, Any]
) -> None:
    body = deliveries.encode(
        **{
            "event_id": 12,
            "subscription_id": 7,
            "resource": "purchase_orders",
            "action": "UPDATE",
            "object_id": 5,
            "transaction_id": 9,
            "timestamp": "2026-01-01T00:00:00.5Z",
            "actor_id": 3,
            "changes": changes,
            **envelope,
        }
    )

    assert deliveries.decode(CATALOG, body) == deliveries.decode(CATALOG, respelled(body))
    envelope_alone = deliveries.decode_envelope(CATALOG, body)
    assert envelope_alone == deliveries.decode_envelope(CATALOG, respelled(body))


def test_every_resource_is_found_by_its_table_name() -> None:
    assert all(CATALOG.resolve(name) is found for name, found in CATALOG.resources.items())
