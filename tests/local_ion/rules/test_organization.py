"""The organization: its settings, the custom attributes it defines, its revision and serial number schemes."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared

ion = shared()

OWNERS = {
    "Part": ("part", "parts", {"partNumber": "P"}),
    "PartInventory": ("partInventory", "partsInventory", {"quantity": 1}),
    "Location": ("location", "locations", {"name": "L"}),
    "Mbom": ("mbom", "mboms", {}),
    "Procedure": ("procedure", "procedures", {"title": "P"}),
    "PurchaseOrder": ("purchaseOrder", "purchaseOrders", {}),
    "Supplier": ("supplier", "suppliers", {"name": "S"}),
    "Issue": ("issue", "issues", {"title": "I"}),
    "PurchaseOrderLine": ("purchaseOrderLine", "purchaseOrderLines", {"quantity": 1}),
    "PartKit": ("partKit", "partsKits", {}),
    "PartKitItem": ("partKitItem", "partKitItems", {"quantity": 1}),
    "Receipt": ("receipt", "receipts", {}),
    "Run": ("run", "runs", {"title": "R"}),
    "RunStep": ("step", "runSteps", {"title": "S"}),
    "Step": ("step", "steps", {"title": "S"}),
}
"""What has custom attributes: how a payload shows it, its section of the settings, and what makes one."""


def settings(ion: Ion, select: str) -> Any:
    return ion.data(f"{{ me {{ organization {{ settings {{ {select} }} }} }} }}")["organization"][
        "settings"
    ]


def make(ion: Ion, kind: str) -> int:
    """Make one object of a kind that has attributes."""
    shown, _, given = OWNERS[kind]
    given = dict(given)
    if kind in {"PartInventory", "Mbom"}:
        part = ion.all("parts") or [ion.make("Part", partNumber="for others")]
        given["partId"] = part[0]["id"]
    if kind == "PurchaseOrderLine":
        given["purchaseOrderId"] = ion.make("PurchaseOrder")["id"]
    if kind == "PartKitItem":
        given["partKitId"] = ion.make("PartKit")["id"]
    if kind == "RunStep":
        given["runId"] = ion.make("Run", title="R")["id"]
    if kind == "Part":
        given["partNumber"] = f"P {len(ion.all('parts'))}"
    arguments = given if kind == "Procedure" else {"input": given}
    return ion.do(f"create{kind}", **arguments)[shown]["id"]


def test_settings_change_one_by_one(ion: Ion) -> None:
    ion.organize("updateOrganization", name="Aero", settings={"runs": {"titleTemplate": "R-{id}"}})
    ion.organize(
        "updateOrganization",
        settings={"runs": {"enforcePeerSignoff": True}, "datetimeFormat": "ISO"},
    )
    seen = settings(
        ion,
        "datetimeFormat runs { titleTemplate enforcePeerSignoff } purchaseOrders { defaultCurrencyId }",
    )
    assert {
        "datetimeFormat": "ISO",
        "runs": {"titleTemplate": "R-{id}", "enforcePeerSignoff": True},
        "purchaseOrders": {"defaultCurrencyId": 1},
    } == seen
    assert {"name": "Aero"} == ion.data("{ me { organization { name } } }")["organization"]
    assert "etag does not match" in ion.refused("updateOrganization", id=1, etag="old", name="x")


@pytest.mark.parametrize("kind", OWNERS)
def test_a_defined_attribute_is_on_new_objects_and_takes_its_values_only(
    ion: Ion, kind: str
) -> None:
    section = OWNERS[kind][1]
    single = {"RunStep": "runStep"}.get(kind, OWNERS[kind][0])
    before = make(ion, kind)
    definition = {"key": "grade", "type": "SELECT", "options": ["a", "b"]}
    ion.organize(f"updateOrganization{kind}Attributes", **definition)
    assert [definition] == settings(ion, f"{section} {{ attributes {{ key type options }} }}")[
        section
    ]["attributes"]

    shown = "attributes { key value type Etag }"
    assert [] == ion.see(single, before, shown)["attributes"]
    made = make(ion, kind)
    (attribute,) = ion.see(single, made, shown)["attributes"]
    assert ("grade", None, "SELECT") == (attribute["key"], attribute["value"], attribute["type"])

    owner = {"Mbom": "mbomId"}.get(kind, f"{single}Id")
    change = {owner: made, "key": "grade", "etag": attribute["Etag"]}
    mutation = f"update{kind}Attribute"
    assert "expected one of a, b" in ion.refused(mutation, **change, value="c")
    ion.do(mutation, **change, value="b")
    assert "etag does not match" in ion.refused(mutation, **change, value="a")
    assert ["b"] == [a["value"] for a in ion.see(single, made, shown)["attributes"]]

    ion.organize(f"deleteOrganization{kind}Attributes", key="grade")
    assert [] == settings(ion, f"{section} {{ attributes {{ key }} }}")[section]["attributes"]
    assert [] == ion.see(single, make(ion, kind), shown)["attributes"]
    assert ["b"] == [a["value"] for a in ion.see(single, made, shown)["attributes"]]


def test_a_definition_given_again_is_changed(ion: Ion) -> None:
    for kind in ("STRING", "NUMBER"):
        ion.organize("updateOrganizationSupplierAttributes", key="rating", type=kind)
    listed = settings(ion, "suppliers { attributes { key type } }")["suppliers"]["attributes"]
    assert [{"key": "rating", "type": "NUMBER"}] == listed
    assert "expected a number" in ion.refused(
        "createSupplier", name="S", attributes=[{"key": "rating", "value": "good"}]
    )
    made = ion.make(
        "Supplier", "attributes { key value }", name="S", attributes=[{"key": "rating", "value": 4}]
    )
    assert [{"key": "rating", "value": 4}] == made["attributes"]
    ion.organize("deleteOrganizationSupplierAttributes", key="rating")


def test_parts_have_revision_schemes(ion: Ion) -> None:
    ion.organize(
        "createOrganizationPartRevisionScheme", name="letters", format=["A", "B"], default=True
    )
    ion.organize("createOrganizationPartRevisionScheme", name="numbers", format=["1", "2"])
    ion.organize(
        "updateOrganizationPartRevisionScheme", name="letters", allowOverflow=True, default=False
    )
    shown = "parts { revisionSchemes { name format allowOverflow default } }"
    first, second = settings(ion, shown)["parts"]["revisionSchemes"]
    assert {
        "name": "letters",
        "format": ["A", "B"],
        "allowOverflow": True,
        "default": False,
    } == first
    assert "numbers" == second["name"]
    assert "not unique" in ion.organize_refused(
        "createOrganizationPartRevisionScheme", name="letters", format=["x"]
    )
    ion.organize("deleteOrganizationPartRevisionScheme", name="letters")
    assert ["numbers"] == [s["name"] for s in settings(ion, shown)["parts"]["revisionSchemes"]]
    assert "does not exist" in ion.organize_refused(
        "updateOrganizationPartRevisionScheme", name="letters"
    )


def test_serial_numbers_have_schemes(ion: Ion) -> None:
    ion.organize(
        "createOrganizationGlobalUniqueSerialNumberScheme",
        name="S",
        serialScheme="S-####",
        startAt=7,
    )
    ion.organize("updateOrganizationGlobalUniqueSerialNumberScheme", name="S", enabled=True)
    shown = "parts { globalUniqueSerialNumbers { name serialScheme startAt enabled } }"
    (scheme,) = settings(ion, shown)["parts"]["globalUniqueSerialNumbers"]
    assert {"name": "S", "serialScheme": "S-####", "startAt": 7, "enabled": True} == scheme
    ion.organize("deleteOrganizationGlobalUniqueSerialNumberScheme", name="S")
    assert [] == settings(ion, shown)["parts"]["globalUniqueSerialNumbers"]
