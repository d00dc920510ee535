"""Masked documents contain no people, prices or texts, wherever they are."""

import json
import re
from typing import Any

import pytest

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.local_ion.sandbox.document_masking import DocumentMask
from ultraviolet.local_ion.sandbox.text_masking import TextMask

CATALOG = load_catalog()
MASK = DocumentMask(CATALOG, TextMask("a key"))
SECRETS = ("zanzibar", "quetzal", "Wolfgang", "Ärzte", "日本", "48213", "77041")
RICH_TEXT = [
    {
        "type": "paragraph",
        "children": [
            {"text": "Ask Wolfgang about "},
            {"type": "link", "url": "https://zanzibar.com/quetzal", "children": [{"text": "it"}]},
            {"type": "mention", "Wolfgang": True, "data": {"email": "wolfgang@zanzibar.com"}},
        ],
    }
]
DOCUMENTS: dict[str, dict[str, Any]] = {
    "purchase_orders": {
        "id": 7,
        "_etag": "abc",
        "status": "ORDERED",
        "supplierId": 3,
        "cost": 48213.77,
        "description": "For zanzibar <b>Wolfgang</b>, +49 77041, Ärzte 日本",
        "supplierInstructions": RICH_TEXT,
        "labels": [{"id": 4, "value": "quetzal"}],
        "requirements": [{"id": 5, "title": "zanzibar"}],
        "fileAttachments": [
            {"id": 9, "filename": "zanzibar quetzal.PDF", "contentType": "application/pdf"},
            {"id": 10, "filename": "report.wolfgang", "contentType": "text/zanzibar"},
        ],
        "attributes": {
            "zanzibar": {
                "id": "7-zanzibar",
                "key": "zanzibar",
                "type": "STRING",
                "value": "quetzal",
            },
            "Budget": {"id": "7-Budget", "key": "Budget", "type": "NUMBER", "value": 48213.77},
            "Tags": {"id": "7-Tags", "key": "Tags", "type": "MULTISELECT", "value": ["quetzal"]},
            "Link": {"key": "Link", "type": "ION", "value": {"id": 7, "name": "quetzal"}},
        },
        "estimatedCost": 48213.77,
    },
    "purchase_order_fees": {"id": 1, "name": "zanzibar", "value": 48213.77, "type": "CURRENCY"},
    "users": {
        "id": 2,
        "name": "Wolfgang Quetzal",
        "email": "wolfgang.quetzal@zanzibar.com",
        "avatar": "https://zanzibar.com/wolfgang.png",
        "isAdmin": True,
    },
    "locations": {"id": 3, "name": "zanzibar", "latitude": 48.213, "longitude": -77.041},
    "redlines": {"id": 4, "initialState": json.dumps({"title": "quetzal", "Wolfgang": 48213})},
    "rules": {"id": 5, "title": "zanzibar", "code": "raise ValidationError('quetzal')"},
    "barcode_patterns": {"id": 6, "expression": r"^zanzibar-(\d+)$"},
    "steps": {"id": 8, "content": '{"a": "quetzal"}', "upstreamStepIds": [6, 7]},
    "run_steps_fields": {"id": 9, "value": "Wolfgang", "options": ["quetzal"], "type": "SELECT"},
    "datagrid_values": {"id": "1:2", "value": 48213.77, "rowId": 1, "columnId": 2},
    "suppliers": {"id": 10, "name": "zanzibar", "phoneNumber": "77041 quetzal"},
    "units_of_measurements": {"id": 11, "type": "zanzibar"},
    "currencies": {"id": 12, "type": "zanzibar"},
    "roles": {"id": 13, "name": "Wolfgang"},
    "parts": {"id": 14, "partNumber": "quetzal", "revision": "zanzibar", "cost": 48213.77},
    "procedures": {"id": 15, "title": "zanzibar", "labels": ["quetzal"]},
    "comments": {"id": 16, "content": "[broken zanzibar", "entityId": 4},
}


def masked(name: str, /, **values: Any) -> dict[str, Any]:
    return MASK.document(CATALOG.resources[name], {**DOCUMENTS[name], **values})


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_original_remains(name: str) -> None:
    text = json.dumps(masked(name), ensure_ascii=False).lower()

    assert [secret for secret in SECRETS if secret.lower() in text] == []


def test_ids_states_times_and_etags_stay() -> None:
    order = masked("purchase_orders", _created="2026-11-30T00:00:00.000000+00:00")

    assert {"id": 7, "_etag": "abc", "status": "ORDERED", "supplierId": 3}.items() <= order.items()
    assert order["_created"] == "2026-11-30T00:00:00.000000+00:00"
    assert [row["id"] for row in order["fileAttachments"]] == [9, 10]
    assert masked("steps")["upstreamStepIds"] == [6, 7]
    assert masked("users")["isAdmin"] is True
    assert masked("datagrid_values")["id"] == "1:2"


def test_computed_fields_are_omitted() -> None:
    assert "estimatedCost" not in masked("purchase_orders")


def test_relations_by_text_still_join() -> None:
    order = masked("purchase_orders")
    attributes = {key: row["value"] for key, row in order["attributes"].items()}
    supplier = masked("suppliers")["name"]

    assert supplier in attributes
    assert order["attributes"][supplier]["key"] == supplier
    assert attributes[supplier] == order["labels"][0]["value"]
    assert masked("procedures")["labels"] == [order["labels"][0]["value"]]
    assert masked("run_steps_fields")["options"] == [order["labels"][0]["value"]]
    assert masked("parts")["cost"] == order["cost"] == masked("purchase_order_fees")["value"]


@pytest.mark.parametrize(
    "document",
    [
        {"description": json.dumps({"type": "zanzibar"})},
        {"status": "ZANZIBAR"},
        {"status": ["zanzibar"]},
        {"attributes": {"Id": {"key": "Id", "type": "ZANZIBAR", "value": None}}},
        {"attributes": {"Id": {"key": "Id", "type": "STRING", "value": {"employeeId": "48213"}}}},
        {"attributes": {"Id": {"key": "Id", "type": "STRING", "value": {"ssn_id": 48213}}}},
        {"needDate": "zanzibar"},
        {"cost": "zanzibar"},
        {"description": f"[{10**400}]"},
        {"description": "[" * 900 + '"zanzibar"' + "]" * 900},
    ],
)
def test_odd_values_are_masked(document: dict[str, Any]) -> None:
    masked = json.dumps(MASK.document(CATALOG.resources["purchase_orders"], {"id": 7, **document}))

    assert not re.search("zanzibar|48213|0{100}", masked, re.IGNORECASE)


def test_file_names_keep_known_extensions() -> None:
    known, unknown = masked("purchase_orders")["fileAttachments"]

    assert known["filename"].endswith(".PDF")
    assert known["contentType"] == "application/pdf"
    assert not unknown["contentType"].startswith("text/zanzibar")


def test_rich_text_keeps_its_structure() -> None:
    paragraph = masked("purchase_orders")["supplierInstructions"][0]

    assert paragraph["type"] == "paragraph"
    assert paragraph["children"][1]["type"] == "link"
    assert paragraph["children"][1]["url"].startswith("https://")
    short = [{"type": "p", "children": [{"text": "zanzibar"}]}]
    assert (
        masked("purchase_orders", supplierInstructions=short)["supplierInstructions"][0]["type"]
        == "p"
    )


def test_states_in_a_redline_stay() -> None:
    state = {"title": "zanzibar", "type": "content", "status": "in_progress"}
    kept = json.loads(masked("redlines", initialState=json.dumps(state))["initialState"])
    assert (kept["type"], kept["status"]) == ("content", "in_progress")
    assert kept["title"] != "zanzibar"


def test_masked_rule_and_pattern_are_valid() -> None:
    assert masked("rules")["code"] == "pass"
    re.compile(masked("barcode_patterns")["expression"])
    json.loads(masked("redlines")["initialState"])


def test_values_of_ions_enums_stay() -> None:
    attributes = {"Id": {"key": "Id", "type": "FILE_ATTACHMENT", "value": None}}
    document = {"id": 7, "status": "ORDERED", "attributes": attributes}
    masked = MASK.document(CATALOG.resources["purchase_orders"], document)
    assert masked["status"] == "ORDERED"
    assert [one["type"] for one in masked["attributes"].values()] == ["FILE_ATTACHMENT"]


def test_words_of_every_ion_stay() -> None:
    assert masked("currencies", type="EUR")["type"] == "EUR"
    assert masked("units_of_measurements", type="each")["type"] == "each"
    assert masked("roles", name="Admin")["name"] == "Admin"
    assert masked("parts", revision="B")["revision"] == "B"
    permission = {"id": 1, "name": "CreatePart", "family": "Part"}
    kept = MASK.document(CATALOG.resources["permission_groups"], permission)
    assert kept["name"] == "CreatePart"
