"""The fidelity report: what differs, without data of a company."""

import json
from pathlib import Path

import msgspec
from tests.local_ion.sandbox.ion_mirror import KIT_FIELDS, IonMirror

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.local_ion.sandbox import fidelity_report
from ultraviolet.local_ion.sandbox.fidelity import FidelityReport, compare

CATALOG = load_catalog()
TYPES = {name: sorted(CATALOG.types()[name]) for name in ("Part", "Run", "PurchaseOrder")}


def test_equal_ion_has_no_differences(tmp_path: Path, mirror: IonMirror) -> None:
    report = compare(tmp_path, mirror, TYPES)

    assert [one for one in report.fields if one.different] == []
    assert {"purchase_orders.estimatedCost", "runs.status", "parts_inventory.status"} <= {
        f"{one.resource}.{one.field}" for one in report.fields
    }
    assert (report.compared_types, report.schema, report.skipped) == (3, [], 0)
    assert "All 3 compared types are equal" in fidelity_report.as_markdown(report)


def test_values_that_need_the_contents_of_kits_are_not_compared(
    tmp_path: Path, mirror: IonMirror
) -> None:
    stock = mirror.documents["parts_inventory"]
    [kitted] = [one for one in stock if one["quantityIssued"]]
    next(one for one in stock if one is not kitted)["quantityAvailable"] = 123_456.0
    report = compare(tmp_path, mirror, TYPES)

    fields = {f"{one.resource}.{one.field}": one for one in report.fields}
    assert {name: one.omitted for name, one in fields.items() if one.omitted} == {
        **dict.fromkeys(KIT_FIELDS, 1),
        "plan_items.ready": len(mirror.documents["plan_items"]),
    }
    assert fields["parts_inventory.status"].objects == len(stock) - 1
    assert [name for name, one in fields.items() if one.different] == [
        "parts_inventory.quantityAvailable"
    ]
    text = fidelity_report.as_markdown(report)
    assert "parts_kits.percentKitted (1)" in text
    equal = text.partition("## Computed fields that are equal")[2].partition("##")[0]
    assert "parts_inventory.kitted" in equal
    assert "parts_kits.percentKitted" not in equal


def _changed(mirror: IonMirror, folder: Path) -> FidelityReport:
    orders = mirror.documents["purchase_orders"]
    for order in orders[:3]:
        order["estimatedCost"] = 1_234_567.25
    orders[3]["estimatedCost"] = None
    mirror.documents["runs"][0]["status"] = "A_NEW_STATUS"
    mirror.documents["purchase_orders"][4]["isOpen"] = "Zanzibar"
    mirror.stale = frozenset({("purchase_orders", orders[5]["id"])})
    orders[5]["estimatedCost"] = 3.0
    types = {**TYPES, "Part": [*TYPES["Part"], "riskScore"], "Run": TYPES["Run"][1:], "New": ["a"]}
    return compare(folder, mirror, types)


def test_differences_are_grouped_by_field(tmp_path: Path, mirror: IonMirror) -> None:
    orders = len(mirror.documents["purchase_orders"])
    report = _changed(mirror, tmp_path)
    fields = {f"{one.resource}.{one.field}": one for one in report.fields if one.different}

    cost = fields["purchase_orders.estimatedCost"]
    assert (cost.objects, cost.different, report.skipped) == (orders - 1, 4, 1)
    assert (cost.cases[0].ion, cost.cases[0].local_ion) == ("number, higher", "number")
    assert cost.cases[0].objects == 3
    assert cost.cases[0].example["status"] == mirror.documents["purchase_orders"][0]["status"]
    assert cost.cases[0].example["_PurchaseOrderLinesCount"].isdecimal()
    assert (cost.cases[1].ion, cost.cases[1].objects) == ("null", 1)
    assert fields["runs.status"].cases[0].ion == "unknown value"
    assert (
        fields["runs.status"].cases[0].local_ion == fields["runs.status"].cases[0].local_ion.upper()
    )
    assert fields["purchase_orders.isOpen"].cases[0].ion == "text"
    schema = {one.type: (one.only_in_ion, one.only_in_contract) for one in report.schema}
    assert schema == {
        "New": (["a"], []),
        "Part": (["riskScore"], []),
        "Run": ([], [TYPES["Run"][0]]),
    }


def test_report_contains_no_data(tmp_path: Path, mirror: IonMirror) -> None:
    report = _changed(mirror, tmp_path)
    text = fidelity_report.as_markdown(report) + json.dumps(msgspec.to_builtins(report))

    originals = {
        str(document[field])
        for name, field in (
            ("users", "name"),
            ("suppliers", "name"),
            ("purchase_orders", "description"),
            ("parts", "partNumber"),
        )
        for document in mirror.documents[name]
        if document[field]
    }
    assert len(originals) > 20
    assert [one for one in [*originals, "1234567", "Zanzibar", "A_NEW_STATUS"] if one in text] == []
    assert "## Contents of this file" in text
    assert "number, higher" in text


def test_schema_that_the_hub_has_not_read_is_named(tmp_path: Path, mirror: IonMirror) -> None:
    mirror.documents = {"currencies": mirror.documents["currencies"]}
    report = compare(tmp_path, mirror, None)

    assert "has not read ION's schema" in fidelity_report.summary(report)
