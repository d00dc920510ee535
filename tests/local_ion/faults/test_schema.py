"""Faults of the schema."""

from typing import Any

import pytest

from ultraviolet.testing import LocalIonProcess, RefusedError

ORDERS = "{ purchaseOrders(first: 5) { edges { node { id state: status } } } }"
ENUM = '{ __type(name: "Purchaseorderstatusenum") { enumValues { name } } }'


def fields(ion: LocalIonProcess, kind: str) -> dict[str, Any]:
    found = ion.execute(
        "query($name: String!) { __type(name: $name) { fields { name type { name } } } }", name=kind
    )
    return {field["name"]: field["type"]["name"] for field in found["__type"]["fields"]}


def messages(ion: LocalIonProcess, query: str) -> list[str]:
    return [error["message"] for error in ion.post({"query": query})["errors"]]


def test_unknown_enum_value_is_in_the_schema_and_in_objects(ion: LocalIonProcess) -> None:
    ion.faults.set("enum_value_added", only="Purchaseorderstatusenum", value="ON_HOLD", count=2)
    values = [value["name"] for value in ion.execute(ENUM)["__type"]["enumValues"]]
    assert "ON_HOLD" in values
    states = [edge["node"]["state"] for edge in ion.execute(ORDERS)["purchaseOrders"]["edges"]]
    assert states.count("ON_HOLD") == 2
    assert ion.faults.triggered("enum_value_added") == 2


def test_other_enums_and_texts_keep_their_values(ion: LocalIonProcess) -> None:
    runs = "{ runs(first: 5) { edges { node { id status title } } } }"
    before = ion.execute(runs)
    ion.faults.set("enum_value_added", only="Purchaseorderstatusenum")
    assert ion.execute(runs) == before


def test_new_field_can_be_queried_and_is_null(ion: LocalIonProcess) -> None:
    ion.faults.set("field_added", only="PurchaseOrder", value="riskScore")
    assert fields(ion, "PurchaseOrder")["riskScore"] == "String"
    query = """query($n: Int) { purchaseOrders(first: $n) { edges { node { ...F } } } }
    fragment F on PurchaseOrder { id risk: riskScore supplier { name } }"""
    (edge,) = ion.execute(query, n=1)["purchaseOrders"]["edges"]
    assert set(edge["node"]) == {"id", "risk", "supplier"}
    assert edge["node"]["risk"] is None
    assert ion.execute("{ purchaseOrders(first: 1) { edges { node { riskScore } } } }") == {
        "purchaseOrders": {"edges": [{"node": {"riskScore": None}}]}
    }


def test_new_type_can_be_queried(ion: LocalIonProcess) -> None:
    ion.faults.set("type_added", only="Part", value="Compliance")
    assert fields(ion, "Part")["compliance"] == "Compliance"
    query = "{ parts(first: 1) { edges { node { id compliance { level note } } } } }"
    (edge,) = ion.execute(query)["parts"]["edges"]
    assert edge["node"]["compliance"] == {"level": 1, "note": None}


def test_removed_field_is_rejected_by_name(ion: LocalIonProcess) -> None:
    query = "{ suppliers(first: 1) { edges { node { id contactName } } } }"
    ion.execute(query)
    ion.faults.set("field_removed", only="Supplier.contactName")
    assert messages(ion, query) == ["Cannot query field 'contactName' on type 'Supplier'."]
    assert "contactName" not in fields(ion, "Supplier")
    assert ion.faults.triggered("field_removed") == 1


def test_removed_type_removes_its_fields(ion: LocalIonProcess) -> None:
    ion.faults.set("type_removed", only="Supplier")
    (message,) = messages(
        ion, "{ purchaseOrders(first: 1) { edges { node { supplier { id } } } } }"
    )
    assert message.startswith("Cannot query field 'supplier' on type 'PurchaseOrder'.")
    assert messages(ion, "{ supplier(id: 1) { id } }")
    assert ion.execute(ORDERS)


def test_mutations_work_with_an_altered_schema(ion: LocalIonProcess) -> None:
    ion.faults.set("field_added", only="Supplier", value="rating")
    made = ion.execute(
        'mutation { createSupplier(input: {name: "New"}) { supplier { id name rating } } }'
    )
    assert made["createSupplier"]["supplier"]["rating"] is None
    assert made["createSupplier"]["supplier"]["name"] == "New"


def test_cleared_faults_restore_the_schema(ion: LocalIonProcess) -> None:
    before = fields(ion, "PurchaseOrder")
    ion.faults.scenario("upgrade")
    assert fields(ion, "PurchaseOrder") != before
    ion.faults.clear()
    assert fields(ion, "PurchaseOrder") == before


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "enum_value_added", "only": "Supplier"},
        {"kind": "field_added", "only": "NoSuchType"},
        {"kind": "field_added", "only": "Supplier", "value": "name"},
        {"kind": "field_added", "only": "Supplier", "value": "not a name"},
        {"kind": "type_added", "only": "Part", "value": "Supplier"},
        {"kind": "field_removed", "only": "Supplier"},
        {"kind": "field_removed", "only": "Supplier.noSuchField"},
        {"kind": "type_removed", "only": "String"},
    ],
    ids=str,
)
def test_unknown_targets_are_rejected(ion: LocalIonProcess, fault: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="422"):
        ion.faults.set(**fault)
    assert ion.faults.listed() == []
