"""Notifications, subscriptions, webhook headers and barcodes."""

import json

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()


def scan(ion: Ion, barcode: str) -> list[int]:
    found = ion.data(
        "query($b: String!) { scanBarcode(barcode: $b) { entities { id } } }", b=barcode
    )
    return [e["id"] for e in found["entities"]]


def test_dispatched_notification_is_unread_until_read(ion: Ion) -> None:
    ida = ion.create_user("Ida").user_id
    given = {"title": "Look", "description": "at this", "linkText": "Open", "path": "/runs/1"}
    sent = ion.mutate(
        "dispatchNotification",
        "response { messageId }",
        userId=ida,
        notificationType=next(iter(ion.ion.schema.type_map["DispatchNotificationType"].values)),  # type: ignore[attr-defined]
        payload=json.dumps({"a": 1}),
        **given,
    )
    assert sent["response"]["messageId"]
    shown = "id _etag title description linkText path payload read"
    (seen,) = ion.list_all("userNotifications", shown, userId={"eq": ida})
    assert {**given, "read": False} == {k: seen[k] for k in (*given, "read")}
    assert {"a": 1} == json.loads(seen["payload"])
    ion.mutate("updateUserNotification", id=seen["id"], etag=seen["_etag"], read=True)
    assert [{"read": True}] == ion.list_all("userNotifications", "read", userId={"eq": ida})


def test_user_follows_an_object(ion: Ion) -> None:
    jan = ion.create_user("Jan").user_id
    entity = ion.create("Run", "entityId", title="R")["entityId"]
    made = ion.create("UserSubscription", "id _etag userId entityId", userId=jan, entityId=entity)
    assert (jan, entity) == (made["userId"], made["entityId"])
    ion.mutate("deleteUserSubscription", id=made["id"], etag=made["_etag"])
    assert [] == ion.list_all("userSubscriptions", userId={"eq": jan})


def test_headers_are_shared_by_receivers(ion: Ion) -> None:
    header = ion.create("WebhookHeader", key="x-team", value="blue")["id"]
    receivers = [
        ion.create("WebhookReceiver", name="r", webhookUri="https://example.com/")["id"]
        for _ in range(2)
    ]
    for receiver in receivers:
        tie = {"webhookReceiverId": receiver, "webhookHeaderId": header}
        ion.mutate("addHeaderToWebhookReceiver", **tie, etag=ion.etag("webhookReceiver", receiver))
    seen = ion.get("webhookHeader", header, "webhookReceivers { id } _WebhookReceiversCount")
    assert ([{"id": r} for r in receivers], 2) == (
        seen["webhookReceivers"],
        seen["_WebhookReceiversCount"],
    )
    tie = {"webhookReceiverId": receivers[0], "webhookHeaderId": header}
    assert "etag does not match" in ion.mutation_error(
        "removeHeaderFromWebhookReceiver", **tie, etag="old"
    )
    ion.mutate(
        "removeHeaderFromWebhookReceiver", **tie, etag=ion.etag("webhookReceiver", receivers[0])
    )
    assert {"headers": []} == ion.get("webhookReceiver", receivers[0], "headers { key }")
    assert {"headers": [{"key": "x-team"}]} == ion.get(
        "webhookReceiver", receivers[1], "headers { key }"
    )


def test_barcode_label_is_found_by_its_number(ion: Ion) -> None:
    entity = ion.create("Location", "entityId", name="Dock")["entityId"]
    given = {"name": "plate", "entityType": "LOCATIONS", "template": "^XA{{iuid}}^XZ"}
    template = ion.create("BarcodeTemplate", **given)["id"]
    shown = "id _etag iuid barcode qrCode"
    label = ion.create("BarcodeLabel", shown, templateId=template, entityId=entity)
    assert (f"^XA{label['iuid']}^XZ", label["iuid"]) == (label["barcode"], label["qrCode"])
    assert ([entity], []) == (scan(ion, label["iuid"]), scan(ion, "nothing"))
    run = ion.create("Run", "entityId", title="R")["entityId"]
    refusal = ion.mutation_error("createBarcodeLabel", templateId=template, entityId=run)
    assert "This barcode template is for locations, not for runs." == refusal


def test_foreign_barcode_is_matched_by_a_pattern(ion: Ion) -> None:
    part = ion.create("Part", partNumber="P")["id"]
    piece = ion.create("PartInventory", "entityId", partId=part, quantity=1, serialNumber="S77")[
        "entityId"
    ]
    ion.create("BarcodePattern", expression=r"SN:(\w+)", entityType="PARTS_INVENTORY")
    assert ([piece], []) == (scan(ion, "SN:S77"), scan(ion, "S77"))
    refusal = ion.mutation_error("createBarcodePattern", expression="(", entityType="RUNS")
    assert "not a valid regular expression" in refusal


def test_template_options_are_the_fields_of_its_objects(ion: Ion) -> None:
    asked = "{ barcodeTemplateFieldOptions(templateEntityType: LOCATIONS) { options } }"
    assert "name" in ion.data(asked)["options"]


@pytest.mark.parametrize(
    "mutation", ["generateReadEmbeddedAnalytics", "generateWriteEmbeddedAnalytics"]
)
def test_analytics_have_no_url(ion: Ion, mutation: str) -> None:
    assert {"embeddedAnalytics": {"url": None}} == ion.mutate(mutation, "embeddedAnalytics { url }")
