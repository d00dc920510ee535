"""Inventory and kits: what a status follows from, how quantities are split, merged, scrapped, issued and put back."""

import itertools
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared

ion = shared()
NUMBERS = itertools.count()


def part(ion: Ion, **values: Any) -> int:
    return ion.make("Part", partNumber=f"part {next(NUMBERS)}", **values)["id"]


def stock(ion: Ion, quantity: float = 10, part_id: int | None = None, **values: Any) -> int:
    """Have some inventory, of a new part unless told of which."""
    return ion.make("PartInventory", partId=part_id or part(ion), quantity=quantity, **values)["id"]


def seen(ion: Ion, id_: int, *fields: str) -> Any:
    found = ion.see("partInventory", id_, " ".join(fields))
    return found[fields[0]] if len(fields) == 1 else tuple(found[f] for f in fields)


def kit_of(ion: Ion, part_id: int, quantity: float = 4, **values: Any) -> tuple[int, int]:
    """Have a kit that wants some of one part; gives its id and its item's."""
    kit = ion.make("PartKit", **values)["id"]
    return kit, ion.make("PartKitItem", partKitId=kit, partId=part_id, quantity=quantity)["id"]


def issue(ion: Ion, inventory: int, item: int, quantity: float) -> Any:
    """Issue inventory to a kit; gives the inventory that lies in the kit, and what is left over."""
    given = {"partInventoryId": inventory, "partKitItemId": item, "quantity": quantity}
    made = ion.do("issueItemToKit", **given, etag=ion.etag("partInventory", inventory))
    rest = made["splitInventory"]
    return made["partInventory"]["id"], rest and rest["id"]


def issue_refused(ion: Ion, inventory: int, item: int, quantity: float) -> str:
    given = {"partInventoryId": inventory, "partKitItemId": item, "quantity": quantity}
    return ion.refused("issueItemToKit", **given, etag=ion.etag("partInventory", inventory))


def with_mbom(ion: Ion, **quantities: float) -> tuple[int, dict[str, int], dict[str, int]]:
    """Have a part with an mBOM; gives its id, and by name its items' parts and the items."""
    parent = part(ion)
    mbom = ion.do("createMbom", partId=parent)["mbom"]["id"]
    parts = {name: part(ion) for name in quantities}
    items = {
        name: ion.do("createMbomItem", mbomId=mbom, partId=parts[name], quantity=q)["mbomItem"][
            "id"
        ]
        for name, q in quantities.items()
    }
    return parent, parts, items


def test_inventory_is_available_unless_something_holds_it(ion: Ion) -> None:
    assert ("AVAILABLE", 10, 0) == seen(
        ion, stock(ion), "status", "quantityAvailable", "quantityKitted"
    )


def test_inventory_is_unavailable_where_its_place_is_or_where_there_is_none(ion: Ion) -> None:
    place = ion.make("Location", name="Quarantine", available=False)["id"]
    assert "UNAVAILABLE" == seen(ion, stock(ion, locationId=place), "status")
    assert "UNAVAILABLE" == seen(ion, stock(ion, 0), "status")


def test_inventory_is_scrapped_when_all_of_it_is(ion: Ion) -> None:
    made = stock(ion)
    ion.edit("partInventory", made, quantityScrapped=4)
    assert ("AVAILABLE", 6) == seen(ion, made, "status", "quantityAvailable")
    ion.edit("partInventory", made, quantityScrapped=10)
    assert ("SCRAPPED", 0) == seen(ion, made, "status", "quantityAvailable")
    assert "between 0 and the quantity" in ion.edit_refused(
        "partInventory", made, quantityScrapped=11
    )


def test_inventory_is_work_in_progress_while_its_run_is_open(ion: Ion) -> None:
    made = stock(ion, 1)
    procedure = ion.do("createProcedure", title="Weld")["procedure"]["id"]
    ion.make("Step", procedureId=procedure, title="one")
    run = ion.make("Run", "id partId steps { id }", procedureId=procedure, partInventoryId=made)
    assert ("WIP", seen(ion, made, "partId")) == (seen(ion, made, "status"), run["partId"])
    ion.edit("runStep", run["steps"][0]["id"], status="COMPLETE")
    assert "AVAILABLE" == seen(ion, made, "status")


def test_a_part_has_the_quantity_of_its_inventory(ion: Ion) -> None:
    kind = part(ion)
    stock(ion, 2, kind)
    stock(ion, 3, kind)
    assert {"quantity": 5} == ion.see("part", kind, "quantity")


def test_a_serial_numbered_piece_is_one_and_its_number_is_once(ion: Ion) -> None:
    kind = part(ion, trackingType="SERIAL")
    ion.make("PartInventory", partId=kind, quantity=1, serialNumber="S1")
    assert "serial tracked inventory is 0 or 1" in ion.refused(
        "createPartInventory", partId=kind, quantity=2, serialNumber="S2"
    )
    assert "not unique" in ion.refused(
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


def test_a_part_in_bulk_does_not_become_serial_tracked(ion: Ion) -> None:
    kind = part(ion, trackingType="LOT")
    stock(ion, 3, kind, lotNumber="L")
    assert "more than one piece" in ion.edit_refused("part", kind, trackingType="SERIAL")


def test_a_quantity_is_not_below_nothing(ion: Ion) -> None:
    assert "must not be below 0" in ion.edit_refused("partInventory", stock(ion), quantity=-1)


def test_several_are_made_at_once_or_none(ion: Ion) -> None:
    kind = part(ion, trackingType="SERIAL")
    pair = [{"partId": kind, "quantity": 1, "serialNumber": s} for s in ("A", "B")]
    assert 2 == len(ion.do("createPartInventories", input=pair)["partInventories"])
    again = [{"partId": kind, "quantity": 1, "serialNumber": s} for s in ("C", "A")]
    assert "not unique" in ion.refused("createPartInventories", input=again)
    assert 2 == len(ion.all("partInventories", partId={"eq": kind}))


def test_what_is_split_off_remembers_where_it_came_from(ion: Ion) -> None:
    ion.organize("updateOrganizationPartInventoryAttributes", key="batch", type="STRING")
    made = stock(ion, lotNumber="L1", cost=3, attributes=[{"key": "batch", "value": "b"}])
    before = ion.etag("partInventory", made)
    new = ion.do("splitPartInventory", id=made, etag=before, quantity=3)["partInventory"]["id"]
    assert 7 == seen(ion, made, "quantity")
    assert before != ion.etag("partInventory", made)
    shown = "quantity lotNumber cost originPartInventoryId attributes { value }"
    assert {
        "quantity": 3,
        "lotNumber": "L1",
        "cost": 3,
        "originPartInventoryId": made,
        "attributes": [{"value": "b"}],
    } == ion.see("partInventory", new, shown)


@pytest.mark.parametrize("quantity", [0, -1, 10, 11])
def test_only_some_of_it_can_be_split_off(ion: Ion, quantity: float) -> None:
    made = ion.make("PartInventory", partId=part(ion), quantity=10)
    refusal = ion.refused(
        "splitPartInventory", id=made["id"], etag=made["_etag"], quantity=quantity
    )
    assert "more than 0 and less than the whole quantity" in refusal


def test_it_is_split_into_many_or_not_at_all(ion: Ion) -> None:
    made = stock(ion)
    given = {"id": made, "etag": ion.etag("partInventory", made)}
    new = ion.do(
        "splitManyPartInventory", **given, partInventories=[{"quantity": 2}, {"quantity": 3}]
    )
    assert [2, 3] == [seen(ion, each["id"], "quantity") for each in new["partInventories"]]
    assert 5 == seen(ion, made, "quantity")
    given = {"id": made, "etag": ion.etag("partInventory", made)}
    assert "less than the whole quantity" in ion.refused(
        "splitManyPartInventory", **given, partInventories=[{"quantity": 3}, {"quantity": 3}]
    )
    assert 5 == seen(ion, made, "quantity")


def test_it_is_merged_into_the_first(ion: Ion) -> None:
    kind = part(ion)
    first, second, third = (stock(ion, q, kind, lotNumber="L1") for q in (1, 2, 3))
    ion.edit("partInventory", third, quantityScrapped=1)
    merged = ion.do(
        "mergePartInventory", partInventories=[{"id": i} for i in (first, second, third)]
    )
    assert first == merged["partInventory"]["id"]
    assert (6, 1) == seen(ion, first, "quantity", "quantityScrapped")
    assert [0, 0] == [seen(ion, each, "quantity") for each in (second, third)]


def test_only_what_is_the_same_can_be_merged(ion: Ion) -> None:
    kind, serial = part(ion), part(ion, trackingType="SERIAL")
    one, other = stock(ion, 1, kind, lotNumber="L1"), stock(ion, 1, kind, lotNumber="L2")
    assert "same part and lot" in ion.refused(
        "mergePartInventory", partInventories=[{"id": one}, {"id": other}]
    )
    pieces = [{"id": stock(ion, 1, serial, serialNumber=s)} for s in "ab"]
    assert "0 or 1" in ion.refused("mergePartInventory", partInventories=pieces)
    assert "two or more" in ion.refused("mergePartInventory", partInventories=[{"id": one}])
    assert "two or more" in ion.refused(
        "mergePartInventory", partInventories=[{"id": one}, {"id": one}]
    )


def test_locations_lie_within_others_but_not_within_themselves(ion: Ion) -> None:
    hall = ion.make("Location", name="Hall", type="WAREHOUSE")["id"]
    rack = ion.make("Location", name="Rack", type="RACK", parentId=hall)["id"]
    shelf = ion.make("Location", name="Shelf", type="SHELF", parentId=rack)["id"]
    assert {"allChildren": [{"name": "Rack"}, {"name": "Shelf"}]} == ion.see(
        "location", hall, "allChildren { name }"
    )
    above = ion.see("location", shelf, "allParents { name } parent { name }")
    assert {"name": "Rack"} == above["parent"]
    assert ["Hall", "Rack"] == sorted(p["name"] for p in above["allParents"])
    lies = ion.see("partInventory", stock(ion, locationId=shelf), "parentLocations { name }")
    assert ["Hall", "Rack", "Shelf"] == sorted(p["name"] for p in lies["parentLocations"])
    assert "cannot contain itself" in ion.edit_refused("location", hall, parentId=shelf)


def test_issuing_some_splits_it_and_the_kit_holds_it(ion: Ion) -> None:
    made = stock(ion)
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    issued, rest = issue(ion, made, item, 3)
    assert made == rest
    assert (7, "AVAILABLE") == seen(ion, made, "quantity", "status")
    shown = ("status", "kitted", "quantityKitted", "quantityAvailable", "quantity")
    assert ("KITTED", True, 3, 0, 3) == seen(ion, issued, *shown)
    assert {"quantityFulfilled": 3, "quantityUnfulfilled": 1, "fulfilled": False} == ion.see(
        "partKitItem", item, "quantityFulfilled quantityUnfulfilled fulfilled"
    )
    assert {"percentFulfilled": 75, "fulfilled": False} == ion.see(
        "partKit", kit, "percentFulfilled fulfilled"
    )
    issue(ion, made, item, 1)
    assert {"percentFulfilled": 100, "fulfilled": True} == ion.see(
        "partKit", kit, "percentFulfilled fulfilled"
    )
    held = ion.see("partKit", kit, "partInventories { issuedQuantity }")["partInventories"]
    assert [1, 3] == sorted(each["issuedQuantity"] for each in held)
    (page,) = ion.all("partKitItems", "partInventories { id issuedQuantity }", id={"eq": item})
    assert {issued: 3} == {
        i["id"]: i["issuedQuantity"] for i in page["partInventories"] if i["id"] == issued
    }


def test_issuing_all_of_it_leaves_no_rest(ion: Ion) -> None:
    made = stock(ion, 4)
    _, item = kit_of(ion, seen(ion, made, "partId"))
    assert (made, None) == issue(ion, made, item, 4)


def test_what_is_in_a_completed_kit_is_not_kitted_any_more(ion: Ion) -> None:
    made = stock(ion, 4)
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    issue(ion, made, item, 4)
    ion.edit("partKit", kit, status="COMPLETED")
    assert ("AVAILABLE", 0, 4) == seen(ion, made, "status", "quantityKitted", "quantityIssued")


def test_what_is_put_back_is_free_again(ion: Ion) -> None:
    made = stock(ion, 4)
    _, item = kit_of(ion, seen(ion, made, "partId"))
    issue(ion, made, item, 4)
    given = {"partInventoryId": made, "partKitItemId": item}
    ion.do("moveItemToInventory", **given, etag=ion.etag("partInventory", made))
    assert ("AVAILABLE", 4) == seen(ion, made, "status", "quantityAvailable")
    assert {"quantityFulfilled": 0} == ion.see("partKitItem", item, "quantityFulfilled")
    refusal = ion.refused("moveItemToInventory", **given, etag=ion.etag("partInventory", made))
    assert "This inventory is not in that kit." == refusal


def test_what_cannot_be_issued_is_refused(ion: Ion) -> None:
    made, other = stock(ion, 2), stock(ion, 2)
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    assert "larger than the available quantity" in issue_refused(ion, made, item, 3)
    assert "larger than the available quantity" in issue_refused(ion, made, item, 0)
    assert "for another part" in issue_refused(ion, other, item, 1)
    ion.edit("partKit", kit, status="CANCELED")
    assert "A canceled kit accepts no more inventory." == issue_refused(ion, made, item, 1)
    assert "A canceled kit cannot change." == ion.edit_refused("partKit", kit, status="DRAFT")


def test_what_is_kitted_stays_whole(ion: Ion) -> None:
    kind = part(ion)
    made, other = stock(ion, 4, kind), stock(ion, 4, kind)
    kit, item = kit_of(ion, kind)
    issue(ion, made, item, 4)
    assert "kitted and installed" in ion.edit_refused("partInventory", made, quantity=3)
    assert "cannot be split off" in ion.refused(
        "splitPartInventory", id=made, etag=ion.etag("partInventory", made), quantity=1
    )
    assert "cannot be merged" in ion.refused(
        "mergePartInventory", partInventories=[{"id": other}, {"id": made}]
    )
    for single, id_ in (("partInventory", made), ("partKitItem", item), ("partKit", kit)):
        mutation = f"delete{single[0].upper()}{single[1:]}"
        assert "still used" in ion.refused(mutation, id=id_, etag=ion.etag(single, id_))


def test_a_run_gets_a_kit_of_what_its_part_is_made_of(ion: Ion) -> None:
    parent, parts, items = with_mbom(ion, bolt=4, plate=2)
    run = ion.make("Run", title="Build", partId=parent, quantity=3)["id"]
    shown = "partKit { runId status partKitItems { partId quantity originMbomItemId } }"
    kit = ion.do("createKitForRun", shown, runId=run)["partKit"]
    assert (run, "DRAFT") == (kit["runId"], kit["status"])
    wanted = {(parts["bolt"], 12, items["bolt"]), (parts["plate"], 6, items["plate"])}
    assert wanted == {
        (i["partId"], i["quantity"], i["originMbomItemId"]) for i in kit["partKitItems"]
    }


def test_a_kit_takes_a_substitute_where_the_mbom_names_one(ion: Ion) -> None:
    parent, parts, items = with_mbom(ion, bolt=4)
    screw, nail = stock(ion, 9), stock(ion, 9)
    ion.do("createMbomSubstitute", mbomItemId=items["bolt"], partId=seen(ion, screw, "partId"))
    kit = ion.make("PartKit")
    given = {"partKitId": kit["id"], "partId": parent, "quantity": 2, "etag": kit["_etag"]}
    shown = "partKit { partKitItems { id partId quantity } }"
    (item,) = ion.do("addPartsToKitFromMbom", shown, **given)["partKit"]["partKitItems"]
    assert (parts["bolt"], 8) == (item["partId"], item["quantity"])
    issue(ion, screw, item["id"], 8)
    assert "for another part" in issue_refused(ion, nail, item["id"], 1)


def test_a_kit_from_an_mbom_without_a_quantity_is_for_one(ion: Ion) -> None:
    parent, _, _ = with_mbom(ion, bolt=4)
    kit = ion.make("PartKit")
    shown = "partKit { partKitItems { quantity } }"
    given = {"partKitId": kit["id"], "partId": parent, "etag": kit["_etag"]}
    assert [{"quantity": 4}] == ion.do("addPartsToKitFromMbom", shown, **given)["partKit"][
        "partKitItems"
    ]


def test_a_kit_moves_with_what_is_in_it(ion: Ion) -> None:
    made, place = stock(ion, 4), ion.make("Location", name="Cart")["id"]
    kit, item = kit_of(ion, seen(ion, made, "partId"))
    issue(ion, made, item, 4)
    given = {"partKitId": kit, "locationId": place, "etag": ion.etag("partKit", kit)}
    ion.do("moveKitInventoryToLocation", **given)
    assert place == seen(ion, made, "locationId")
    assert {"locationId": place} == ion.see("partKit", kit, "locationId")


def test_what_a_kit_lacks_becomes_a_kit_of_its_own(ion: Ion) -> None:
    made, run = stock(ion, 3), ion.make("Run", title="Build")["id"]
    kit, item = kit_of(ion, seen(ion, made, "partId"), runId=run)
    missing = ion.make("PartKitItem", partKitId=kit, partId=part(ion), quantity=2)["id"]
    issue(ion, made, item, 3)
    shown = "partKit { id runId partKitItems { id partId quantity } }"
    new = ion.do("splitUnfulfilledPartKit", shown, partKitId=kit, etag=ion.etag("partKit", kit))[
        "partKit"
    ]
    assert run == new["runId"] != kit != new["id"]
    assert {
        (seen(ion, made, "partId"), 1),
        (ion.see("partKitItem", missing, "partId")["partId"], 2),
    } == {(i["partId"], i["quantity"]) for i in new["partKitItems"]}
    assert {"fulfilled": True, "partKitItems": [{"quantity": 3}]} == ion.see(
        "partKit", kit, "fulfilled partKitItems { quantity }"
    )
    assert "This kit has no missing quantities." == ion.refused(
        "splitUnfulfilledPartKit", partKitId=kit, etag=ion.etag("partKit", kit)
    )


def test_a_kits_item_wants_something(ion: Ion) -> None:
    kit, item = kit_of(ion, part(ion))
    assert "more than 0" in ion.refused(
        "createPartKitItem", partKitId=kit, partId=part(ion), quantity=0
    )
    assert "more than 0" in ion.edit_refused("partKitItem", item, quantity=0)


def test_inventory_is_noted_on_a_step(ion: Ion) -> None:
    made, run = stock(ion), ion.make("Run", title="Build")["id"]
    step = ion.do("createRunStep", runId=run, title="one")["step"]["id"]
    tie = {"runStepId": step, "partInventoryId": made}
    ion.do("addPartInventoryToRunStep", **tie, etag=ion.etag("runStep", step))
    assert [{"id": made}] == ion.see("runStep", step, "partInventories { id }")["partInventories"]
    assert "etag does not match" in ion.refused("removePartInventoryFromRunStep", **tie, etag="old")
    ion.do("removePartInventoryFromRunStep", **tie, etag=ion.etag("runStep", step))
    assert [] == ion.see("runStep", step, "partInventories { id }")["partInventories"]
