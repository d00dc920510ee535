"""A line counts in the supplier's unit, and its inventory in the part's."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
STOCK = "partInventories { id quantity estimatedTotalCost status }"


@pytest.fixture(scope="module")
def sold(ion: Ion) -> dict[str, int]:
    """A bolt that one supplier sells in boxes of 50, and another by the piece."""
    part = ion.create("Part", partNumber="bolt")["id"]
    boxes, pieces = (ion.create("Supplier", name=name)["id"] for name in ("boxes", "pieces"))
    made = ion.create(
        "SupplierPart", "id supplier { name } part { partNumber } unitConversion",
        supplierId=boxes, partId=part, supplierPartNumber="B-50", unitConversion=50,
    )  # fmt: skip
    assert made == {
        "id": made["id"],
        "supplier": {"name": "boxes"},
        "part": {"partNumber": "bolt"},
        "unitConversion": 50,
    }
    return {"part": part, "boxes": boxes, "pieces": pieces, "supplier_part": made["id"]}


def line_of(ion: Ion, supplier: int, part: int, quantity: float = 4) -> tuple[int, int]:
    """Create an order with a line at a cost of 10; return their ids."""
    order = ion.create("PurchaseOrder", supplierId=supplier)["id"]
    values = {"purchaseOrderId": order, "partId": part, "quantity": quantity, "cost": 10}
    return order, ion.create("PurchaseOrderLine", **values)["id"]


def stock(ion: Ion, line: int) -> list[tuple[float, float]]:
    """Return quantity and total cost of the inventory of a line."""
    found: list[dict[str, Any]] = ion.get("purchaseOrderLine", line, STOCK)["partInventories"]
    return [(each["quantity"], each["estimatedTotalCost"]) for each in found]


def test_inventory_on_order_is_converted(ion: Ion, sold: dict[str, int]) -> None:
    order, line = line_of(ion, sold["boxes"], sold["part"])
    assert stock(ion, line) == [(200, 40)]
    shown = "estimatedCost quantity purchaseOrder { estimatedCost }"
    seen = ion.get("purchaseOrderLine", line, shown)
    assert (seen["estimatedCost"], seen["quantity"]) == (40, 4)
    ion.update("purchaseOrderLine", line, quantity=6, cost=20)
    assert stock(ion, line) == [(300, 120)]
    ion.update("purchaseOrder", order, supplierId=sold["pieces"])
    assert stock(ion, line) == [(6, 120)]
    ion.update("purchaseOrder", order, supplierId=sold["boxes"])
    assert stock(ion, line) == [(300, 120)]


def test_received_quantity_is_that_of_the_line(ion: Ion, sold: dict[str, int]) -> None:
    order, line = line_of(ion, sold["boxes"], sold["part"])
    ion.update("purchaseOrder", order, status="ORDERED")
    receipt = ion.create("Receipt")
    for quantity, received, status in ((1, 1, "ORDERED"), (3, 4, "RECEIVED")):
        item = {"receiptId": receipt["id"], "purchaseOrderLineId": line, "quantity": quantity}
        etag = ion.etag("receipt", receipt["id"])
        ion.data(
            "mutation ($i: [AddItemToReceiptInput]!)"
            " { addItemsToReceipt(input: $i) { receipt { id } } }",
            i=[{**item, "etag": etag}],
        )
        seen = ion.get("purchaseOrderLine", line, "receivedQuantity status")
        assert (seen["receivedQuantity"], seen["status"]) == (received, status)
    assert sorted(stock(ion, line)) == [(50, 10), (150, 30)]
    statuses = ion.get("purchaseOrderLine", line, STOCK)["partInventories"]
    assert {each["status"] for each in statuses} == {"AVAILABLE"}


def test_supplier_without_a_conversion_uses_the_unit_of_the_part(
    ion: Ion, sold: dict[str, int]
) -> None:
    _, line = line_of(ion, sold["pieces"], sold["part"])
    assert stock(ion, line) == [(4, 40)]


def test_supplier_part_is_unique_and_its_conversion_positive(
    ion: Ion, sold: dict[str, int]
) -> None:
    values = {"supplierId": sold["boxes"], "partId": sold["part"]}
    assert "not unique" in ion.mutation_error("createSupplierPart", **values)
    refusal = ion.update_error("supplierPart", sold["supplier_part"], unitConversion=0)
    assert refusal == "A unit conversion must be more than 0."
    other = ion.create("SupplierPart", supplierId=sold["pieces"], partId=sold["part"])
    deleted = ion.mutate("deleteSupplierPart", id=other["id"], etag=other["_etag"])
    assert deleted == {"id": other["id"]}
