"""The organization: settings, custom attributes, revision and serial number schemes."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()

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
"""Resources with custom attributes: payload field, settings section and creation values."""


def settings(ion: Ion, select: str) -> Any:
    return ion.data(f"{{ me {{ organization {{ settings {{ {select} }} }} }} }}")["organization"][
        "settings"
    ]


def make(ion: Ion, kind: str) -> int:
    """Create one object of a resource with attributes."""
    shown, _, given = OWNERS[kind]
    given = dict(given)
    if kind in {"PartInventory", "Mbom"}:
        part = ion.list_all("parts") or [ion.create("Part", partNumber="for others")]
        given["partId"] = part[0]["id"]
    if kind == "PurchaseOrderLine":
        given["purchaseOrderId"] = ion.create("PurchaseOrder")["id"]
    if kind == "PartKitItem":
        given["partKitId"] = ion.create("PartKit")["id"]
    if kind == "RunStep":
        given["runId"] = ion.create("Run", title="R")["id"]
    if kind == "Part":
        given["partNumber"] = f"P {len(ion.list_all('parts'))}"
    arguments = given if kind == "Procedure" else {"input": given}
    return ion.mutate(f"create{kind}", **arguments)[shown]["id"]


def test_settings_change_independently(ion: Ion) -> None:
    ion.update_settings(
        "updateOrganization", name="Aero", settings={"runs": {"titleTemplate": "R-{id}"}}
    )
    ion.update_settings(
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
    assert "etag does not match" in ion.mutation_error(
        "updateOrganization", id=1, etag="old", name="x"
    )


@pytest.mark.parametrize("kind", OWNERS)
def test_new_object_has_defined_attributes_with_checked_values(ion: Ion, kind: str) -> None:
    section = OWNERS[kind][1]
    single = {"RunStep": "runStep"}.get(kind, OWNERS[kind][0])
    before = make(ion, kind)
    definition = {"key": "grade", "type": "SELECT", "options": ["a", "b"]}
    ion.update_settings(f"updateOrganization{kind}Attributes", **definition)
    assert [definition] == settings(ion, f"{section} {{ attributes {{ key type options }} }}")[
        section
    ]["attributes"]

    shown = "attributes { key value type Etag }"
    (unset,) = ion.get(single, before, shown)["attributes"]
    assert ("grade", None, "SELECT") == (unset["key"], unset["value"], unset["type"])
    made = make(ion, kind)
    (attribute,) = ion.get(single, made, shown)["attributes"]
    assert ("grade", None, "SELECT") == (attribute["key"], attribute["value"], attribute["type"])

    owner = {"Mbom": "mbomId"}.get(kind, f"{single}Id")
    change = {owner: made, "key": "grade", "etag": attribute["Etag"]}
    mutation = f"update{kind}Attribute"
    assert "expected one of a, b" in ion.mutation_error(mutation, **change, value="c")
    ion.mutate(mutation, **change, value="b")
    assert "etag does not match" in ion.mutation_error(mutation, **change, value="a")
    assert ["b"] == [a["value"] for a in ion.get(single, made, shown)["attributes"]]

    ion.update_settings(f"deleteOrganization{kind}Attributes", key="grade")
    assert [] == settings(ion, f"{section} {{ attributes {{ key }} }}")[section]["attributes"]
    assert [] == ion.get(single, make(ion, kind), shown)["attributes"]
    assert ["b"] == [a["value"] for a in ion.get(single, made, shown)["attributes"]]


def test_repeated_definition_updates_the_attribute(ion: Ion) -> None:
    for kind in ("STRING", "NUMBER"):
        ion.update_settings("updateOrganizationSupplierAttributes", key="rating", type=kind)
    listed = settings(ion, "suppliers { attributes { key type } }")["suppliers"]["attributes"]
    assert [{"key": "rating", "type": "NUMBER"}] == listed
    assert "expected a number" in ion.mutation_error(
        "createSupplier", name="S", attributes=[{"key": "rating", "value": "good"}]
    )
    made = ion.create(
        "Supplier", "attributes { key value }", name="S", attributes=[{"key": "rating", "value": 4}]
    )
    assert [{"key": "rating", "value": 4}] == made["attributes"]
    ion.update_settings("deleteOrganizationSupplierAttributes", key="rating")


def test_parts_have_revision_schemes(ion: Ion) -> None:
    ion.update_settings(
        "createOrganizationPartRevisionScheme", name="letters", format=["A", "B"], default=True
    )
    ion.update_settings("createOrganizationPartRevisionScheme", name="numbers", format=["1", "2"])
    ion.update_settings(
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
    assert "not unique" in ion.settings_error(
        "createOrganizationPartRevisionScheme", name="letters", format=["x"]
    )
    ion.update_settings("deleteOrganizationPartRevisionScheme", name="letters")
    assert ["numbers"] == [s["name"] for s in settings(ion, shown)["parts"]["revisionSchemes"]]
    assert "does not exist" in ion.settings_error(
        "updateOrganizationPartRevisionScheme", name="letters"
    )


def test_serial_numbers_have_schemes(ion: Ion) -> None:
    ion.update_settings(
        "createOrganizationGlobalUniqueSerialNumberScheme",
        name="S",
        serialScheme="S-####",
        startAt=7,
    )
    ion.update_settings("updateOrganizationGlobalUniqueSerialNumberScheme", name="S", enabled=True)
    shown = "parts { globalUniqueSerialNumbers { name serialScheme startAt enabled } }"
    (scheme,) = settings(ion, shown)["parts"]["globalUniqueSerialNumbers"]
    assert {"name": "S", "serialScheme": "S-####", "startAt": 7, "enabled": True} == scheme
    ion.update_settings("deleteOrganizationGlobalUniqueSerialNumberScheme", name="S")
    assert [] == settings(ion, shown)["parts"]["globalUniqueSerialNumbers"]
