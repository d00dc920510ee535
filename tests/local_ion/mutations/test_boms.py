"""Bills of material: what a part should be made of, what was built into a piece, and part revisions."""

import itertools
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared

ion = shared()
NUMBERS = itertools.count()


def part(ion: Ion, **values: Any) -> int:
    return ion.make("Part", **{"partNumber": f"part {next(NUMBERS)}", **values})["id"]


def mbom(ion: Ion, part_id: int, **quantities: float) -> tuple[int, dict[str, int]]:
    """Give a part an mBOM; gives its id, and by name the parts it wants."""
    made = ion.do("createMbom", partId=part_id)["mbom"]["id"]
    parts = {name: part(ion) for name in quantities}
    wanted = [{"mbomId": made, "partId": parts[n], "quantity": q} for n, q in quantities.items()]
    ion.do("createMultipleMbomItems", mbomItems=wanted)
    return made, parts


def stock(ion: Ion, part_id: int, quantity: float = 1) -> int:
    return ion.make("PartInventory", partId=part_id, quantity=quantity)["id"]


def built(ion: Ion, inventory: int) -> int:
    """Give an inventory the aBOM of its part; gives the id of its first item."""
    etag = ion.etag("partInventory", inventory)
    return ion.do("createAbomForPartInventory", id=inventory, etag=etag)["abomItem"]["id"]


def children(ion: Ion, item: int) -> list[Any]:
    shown = "children { id partId quantity expectedQuantityPer partInventoryId }"
    return sorted(ion.see("abomItem", item, shown)["children"], key=lambda c: c["id"])


def test_a_part_has_versions_of_its_mbom(ion: Ion) -> None:
    kind = part(ion)
    first, _ = mbom(ion, kind, bolt=4)
    second = ion.do(
        "createMbom", "mbom { id version isLatestVersion }", partId=kind, copyMbom=True
    )["mbom"]
    assert (2, True) == (second["version"], second["isLatestVersion"])
    assert {"isLatestVersion": False} == ion.see("mbom", first, "isLatestVersion")
    assert [4] == [
        i["quantity"] for i in ion.see("mbom", second["id"], "mbomItems { quantity }")["mbomItems"]
    ]
    assert {"latestMbom": {"id": second["id"]}, "latestReleasedMbom": None} == ion.see(
        "part", kind, "latestMbom { id } latestReleasedMbom { id }"
    )
    ion.edit("mbom", first, status="RELEASED")
    assert {"latestReleasedMbom": {"id": first}} == ion.see(
        "part", kind, "latestReleasedMbom { id }"
    )


def test_a_copied_mbom_keeps_substitutes_and_designators(ion: Ion) -> None:
    kind = part(ion)
    made, _ = mbom(ion, kind, bolt=4)
    item = ion.see("mbom", made, "mbomItems { id }")["mbomItems"][0]["id"]
    pair = [{"mbomItemId": item, "partId": part(ion)} for _ in range(2)]
    assert 2 == len(ion.do("createMbomSubstitutes", input=pair)["mbomSubstitutes"])
    ion.do("createMbomItemReferenceDesignator", mbomItemId=item, value="R1")
    copy = ion.do("createMbom", partId=kind, copyMbom=True)["mbom"]["id"]
    (copied,) = ion.see(
        "mbom", copy, "mbomItems { substitutes { partId } referenceDesignators { value } }"
    )["mbomItems"]
    assert [{"partId": each["partId"]} for each in pair] == copied["substitutes"]
    assert [{"value": "R1"}] == copied["referenceDesignators"]


def test_an_item_may_name_the_part_it_is_for_instead_of_its_mbom(ion: Ion) -> None:
    parent, child = part(ion), part(ion)
    shown = "mbomItem { parentId mbom { partId version } }"
    item = ion.do("createMbomItem", shown, parentId=parent, partId=child, quantity=2)["mbomItem"]
    assert {"parentId": parent, "mbom": {"partId": parent, "version": 1}} == item
    assert [{"quantity": 2}] == ion.see("part", parent, "mbom { quantity }")["mbom"]


def test_a_part_is_not_made_of_itself_nor_of_nothing(ion: Ion) -> None:
    kind = part(ion)
    made, _ = mbom(ion, kind)
    assert "its own mBOM" in ion.refused("createMbomItem", mbomId=made, partId=kind, quantity=1)
    assert "more than 0" in ion.refused("createMbomItem", mbomId=made, partId=part(ion), quantity=0)
    several = [{"mbomId": made, "partId": p, "quantity": 1} for p in (part(ion), kind)]
    assert "its own mBOM" in ion.refused("createMultipleMbomItems", mbomItems=several)
    assert [] == ion.see("mbom", made, "mbomItems { id }")["mbomItems"]


def test_a_piece_gets_the_items_of_its_parts_mbom_to_be_filled(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4, plate=1)
    piece = stock(ion, kind)
    root = built(ion, piece)
    assert {"partInventoryId": piece, "partId": kind, "parent": None} == ion.see(
        "abomItem", root, "partInventoryId partId parent { id }"
    )
    wanted = {(parts["bolt"], 4, 0, None), (parts["plate"], 1, 0, None)}
    assert wanted == {
        (c["partId"], c["expectedQuantityPer"], c["quantity"], c["partInventoryId"])
        for c in children(ion, root)
    }
    assert 2 == ion.see("abomItem", root, "_ChildEdgesCount")["_ChildEdgesCount"]
    refusal = ion.refused(
        "createAbomForPartInventory", id=piece, etag=ion.etag("partInventory", piece)
    )
    assert "This inventory already has an aBOM." == refusal


def test_what_is_installed_is_not_available_any_more(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4)
    piece, bolts = stock(ion, kind), stock(ion, parts["bolt"], 4)
    root = built(ion, piece)
    (item,) = children(ion, root)
    ion.edit("abomItem", item["id"], partInventoryId=bolts, quantity=4)
    assert {
        "status": "INSTALLED",
        "installed": True,
        "quantityInstalled": 4,
        "quantityAvailable": 0,
    } == ion.see("partInventory", bolts, "status installed quantityInstalled quantityAvailable")
    assert {"abomChildren": [{"partInventoryId": bolts}]} == ion.see(
        "partInventory", piece, "abomChildren { partInventoryId }"
    )
    assert {"abomParents": [{"partInventoryId": piece}]} == ion.see(
        "partInventory", bolts, "abomParents { partInventoryId }"
    )
    ion.edit("abomItem", item["id"], partInventoryId=None, quantity=0)
    assert {"status": "AVAILABLE"} == ion.see("partInventory", bolts, "status")


def test_only_what_fits_and_is_there_is_installed(ion: Ion) -> None:
    kind = part(ion)
    made, parts = mbom(ion, kind, bolt=4)
    substitute = part(ion)
    mbom_item = ion.see("mbom", made, "mbomItems { id }")["mbomItems"][0]["id"]
    ion.do("createMbomSubstitute", mbomItemId=mbom_item, partId=substitute)
    (item,) = children(ion, built(ion, stock(ion, kind)))
    acceptable = ion.see("abomItem", item["id"], "acceptablePartIds")["acceptablePartIds"]
    assert [parts["bolt"], substitute] == sorted(acceptable)
    other, few, fits = (
        stock(ion, part(ion), 4),
        stock(ion, parts["bolt"], 1),
        stock(ion, substitute, 4),
    )
    refused = ion.edit_refused("abomItem", item["id"], partInventoryId=other, quantity=1)
    assert "This part does not fit this item of the aBOM." == refused
    refused = ion.edit_refused("abomItem", item["id"], partInventoryId=few, quantity=4)
    assert "The quantity to install is larger than the available quantity." == refused
    assert "must not be below 0" in ion.edit_refused("abomItem", item["id"], quantity=-1)
    ion.edit("abomItem", item["id"], partInventoryId=fits, quantity=4)


def test_items_can_be_added_and_moved_but_never_under_themselves(ion: Ion) -> None:
    kind, bolt = part(ion), part(ion)
    piece = stock(ion, kind)
    root = built(ion, piece)
    upper, lower = (
        ion.do(
            "createAbomItem",
            parentId=parent,
            partId=bolt,
            expectedQuantityPer=2,
            referenceDesignator="R7",
        )
        for parent in (root, root)
    )
    upper, lower = upper["abomItem"]["id"], lower["abomItem"]["id"]
    ion.edit("abomItem", lower, parentId=upper, referenceDesignator="R8")
    shown = "parentId expectedQuantity referenceDesignator { value }"
    assert {
        "parentId": upper,
        "expectedQuantity": 2,
        "referenceDesignator": {"value": "R8"},
    } == ion.see("abomItem", lower, shown)
    assert [upper, lower] == sorted(
        each["id"] for each in ion.see("abomItem", root, "allChildren { id }")["allChildren"]
    )
    assert "installed in itself" in ion.edit_refused("abomItem", upper, parentId=lower)
    assert "installed in itself" in ion.refused(
        "createAbomItem", parentId=root, partId=kind, partInventoryId=piece, quantity=1
    )


def test_what_is_in_a_kit_is_installed_where_it_is_wanted(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4, plate=1)
    piece, bolts = stock(ion, kind), stock(ion, parts["bolt"], 4)
    root = built(ion, piece)
    kit = ion.make("PartKit")["id"]
    item = ion.make("PartKitItem", partKitId=kit, partId=parts["bolt"], quantity=4)["id"]
    given = {"partInventoryId": bolts, "partKitItemId": item, "quantity": 4}
    ion.do("issueItemToKit", **given, etag=ion.etag("partInventory", bolts))
    install = {"partKitId": kit, "abomItemId": root}
    done = ion.do("installKitOnAbomItemChildren", **install, etag=ion.etag("abomItem", root))[
        "abomItems"
    ]
    (installed,) = [c for c in children(ion, root) if c["partInventoryId"] is not None]
    assert (bolts, 4, [installed["id"]]) == (
        installed["partInventoryId"],
        installed["quantity"],
        [d["id"] for d in done],
    )
    assert {"status": "INSTALLED", "quantityKitted": 0} == ion.see(
        "partInventory", bolts, "status quantityKitted"
    )
    refusal = ion.refused(
        "installKitOnAbomItemChildren", **install, etag=ion.etag("abomItem", root)
    )
    assert "No inventory in this kit matches an item of this aBOM." == refusal


REQUIREMENTS = """buildRequirements { id partId quantity part { partNumber }
  abomInstallations { buildRequirementId quantity partInventoryId partInventory { lotNumber } } }"""


def test_a_piece_has_build_requirements_and_what_is_installed_for_them(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4)
    piece, bolts = stock(ion, kind), stock(ion, parts["bolt"], 4)
    built(ion, piece)
    (wanted,) = ion.see("partInventory", piece, REQUIREMENTS)["buildRequirements"]
    assert (parts["bolt"], 4, []) == (
        wanted["partId"],
        wanted["quantity"],
        wanted["abomInstallations"],
    )
    shown = "abomInstallation { buildRequirementId buildRequirementReferenceDesignatorId partInventoryId quantity }"
    install = {"buildRequirementId": wanted["id"], "partInventoryId": bolts}
    made = ion.do("createAbomInstallation", shown, **install, quantity=3)["abomInstallation"]
    assert {**install, "quantity": 3, "buildRequirementReferenceDesignatorId": None} == made
    (filled,) = ion.see("partInventory", piece, REQUIREMENTS)["buildRequirements"]
    assert [{**install, "quantity": 3, "partInventory": {"lotNumber": None}}] == filled[
        "abomInstallations"
    ]
    query = "query($r: ID!, $i: ID!) { abomInstallation(buildRequirementId: $r, partInventoryId: $i) { quantity } }"
    assert {"quantity": 3} == ion.data(query, r=wanted["id"], i=bolts)
    assert ion.data(query, r=wanted["id"], i=piece) is None
    assert {"quantityInstalled": 3} == ion.see("partInventory", bolts, "quantityInstalled")
    assert [{"buildRequirements": [filled]}] == ion.all(
        "partInventories", REQUIREMENTS, id={"eq": piece}
    )


def test_a_requirement_is_met_from_several_inventories_each_once(ion: Ion) -> None:
    kind = part(ion)
    _, parts = mbom(ion, kind, bolt=4)
    piece = stock(ion, kind)
    built(ion, piece)
    requirement = ion.see("partInventory", piece, REQUIREMENTS)["buildRequirements"][0]["id"]
    lots = [stock(ion, parts["bolt"], 2) for _ in range(2)]
    for lot in lots:
        ion.do(
            "createAbomInstallation",
            buildRequirementId=requirement,
            partInventoryId=lot,
            quantity=2,
        )
    (met,) = ion.see("partInventory", piece, REQUIREMENTS)["buildRequirements"]
    assert (requirement, 4, lots) == (
        met["id"],
        met["quantity"],
        [i["partInventoryId"] for i in met["abomInstallations"]],
    )
    install = {"buildRequirementId": requirement, "quantity": 1}
    assert "not unique" in ion.refused("createAbomInstallation", **install, partInventoryId=lots[0])
    other = stock(ion, part(ion))
    assert "does not fit" in ion.refused("createAbomInstallation", **install, partInventoryId=other)
    more = {**install, "quantity": 3, "partInventoryId": stock(ion, parts["bolt"], 2)}
    assert "larger than the available quantity" in ion.refused("createAbomInstallation", **more)


def test_a_revision_is_a_new_part_with_what_the_old_one_had(ion: Ion) -> None:
    ion.organize("updateOrganizationPartAttributes", key="material", type="STRING")
    number = f"rev {next(NUMBERS)}"
    given = {"partNumber": number, "description": "Bracket", "trackingType": "SERIAL"}
    old = ion.make("Part", **given, attributes=[{"key": "material", "value": "steel"}])
    assert {"revision": "A", "isLatestRevision": True} == ion.see(
        "part", old["id"], "revision isLatestRevision"
    )
    shown = "part { id partNumber revision description trackingType revisedFromId attributes { value } }"
    new = ion.do(
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
    seen = ion.see("part", old["id"], "isLatestRevision latestRevision revisions { id }")
    assert {
        "isLatestRevision": False,
        "latestRevision": "B",
        "revisions": [{"id": new["id"]}],
    } == seen
    assert "etag does not match" in ion.refused("createPartRevision", id=old["id"], etag="old")


@pytest.mark.parametrize(
    ("revision", "expected"), [("Z", "AA"), ("AZ", "BA"), ("9", "10"), ("B2", "B2A")]
)
def test_revisions_count_on(ion: Ion, revision: str, expected: str) -> None:
    old = ion.make("Part", partNumber=f"rev {next(NUMBERS)}", revision=revision)
    shown = "part { revision }"
    made = ion.do("createPartRevision", shown, id=old["id"], etag=old["_etag"])
    assert {"part": {"revision": expected}} == made


def test_parts_come_in_bulk_the_known_ones_changed(ion: Ion) -> None:
    known = f"bulk {next(NUMBERS)}"
    old = part(ion, partNumber=known, description="before")
    new = {"partNumber": f"bulk {next(NUMBERS)}", "revision": "C"}
    made = ion.do(
        "createOrUpdateMultipleParts", parts=[{"partNumber": known, "description": "after"}, new]
    )
    assert old == made["parts"][0]["id"]
    assert {"description": "after"} == ion.see("part", old, "description")
    assert {"revision": "C"} == ion.see("part", made["parts"][1]["id"], "revision")


def test_a_part_has_subtypes(ion: Ion) -> None:
    kind, subtype = part(ion), ion.make("PartSubtype", name="Fastener")["id"]
    tie = {"partId": kind, "partSubtypeId": subtype}
    ion.do("addSubtypeToPart", **tie, etag=ion.etag("part", kind))
    assert {"partSubtypes": [{"name": "Fastener"}]} == ion.see(
        "part", kind, "partSubtypes { name }"
    )
    new = ion.do("createPartRevision", id=kind, etag=ion.etag("part", kind))["part"]["id"]
    assert {"partSubtypes": [{"name": "Fastener"}]} == ion.see("part", new, "partSubtypes { name }")
    ion.do("removeSubtypeFromPart", **tie, etag=ion.etag("part", kind))
    assert {"partSubtypes": []} == ion.see("part", kind, "partSubtypes { name }")


def test_an_mbom_goes_with_its_items(ion: Ion) -> None:
    made, _ = mbom(ion, part(ion), bolt=4)
    item = ion.see("mbom", made, "mbomItems { id }")["mbomItems"][0]["id"]
    ion.do("deleteMbom", id=made, etag=ion.etag("mbom", made))
    assert ion.see("mbomItem", item) is None
