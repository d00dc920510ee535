"""Bills of materials, installed inventory and part revisions."""

import itertools
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
NUMBERS = itertools.count()


def part(ion: Ion, **values: Any) -> int:
    return ion.create("Part", **{"partNumber": f"part {next(NUMBERS)}", **values})["id"]


def mbom(ion: Ion, part_id: int, **quantities: float) -> tuple[int, dict[str, int]]:
    """Create an mBOM; return its id, and the parts of its items by name."""
    made = ion.mutate("createMbom", partId=part_id)["mbom"]["id"]
    parts = {name: part(ion) for name in quantities}
    wanted = [{"mbomId": made, "partId": parts[n], "quantity": q} for n, q in quantities.items()]
    ion.mutate("createMultipleMbomItems", mbomItems=wanted)
    return made, parts


def stock(ion: Ion, part_id: int, quantity: float = 1) -> int:
    return ion.create("PartInventory", partId=part_id, quantity=quantity)["id"]


def built(ion: Ion, inventory: int) -> int:
    """Create the aBOM of an inventory; return the id of its root item."""
    etag = ion.etag("partInventory", inventory)
    return ion.mutate("createAbomForPartInventory", id=inventory, etag=etag)["abomItem"]["id"]


def children(ion: Ion, item: int) -> list[Any]:
    shown = "children { id partId quantity expectedQuantityPer partInventoryId }"
    return sorted(ion.get("abomItem", item, shown)["children"], key=lambda c: c["id"])


def test_part_has_versions_of_its_mbom(ion: Ion) -> None:
    kind = part(ion)
    first, _ = mbom(ion, kind, bolt=4)
    second = ion.mutate(
        "createMbom", "mbom { id version isLatestVersion }", partId=kind, copyMbom=True
    )["mbom"]
    assert (2, True) == (second["version"], second["isLatestVersion"])
    assert {"isLatestVersion": False} == ion.get("mbom", first, "isLatestVersion")
    assert [4] == [
        i["quantity"] for i in ion.get("mbom", second["id"], "mbomItems { quantity }")["mbomItems"]
    ]
    assert {"latestMbom": {"id": second["id"]}, "latestReleasedMbom": None} == ion.get(
        "part", kind, "latestMbom { id } latestReleasedMbom { id }"
    )
    ion.update("mbom", first, status="RELEASED")
    assert {"latestReleasedMbom": {"id": first}} == ion.get(
        "part", kind, "latestReleasedMbom { id }"
    )


def test_copied_mbom_keeps_substitutes_and_designators(ion: Ion) -> None:
    kind = part(ion)
    made, _ = mbom(ion, kind, bolt=4)
    item = ion.get("mbom", made, "mbomItems { id }")["mbomItems"][0]["id"]
    pair = [{"mbomItemId": item, "partId": part(ion)} for _ in range(2)]
    assert 2 == len(ion.mutate("createMbomSubstitutes", input=pair)["mbomSubstitutes"])
    ion.mutate("createMbomItemReferenceDesignator", mbomItemId=item, value="R1")
    copy = ion.mutate("createMbom", partId=kind, copyMbom=True)["mbom"]["id"]
    (copied,) = ion.get(
        "mbom", copy, "mbomItems { substitutes { partId } referenceDesignators { value } }"
    )["mbomItems"]
    assert [{"partId": each["partId"]} for each in pair] == copied["substitutes"]
    assert [{"value": "R1"}] == copied["referenceDesignators"]


def test_mbom_item_can_name_the_parent_part(ion: Ion) -> None:
    parent, child = part(ion), part(ion)
    shown = "mbomItem { parentId mbom { partId version } }"
    item = ion.mutate("createMbomItem", shown, parentId=parent, partId=child, quantity=2)[
        "mbomItem"
    ]
    assert {"parentId": parent, "mbom": {"partId": parent, "version": 1}} == item
    assert [{"quantity": 2}] == ion.get("part", parent, "mbom { quantity }")["mbom"]


def test_mbom_item_cannot_be_its_own_part_or_have_no_quantity(ion: Ion) -> None:
    kind = part(ion)
    made, _ = mbom(ion, kind)
    assert "its own mBOM" in ion.mutation_error(
        "createMbomItem", mbomId=made, partId=kind, quantity=1
    )
    assert "more than 0" in ion.mutation_error(
        "createMbomItem", mbomId=made, partId=part(ion), quantity=0
    )
    several = [{"mbomId": made, "partId": p, "quantity": 1} for p in (part(ion), kind)]
    assert "its own mBOM" in ion.mutation_error("createMultipleMbomItems", mbomItems=several)
    assert [] == ion.get("mbom", made, "mbomItems { id }")["mbomItems"]


def test_abom_has_the_items_of_the_mbom(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4, plate=1)
    piece = stock(ion, kind)
    root = built(ion, piece)
    assert {"partInventoryId": piece, "partId": kind, "parent": None} == ion.get(
        "abomItem", root, "partInventoryId partId parent { id }"
    )
    wanted = {(parts["bolt"], 4, 0, None), (parts["plate"], 1, 0, None)}
    assert wanted == {
        (c["partId"], c["expectedQuantityPer"], c["quantity"], c["partInventoryId"])
        for c in children(ion, root)
    }
    assert 2 == ion.get("abomItem", root, "_ChildEdgesCount")["_ChildEdgesCount"]
    assert root == built(ion, piece)  # the aBOM exists since the inventory was created


def test_installed_inventory_is_not_available(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4)
    piece, bolts = stock(ion, kind), stock(ion, parts["bolt"], 4)
    root = built(ion, piece)
    (item,) = children(ion, root)
    ion.update("abomItem", item["id"], partInventoryId=bolts, quantity=4)
    assert {
        "status": "INSTALLED",
        "installed": True,
        "quantityInstalled": 4,
        "quantityAvailable": 0,
    } == ion.get("partInventory", bolts, "status installed quantityInstalled quantityAvailable")
    assert {"abomChildren": [{"partInventoryId": bolts}]} == ion.get(
        "partInventory", piece, "abomChildren { partInventoryId }"
    )
    assert {"abomParents": [{"partInventoryId": piece}]} == ion.get(
        "partInventory", bolts, "abomParents { partInventoryId }"
    )
    ion.update("abomItem", item["id"], partInventoryId=None, quantity=0)
    assert {"status": "AVAILABLE"} == ion.get("partInventory", bolts, "status")


def test_only_matching_available_inventory_is_installed(ion: Ion) -> None:
    kind = part(ion)
    made, parts = mbom(ion, kind, bolt=4)
    substitute = part(ion)
    mbom_item = ion.get("mbom", made, "mbomItems { id }")["mbomItems"][0]["id"]
    ion.mutate("createMbomSubstitute", mbomItemId=mbom_item, partId=substitute)
    (item,) = children(ion, built(ion, stock(ion, kind)))
    acceptable = ion.get("abomItem", item["id"], "acceptablePartIds")["acceptablePartIds"]
    assert [parts["bolt"], substitute] == sorted(acceptable)
    other, few, fits = (
        stock(ion, part(ion), 4),
        stock(ion, parts["bolt"], 1),
        stock(ion, substitute, 4),
    )
    refused = ion.update_error("abomItem", item["id"], partInventoryId=other, quantity=1)
    assert "This part does not fit this item of the aBOM." == refused
    refused = ion.update_error("abomItem", item["id"], partInventoryId=few, quantity=4)
    assert "The quantity to install is larger than the available quantity." == refused
    assert "must not be below 0" in ion.update_error("abomItem", item["id"], quantity=-1)
    ion.update("abomItem", item["id"], partInventoryId=fits, quantity=4)


def test_abom_item_cannot_be_moved_below_itself(ion: Ion) -> None:
    kind, bolt = part(ion), part(ion)
    piece = stock(ion, kind)
    root = built(ion, piece)
    upper, lower = (
        ion.mutate(
            "createAbomItem",
            parentId=parent,
            partId=bolt,
            expectedQuantityPer=2,
            referenceDesignator="R7",
        )
        for parent in (root, root)
    )
    upper, lower = upper["abomItem"]["id"], lower["abomItem"]["id"]
    ion.update("abomItem", lower, parentId=upper, referenceDesignator="R8")
    shown = "parentId expectedQuantity referenceDesignator { value }"
    assert {
        "parentId": upper,
        "expectedQuantity": 2,
        "referenceDesignator": {"value": "R8"},
    } == ion.get("abomItem", lower, shown)
    assert [upper, lower] == sorted(
        each["id"] for each in ion.get("abomItem", root, "allChildren { id }")["allChildren"]
    )
    assert "installed in itself" in ion.update_error("abomItem", upper, parentId=lower)
    assert "installed in itself" in ion.mutation_error(
        "createAbomItem", parentId=root, partId=kind, partInventoryId=piece, quantity=1
    )


def test_kit_inventory_is_installed_on_matching_items(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4, plate=1)
    piece, bolts = stock(ion, kind), stock(ion, parts["bolt"], 4)
    root = built(ion, piece)
    kit = ion.create("PartKit")["id"]
    item = ion.create("PartKitItem", partKitId=kit, partId=parts["bolt"], quantity=4)["id"]
    given = {"partInventoryId": bolts, "partKitItemId": item, "quantity": 4}
    ion.mutate("issueItemToKit", **given, etag=ion.etag("partInventory", bolts))
    install = {"partKitId": kit, "abomItemId": root}
    done = ion.mutate("installKitOnAbomItemChildren", **install, etag=ion.etag("abomItem", root))[
        "abomItems"
    ]
    (installed,) = [c for c in children(ion, root) if c["partInventoryId"] is not None]
    assert (bolts, 4, [installed["id"]]) == (
        installed["partInventoryId"],
        installed["quantity"],
        [d["id"] for d in done],
    )
    assert {"status": "INSTALLED", "quantityKitted": 0} == ion.get(
        "partInventory", bolts, "status quantityKitted"
    )
    refusal = ion.mutation_error(
        "installKitOnAbomItemChildren", **install, etag=ion.etag("abomItem", root)
    )
    assert "No inventory in this kit matches an item of this aBOM." == refusal


REQUIREMENTS = """buildRequirements { id partId quantity part { partNumber }
  abomInstallations { buildRequirementId quantity partInventoryId partInventory { lotNumber } } }"""


def test_inventory_has_build_requirements_and_installations(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4)
    piece, bolts = stock(ion, kind), stock(ion, parts["bolt"], 4)
    (wanted,) = ion.get("partInventory", piece, REQUIREMENTS)["buildRequirements"]
    assert (parts["bolt"], 4, []) == (
        wanted["partId"],
        wanted["quantity"],
        wanted["abomInstallations"],
    )
    shown = "abomInstallation { buildRequirementId buildRequirementReferenceDesignatorId partInventoryId quantity }"
    install = {"buildRequirementId": wanted["id"], "partInventoryId": bolts}
    made = ion.mutate("createAbomInstallation", shown, **install, quantity=3)["abomInstallation"]
    assert {**install, "quantity": 3, "buildRequirementReferenceDesignatorId": None} == made
    (filled,) = ion.get("partInventory", piece, REQUIREMENTS)["buildRequirements"]
    assert [{**install, "quantity": 3, "partInventory": {"lotNumber": None}}] == filled[
        "abomInstallations"
    ]
    query = "query($r: ID!, $i: ID!) { abomInstallation(buildRequirementId: $r, partInventoryId: $i) { quantity } }"
    assert {"quantity": 3} == ion.data(query, r=wanted["id"], i=bolts)
    assert ion.data(query, r=wanted["id"], i=piece) is None
    assert {"quantityInstalled": 3} == ion.get("partInventory", bolts, "quantityInstalled")
    assert [{"buildRequirements": [filled]}] == ion.list_all(
        "partInventories", REQUIREMENTS, id={"eq": piece}
    )


def test_requirement_accepts_several_inventories_once_each(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4)
    piece = stock(ion, kind)
    built(ion, piece)
    requirement = ion.get("partInventory", piece, REQUIREMENTS)["buildRequirements"][0]["id"]
    lots = [stock(ion, parts["bolt"], 2) for _ in range(2)]
    for lot in lots:
        ion.mutate(
            "createAbomInstallation",
            buildRequirementId=requirement,
            partInventoryId=lot,
            quantity=2,
        )
    (met,) = ion.get("partInventory", piece, REQUIREMENTS)["buildRequirements"]
    assert (requirement, 4, lots) == (
        met["id"],
        met["quantity"],
        [i["partInventoryId"] for i in met["abomInstallations"]],
    )
    install = {"buildRequirementId": requirement, "quantity": 1}
    assert "not unique" in ion.mutation_error(
        "createAbomInstallation", **install, partInventoryId=lots[0]
    )
    other = stock(ion, part(ion))
    assert "does not fit" in ion.mutation_error(
        "createAbomInstallation", **install, partInventoryId=other
    )
    more = {**install, "quantity": 3, "partInventoryId": stock(ion, parts["bolt"], 2)}
    assert "larger than the available quantity" in ion.mutation_error(
        "createAbomInstallation", **more
    )


def test_revision_is_a_new_part_with_copied_values(ion: Ion) -> None:
    ion.update_settings("updateOrganizationPartAttributes", key="material", type="STRING")
    number = f"rev {next(NUMBERS)}"
    given = {"partNumber": number, "description": "Bracket", "trackingType": "SERIAL"}
    old = ion.create("Part", **given, attributes=[{"key": "material", "value": "steel"}])
    assert {"revision": "A", "isLatestRevision": True} == ion.get(
        "part", old["id"], "revision isLatestRevision"
    )
    shown = "part { id partNumber revision description trackingType revisedFromId attributes { value } }"
    new = ion.mutate(
        "createPartRevision", shown, id=old["id"], etag=old["_etag"], description="Stronger"
    )["part"]
    assert {
        "id": new["id"],
        "partNumber": number,
        "revision": "B",
        "description": "Stronger",
        "trackingType": "SERIAL",
        "revisedFromId": old["id"],
        "attributes": [{"value": "steel"}],
    } == new
    seen = ion.get("part", old["id"], "isLatestRevision latestRevision revisions { id }")
    assert {
        "isLatestRevision": False,
        "latestRevision": "B",
        "revisions": [{"id": new["id"]}],
    } == seen
    assert "etag does not match" in ion.mutation_error(
        "createPartRevision", id=old["id"], etag="old"
    )


@pytest.mark.parametrize(
    ("revision", "expected"), [("Z", "AA"), ("AZ", "BA"), ("9", "10"), ("B2", "B2A")]
)
def test_revisions_are_consecutive(ion: Ion, revision: str, expected: str) -> None:
    old = ion.create("Part", partNumber=f"rev {next(NUMBERS)}", revision=revision)
    shown = "part { revision }"
    made = ion.mutate("createPartRevision", shown, id=old["id"], etag=old["_etag"])
    assert {"part": {"revision": expected}} == made


def test_bulk_creation_updates_known_parts(ion: Ion) -> None:
    known = f"bulk {next(NUMBERS)}"
    old = part(ion, partNumber=known, description="before")
    new = {"partNumber": f"bulk {next(NUMBERS)}", "revision": "C"}
    made = ion.mutate(
        "createOrUpdateMultipleParts", parts=[{"partNumber": known, "description": "after"}, new]
    )
    assert old == made["parts"][0]["id"]
    assert {"description": "after"} == ion.get("part", old, "description")
    assert {"revision": "C"} == ion.get("part", made["parts"][1]["id"], "revision")


def test_part_has_subtypes(ion: Ion) -> None:
    kind, subtype = part(ion), ion.create("PartSubtype", name="Fastener")["id"]
    tie = {"partId": kind, "partSubtypeId": subtype}
    ion.mutate("addSubtypeToPart", **tie, etag=ion.etag("part", kind))
    assert {"partSubtypes": [{"name": "Fastener"}]} == ion.get(
        "part", kind, "partSubtypes { name }"
    )
    new = ion.mutate("createPartRevision", id=kind, etag=ion.etag("part", kind))["part"]["id"]
    assert {"partSubtypes": [{"name": "Fastener"}]} == ion.get("part", new, "partSubtypes { name }")
    ion.mutate("removeSubtypeFromPart", **tie, etag=ion.etag("part", kind))
    assert {"partSubtypes": []} == ion.get("part", kind, "partSubtypes { name }")


def test_mbom_is_deleted_with_its_items(ion: Ion) -> None:
    made, _ = mbom(ion, part(ion), bolt=4)
    item = ion.get("mbom", made, "mbomItems { id }")["mbomItems"][0]["id"]
    ion.mutate("deleteMbom", id=made, etag=ion.etag("mbom", made))
    assert ion.get("mbomItem", item) is None


def test_part_is_once_an_item_of_an_mbom(ion: Ion) -> None:
    top, one, two = (ion.create("Part", partNumber=f"unique {n}")["id"] for n in range(3))
    items = [
        ion.mutate("createMbomItem", parentId=top, partId=part, quantity=1)["mbomItem"]
        for part in (one, two)
    ]
    again = {"parentId": top, "partId": one, "quantity": 2}
    assert "not unique" in ion.mutation_error("createMbomItem", **again)
    given = {"id": items[1]["id"], "etag": items[1]["_etag"], "partId": one}
    assert "not unique" in ion.mutation_error("updateMbomItem", **given)
    for mutation, values in (
        ("createMbomSubstitute", {"mbomItemId": items[0]["id"], "partId": top}),
        ("createMbomItemReferenceDesignator", {"mbomItemId": items[0]["id"], "value": "R1"}),
    ):
        ion.mutate(mutation, **values)
        assert "not unique" in ion.mutation_error(mutation, **values)


def test_released_mbom_archives_the_previous_one(ion: Ion) -> None:
    part = ion.create("Part", partNumber="versions")["id"]
    first, second, third = (ion.mutate("createMbom", partId=part)["mbom"]["id"] for _ in range(3))
    for mbom in (first, second):
        ion.update("mbom", mbom, status="RELEASED")
    statuses = [ion.get("mbom", m, "status")["status"] for m in (first, second, third)]
    assert ["ARCHIVED", "RELEASED", "DRAFT"] == statuses
    assert "cannot change from archived to draft" in ion.update_error("mbom", first, status="DRAFT")
    assert "cannot change from released to draft" in ion.update_error(
        "mbom", second, status="DRAFT"
    )
    ion.update("mbom", second, status="ARCHIVED")
    assert {"latestReleasedMbom": None} == ion.get("part", part, "latestReleasedMbom { id }")
