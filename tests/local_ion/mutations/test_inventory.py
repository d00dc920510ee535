"""Inventory and kits: status, split, merge, scrap, issue and return."""

import itertools
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
NUMBERS = itertools.count()


def part(ion: Ion, **values: Any) -> int:
    return ion.create("Part", partNumber=f"part {next(NUMBERS)}", **values)["id"]


def stock(ion: Ion, quantity: float = 10, part_id: int | None = None, **values: Any) -> int:
    """Create inventory of a part, a new one by default."""
    return ion.create("PartInventory", partId=part_id or part(ion), quantity=quantity, **values)[
        "id"
    ]


def seen(ion: Ion, id_: int, *fields: str) -> Any:
    found = ion.get("partInventory", id_, " ".join(fields))
    return found[fields[0]] if len(fields) == 1 else tuple(found[f] for f in fields)


def kit_of(ion: Ion, part_id: int, quantity: float = 4, **values: Any) -> tuple[int, int]:
    """Create a kit of one part; return its id and its item's id."""
    kit = ion.create("PartKit", **values)["id"]
    return kit, ion.create("PartKitItem", partKitId=kit, partId=part_id, quantity=quantity)["id"]


def issue(ion: Ion, inventory: int, item: int, quantity: float) -> Any:
    """Issue inventory to a kit; return the issued and the remaining inventory."""
    given = {"partInventoryId": inventory, "partKitItemId": item, "quantity": quantity}
    made = ion.mutate("issueItemToKit", **given, etag=ion.etag("partInventory", inventory))
    rest = made["splitInventory"]
    return made["partInventory"]["id"], rest and rest["id"]


def issue_refused(ion: Ion, inventory: int, item: int, quantity: float) -> str:
    given = {"partInventoryId": inventory, "partKitItemId": item, "quantity": quantity}
    return ion.mutation_error("issueItemToKit", **given, etag=ion.etag("partInventory", inventory))


def with_mbom(ion: Ion, **quantities: float) -> tuple[int, dict[str, int], dict[str, int]]:
    """Create a part with an mBOM; return its id, and the parts and items by name."""
    parent = part(ion)
    mbom = ion.mutate("createMbom", partId=parent)["mbom"]["id"]
    parts = {name: part(ion) for name in quantities}
    items = {
        name: ion.mutate("createMbomItem", mbomId=mbom, partId=parts[name], quantity=q)["mbomItem"][
            "id"
        ]
        for name, q in quantities.items()
    }
    return parent, parts, items


def test_inventory_is_available_unless_allocated(ion: Ion) -> None:
    assert ("AVAILABLE", 10, 0) == seen(
        ion, stock(ion), "status", "quantityAvailable", "quantityKitted"
    )


def test_inventory_is_unavailable_by_location_or_without_quantity(ion: Ion) -> None:
    place = ion.create("Location", name="Quarantine", available=False)["id"]
    assert "UNAVAILABLE" == seen(ion, stock(ion, locationId=place), "status")
    assert "UNAVAILABLE" == seen(ion, stock(ion, 0), "status")


def test_inventory_is_scrapped_when_its_whole_quantity_is(ion: Ion) -> None:
    made = stock(ion)
    ion.update("partInventory", made, quantityScrapped=4)
    assert ("AVAILABLE", 6) == seen(ion, made, "status", "quantityAvailable")
    ion.update("partInventory", made, quantityScrapped=10)
    assert ("SCRAPPED", 0) == seen(ion, made, "status", "quantityAvailable")
    assert "between 0 and the quantity" in ion.update_error(
        "partInventory", made, quantityScrapped=11
    )


def test_inventory_is_work_in_progress_while_its_run_is_open(ion: Ion) -> None:
    made = stock(ion, 1)
    procedure = ion.mutate("createProcedure", title="Weld")["procedure"]["id"]
    ion.create("Step", procedureId=procedure, title="one")
    run = ion.create("Run", "id partId steps { id }", procedureId=procedure, partInventoryId=made)
    assert ("WIP", seen(ion, made, "partId")) == (seen(ion, made, "status"), run["partId"])
    ion.update("runStep", run["steps"][0]["id"], status="COMPLETE")
    assert "AVAILABLE" == seen(ion, made, "status")


def test_part_shows_the_quantity_of_its_inventory(ion: Ion) -> None:
    kind = part(ion)
    stock(ion, 2, kind)
    stock(ion, 3, kind)
    assert {"quantity": 5} == ion.get("part", kind, "quantity")


def test_serial_tracked_inventory_has_quantity_one_and_a_unique_number(ion: Ion) -> None:
    kind = part(ion, trackingType="SERIAL")
    ion.create("PartInventory", partId=kind, quantity=1, serialNumber="S1")
    assert "serial tracked inventory is 0 or 1" in ion.mutation_error(
        "createPartInventory", partId=kind, quantity=2, serialNumber="S2"
    )
    assert "not unique" in ion.mutation_error(
        "createPartInventory", partId=kind, quantity=1, serialNumber="S1"
    )
    stock(ion, 1, serialNumber="S1")  # of another part


def test_numbers_are_generated_on_request(ion: Ion) -> None:
    kind = part(ion, trackingType="SERIAL")
    made = [stock(ion, 1, kind, autogenerateSerialNumber=True) for _ in range(2)]
    first, second = (seen(ion, each, "serialNumber") for each in made)
    assert (f"SN-{kind:05d}-00001", f"SN-{kind:05d}-00002") == (first, second)
    assert (first, True) == seen(ion, made[0], "identity", "identifiable")
    lots = {seen(ion, stock(ion, autogenerateLotNumber=True), "lotNumber") for _ in range(2)}
    assert 2 == len(lots)


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_blank_number_is_stored_as_null(ion: Ion, blank: str) -> None:
    """Scripts that read a CSV file send an empty text for a missing number."""
    kind = ion.create("Part", partNumber=f"blank {blank!r}")["id"]
    for _ in range(2):
        made = ion.create(
            "PartInventory", "id serialNumber lotNumber",
            partId=kind, quantity=1, serialNumber=blank, lotNumber=blank,
        )  # fmt: skip
        assert (made["serialNumber"], made["lotNumber"]) == (None, None)
    numbered = ion.create("PartInventory", partId=kind, quantity=1, serialNumber="S")["id"]
    assert ion.update(
        "partInventory", numbered, "partInventory { serialNumber }", serialNumber=blank
    ) == {"partInventory": {"serialNumber": None}}
    tracked = ion.create("Part", partNumber=f"tracked {blank!r}", trackingType="SERIAL")["id"]
    values = {"partId": tracked, "quantity": 1, "serialNumber": blank}
    assert "requires a serial number" in ion.mutation_error("createPartInventory", **values)
    made = ion.create("PartInventory", "serialNumber", **values, autogenerateSerialNumber=True)
    assert made["serialNumber"].startswith("SN-")


def test_part_with_bulk_inventory_cannot_become_serial_tracked(ion: Ion) -> None:
    kind = part(ion, trackingType="LOT")
    stock(ion, 3, kind, lotNumber="L")
    assert "more than one piece" in ion.update_error("part", kind, trackingType="SERIAL")


def test_quantity_must_not_be_negative(ion: Ion) -> None:
    assert "must not be below 0" in ion.update_error("partInventory", stock(ion), quantity=-1)


def test_creation_of_several_inventories_is_atomic(ion: Ion) -> None:
    kind = part(ion, trackingType="SERIAL")
    pair = [{"partId": kind, "quantity": 1, "serialNumber": s} for s in ("A", "B")]
    assert 2 == len(ion.mutate("createPartInventories", input=pair)["partInventories"])
    again = [{"partId": kind, "quantity": 1, "serialNumber": s} for s in ("C", "A")]
    assert "not unique" in ion.mutation_error("createPartInventories", input=again)
    assert 2 == len(ion.list_all("partInventories", partId={"eq": kind}))


def test_split_inventory_refers_to_its_origin(ion: Ion) -> None:
    ion.update_settings("updateOrganizationPartInventoryAttributes", key="batch", type="STRING")
    made = stock(ion, lotNumber="L1", cost=3, attributes=[{"key": "batch", "value": "b"}])
    before = ion.etag("partInventory", made)
    new = ion.mutate("splitPartInventory", id=made, etag=before, quantity=3)["partInventory"]["id"]
    assert 7 == seen(ion, made, "quantity")
    assert before != ion.etag("partInventory", made)
    shown = "quantity lotNumber cost originPartInventoryId attributes { value }"
    assert {
        "quantity": 3,
        "lotNumber": "L1",
        "cost": 3,
        "originPartInventoryId": made,
        "attributes": [{"value": "b"}],
    } == ion.get("partInventory", new, shown)


@pytest.mark.parametrize("quantity", [0, -1, 10, 11])
def test_split_quantity_must_be_a_part_of_the_whole(ion: Ion, quantity: float) -> None:
    made = ion.create("PartInventory", partId=part(ion), quantity=10)
    refusal = ion.mutation_error(
        "splitPartInventory", id=made["id"], etag=made["_etag"], quantity=quantity
    )
    assert "more than 0 and less than the whole quantity" in refusal


def test_split_into_many_is_atomic(ion: Ion) -> None:
    made = stock(ion)
    given = {"id": made, "etag": ion.etag("partInventory", made)}
    new = ion.mutate(
        "splitManyPartInventory", **given, partInventories=[{"quantity": 2}, {"quantity": 3}]
    )
    assert [2, 3] == [seen(ion, each["id"], "quantity") for each in new["partInventories"]]
    assert 5 == seen(ion, made, "quantity")
    given = {"id": made, "etag": ion.etag("partInventory", made)}
    assert "less than the whole quantity" in ion.mutation_error(
        "splitManyPartInventory", **given, partInventories=[{"quantity": 3}, {"quantity": 3}]
    )
    assert 5 == seen(ion, made, "quantity")


def test_inventories_are_merged_into_the_first(ion: Ion) -> None:
    kind = part(ion)
    first, second, third = (stock(ion, q, kind, lotNumber="L1") for q in (1, 2, 3))
    ion.update("partInventory", third, quantityScrapped=1)
    merged = ion.mutate(
        "mergePartInventory", partInventories=[{"id": i} for i in (first, second, third)]
    )
    assert first == merged["partInventory"]["id"]
    assert (6, 1) == seen(ion, first, "quantity", "quantityScrapped")
    assert [0, 0] == [seen(ion, each, "quantity") for each in (second, third)]


def test_different_inventories_cannot_be_merged(ion: Ion) -> None:
    kind, serial = part(ion), part(ion, trackingType="SERIAL")
    one, other = stock(ion, 1, kind, lotNumber="L1"), stock(ion, 1, kind, lotNumber="L2")
    assert "same part and lot" in ion.mutation_error(
        "mergePartInventory", partInventories=[{"id": one}, {"id": other}]
    )
    pieces = [{"id": stock(ion, 1, serial, serialNumber=s)} for s in "ab"]
    assert "0 or 1" in ion.mutation_error("mergePartInventory", partInventories=pieces)
    assert "two or more" in ion.mutation_error("mergePartInventory", partInventories=[{"id": one}])
    assert "two or more" in ion.mutation_error(
        "mergePartInventory", partInventories=[{"id": one}, {"id": one}]
    )


def test_location_cannot_contain_itself(ion: Ion) -> None:
    hall = ion.create("Location", name="Hall", type="WAREHOUSE")["id"]
    rack = ion.create("Location", name="Rack", type="RACK", parentId=hall)["id"]
    shelf = ion.create("Location", name="Shelf", type="SHELF", parentId=rack)["id"]
    assert {"allChildren": [{"name": "Rack"}, {"name": "Shelf"}]} == ion.get(
        "location", hall, "allChildren { name }"
    )
    above = ion.get("location", shelf, "allParents { name } parent { name }")
    assert {"name": "Rack"} == above["parent"]
    assert ["Hall", "Rack"] == sorted(p["name"] for p in above["allParents"])
    lies = ion.get("partInventory", stock(ion, locationId=shelf), "parentLocations { name }")
    assert ["Hall", "Rack", "Shelf"] == sorted(p["name"] for p in lies["parentLocations"])
    assert "cannot contain itself" in ion.update_error("location", hall, parentId=shelf)


def test_issuing_a_part_of_an_inventory_splits_it(ion: Ion) -> None:
    made = stock(ion)
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    issued, rest = issue(ion, made, item, 3)
    assert made == rest
    assert (7, "AVAILABLE") == seen(ion, made, "quantity", "status")
    shown = ("status", "kitted", "quantityKitted", "quantityAvailable", "quantity")
    assert ("KITTED", True, 3, 0, 3) == seen(ion, issued, *shown)
    assert {"quantityFulfilled": 3, "quantityUnfulfilled": 1, "fulfilled": False} == ion.get(
        "partKitItem", item, "quantityFulfilled quantityUnfulfilled fulfilled"
    )
    assert {"percentFulfilled": 75, "fulfilled": False} == ion.get(
        "partKit", kit, "percentFulfilled fulfilled"
    )
    issue(ion, made, item, 1)
    assert {"percentFulfilled": 100, "fulfilled": True} == ion.get(
        "partKit", kit, "percentFulfilled fulfilled"
    )
    held = ion.get("partKit", kit, "partInventories { issuedQuantity }")["partInventories"]
    assert [1, 3] == sorted(each["issuedQuantity"] for each in held)
    (page,) = ion.list_all("partKitItems", "partInventories { id issuedQuantity }", id={"eq": item})
    assert {issued: 3} == {
        i["id"]: i["issuedQuantity"] for i in page["partInventories"] if i["id"] == issued
    }


def test_issuing_a_whole_inventory_does_not_split_it(ion: Ion) -> None:
    made = stock(ion, 4)
    _, item = kit_of(ion, seen(ion, made, "partId"))
    assert (made, None) == issue(ion, made, item, 4)


def test_inventory_of_a_completed_kit_is_not_kitted(ion: Ion) -> None:
    made = stock(ion, 4)
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    issue(ion, made, item, 4)
    ion.update("partKit", kit, status="COMPLETED")
    assert ("AVAILABLE", 0, 4) == seen(ion, made, "status", "quantityKitted", "quantityIssued")


def test_returned_inventory_is_available(ion: Ion) -> None:
    made = stock(ion, 4)
    _, item = kit_of(ion, seen(ion, made, "partId"))
    issue(ion, made, item, 4)
    given = {"partInventoryId": made, "partKitItemId": item}
    ion.mutate("moveItemToInventory", **given, etag=ion.etag("partInventory", made))
    assert ("AVAILABLE", 4) == seen(ion, made, "status", "quantityAvailable")
    assert {"quantityFulfilled": 0} == ion.get("partKitItem", item, "quantityFulfilled")
    refusal = ion.mutation_error(
        "moveItemToInventory", **given, etag=ion.etag("partInventory", made)
    )
    assert "This inventory is not in that kit." == refusal


def test_invalid_issue_is_rejected(ion: Ion) -> None:
    made, other = stock(ion, 2), stock(ion, 2)
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    assert "larger than the available quantity" in issue_refused(ion, made, item, 3)
    assert "must be more than 0" in issue_refused(ion, made, item, 0)
    assert "for another part" in issue_refused(ion, other, item, 1)
    ion.update("partKit", kit, status="CANCELED")
    assert "A canceled kit accepts no more inventory." == issue_refused(ion, made, item, 1)
    ion.update("partKit", kit, status="DRAFT")
    issue(ion, made, item, 1)


def test_kitted_inventory_cannot_be_split(ion: Ion) -> None:
    kind = part(ion)
    made, other = stock(ion, 4, kind), stock(ion, 4, kind)
    kit, item = kit_of(ion, kind)
    issue(ion, made, item, 4)
    assert "kitted and installed" in ion.update_error("partInventory", made, quantity=3)
    assert "cannot be split off" in ion.mutation_error(
        "splitPartInventory", id=made, etag=ion.etag("partInventory", made), quantity=1
    )
    assert "cannot be merged" in ion.mutation_error(
        "mergePartInventory", partInventories=[{"id": other}, {"id": made}]
    )
    for single, id_ in (("partInventory", made), ("partKitItem", item), ("partKit", kit)):
        mutation = f"delete{single[0].upper()}{single[1:]}"
        assert "still used" in ion.mutation_error(mutation, id=id_, etag=ion.etag(single, id_))


def test_kit_of_a_run_has_the_items_of_its_mbom(ion: Ion) -> None:
    parent, parts, items = with_mbom(ion, bolt=4, plate=2)
    run = ion.create("Run", title="Build", partId=parent, quantity=3)["id"]
    shown = "partKit { runId status partKitItems { partId quantity originMbomItemId } }"
    kit = ion.mutate("createKitForRun", shown, runId=run)["partKit"]
    assert (run, "DRAFT") == (kit["runId"], kit["status"])
    wanted = {(parts["bolt"], 12, items["bolt"]), (parts["plate"], 6, items["plate"])}
    assert wanted == {
        (i["partId"], i["quantity"], i["originMbomItemId"]) for i in kit["partKitItems"]
    }


def test_kit_accepts_substitutes_of_the_mbom(ion: Ion) -> None:
    parent, parts, items = with_mbom(ion, bolt=4)
    screw, nail = stock(ion, 9), stock(ion, 9)
    ion.mutate("createMbomSubstitute", mbomItemId=items["bolt"], partId=seen(ion, screw, "partId"))
    kit = ion.create("PartKit")
    given = {"partKitId": kit["id"], "partId": parent, "quantity": 2, "etag": kit["_etag"]}
    shown = "partKit { partKitItems { id partId quantity } }"
    (item,) = ion.mutate("addPartsToKitFromMbom", shown, **given)["partKit"]["partKitItems"]
    assert (parts["bolt"], 8) == (item["partId"], item["quantity"])
    issue(ion, screw, item["id"], 8)
    assert "for another part" in issue_refused(ion, nail, item["id"], 1)


def test_kit_from_an_mbom_without_a_quantity_is_for_one(ion: Ion) -> None:
    parent, _, _ = with_mbom(ion, bolt=4)
    kit = ion.create("PartKit")
    shown = "partKit { partKitItems { quantity } }"
    given = {"partKitId": kit["id"], "partId": parent, "etag": kit["_etag"]}
    assert [{"quantity": 4}] == ion.mutate("addPartsToKitFromMbom", shown, **given)["partKit"][
        "partKitItems"
    ]


def test_kit_moves_with_its_inventory(ion: Ion) -> None:
    made, place = stock(ion, 4), ion.create("Location", name="Cart")["id"]
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    issue(ion, made, item, 4)
    given = {"partKitId": kit, "locationId": place, "etag": ion.etag("partKit", kit)}
    ion.mutate("moveKitInventoryToLocation", **given)
    assert place == seen(ion, made, "locationId")
    assert {"locationId": place} == ion.get("partKit", kit, "locationId")


def test_missing_quantities_of_a_kit_become_a_new_kit(ion: Ion) -> None:
    made, run = stock(ion, 3), ion.create("Run", title="Build")["id"]
    kit, item = kit_of(ion, seen(ion, made, "partId"), runId=run)
    missing = ion.create("PartKitItem", partKitId=kit, partId=part(ion), quantity=2)["id"]
    issue(ion, made, item, 3)
    shown = "partKit { id runId partKitItems { id partId quantity } }"
    new = ion.mutate(
        "splitUnfulfilledPartKit", shown, partKitId=kit, etag=ion.etag("partKit", kit)
    )["partKit"]
    assert run == new["runId"] != kit != new["id"]
    assert {
        (seen(ion, made, "partId"), 1),
        (ion.get("partKitItem", missing, "partId")["partId"], 2),
    } == {(i["partId"], i["quantity"]) for i in new["partKitItems"]}
    assert {"fulfilled": True, "partKitItems": [{"quantity": 3}]} == ion.get(
        "partKit", kit, "fulfilled partKitItems { quantity }"
    )
    assert "This kit has no missing quantities." == ion.mutation_error(
        "splitUnfulfilledPartKit", partKitId=kit, etag=ion.etag("partKit", kit)
    )


def test_kit_item_requires_a_quantity(ion: Ion) -> None:
    kit, item = kit_of(ion, part(ion))
    assert "more than 0" in ion.mutation_error(
        "createPartKitItem", partKitId=kit, partId=part(ion), quantity=0
    )
    assert "more than 0" in ion.update_error("partKitItem", item, quantity=0)


def test_inventory_is_associated_with_a_step(ion: Ion) -> None:
    made, run = stock(ion), ion.create("Run", title="Build")["id"]
    step = ion.mutate("createRunStep", runId=run, title="one")["step"]["id"]
    tie = {"runStepId": step, "partInventoryId": made}
    ion.mutate("addPartInventoryToRunStep", **tie, etag=ion.etag("runStep", step))
    assert [{"id": made}] == ion.get("runStep", step, "partInventories { id }")["partInventories"]
    assert "etag does not match" in ion.mutation_error(
        "removePartInventoryFromRunStep", **tie, etag="old"
    )
    ion.mutate("removePartInventoryFromRunStep", **tie, etag=ion.etag("runStep", step))
    assert [] == ion.get("runStep", step, "partInventories { id }")["partInventories"]


def test_description_of_a_part_has_at_most_512_characters(ion: Ion) -> None:
    longest, longer = "x" * 512, "x" * 513
    made = ion.create("Part", partNumber="described", description=longest)["id"]
    message = "The description of a part has at most 512 characters."
    assert message == ion.mutation_error("createPart", partNumber="longer", description=longer)
    assert message == ion.update_error("part", made, description=longer)
    given = {"id": made, "etag": ion.etag("part", made), "description": longer}
    assert message == ion.mutation_error("createPartRevision", **given)
    given = [{"partNumber": "described", "description": longer}]
    assert message == ion.mutation_error("createOrUpdateMultipleParts", parts=given)


def test_errors_name_the_objects_in_the_way(ion: Ion) -> None:
    order = ion.create("PurchaseOrder")["id"]
    line = ion.create("PurchaseOrderLine", purchaseOrderId=order)["id"]
    message = f"delete PurchaseOrderLine {line}, or change its purchaseOrderId."
    assert f"PurchaseOrder {order} is still used: {message}" == ion.mutation_error(
        "deletePurchaseOrder", id=order, etag=ion.etag("purchaseOrder", order)
    )
    assert "Part 999999 does not exist (partId)." == ion.mutation_error(
        "createPartInventory", partId=999_999
    )
