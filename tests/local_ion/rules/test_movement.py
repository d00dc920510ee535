"""Inventory moves with its kit and its assembly, and to the step of its run."""

from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()


@pytest.fixture(scope="module")
def places(ion: Ion) -> dict[str, int]:
    return {n: ion.create("Location", name=n)["id"] for n in ("store", "cart", "line", "bench")}


def stock(ion: Ion, place: int, quantity: float = 10, part: int | None = None) -> int:
    part = (
        part
        or ion.create("Part", partNumber=f"M{ion.data('{ parts { pageInfo { count } } }')}")["id"]
    )
    return ion.create("PartInventory", partId=part, quantity=quantity, locationId=place)["id"]


def place_of(ion: Ion, inventory: int) -> int:
    return ion.get("partInventory", inventory, "locationId")["locationId"]


def issue(ion: Ion, kit: int, inventory: int, quantity: float) -> int:
    part = ion.get("partInventory", inventory, "partId")["partId"]
    item = ion.create("PartKitItem", partKitId=kit, partId=part, quantity=quantity)["id"]
    given = {"partInventoryId": inventory, "partKitItemId": item, "quantity": quantity}
    return ion.mutate("issueItemToKit", **given, etag=ion.etag("partInventory", inventory))[
        "partInventory"
    ]["id"]


def installed(ion: Ion, assembly: int, part: int, inventory: int, quantity: float = 1) -> None:
    """Install an inventory in an assembly, whose part gets an mBOM with the part."""
    found = ion.get("partInventory", assembly, "_etag partId buildRequirements { id partId }")
    if not found["buildRequirements"]:
        ion.mutate("createAbomForPartInventory", id=assembly, etag=found["_etag"])
        found = ion.get("partInventory", assembly, "buildRequirements { id partId }")
    (wanted,) = [r["id"] for r in found["buildRequirements"] if r["partId"] == part]
    given = {"buildRequirementId": wanted, "partInventoryId": inventory, "quantity": quantity}
    ion.mutate("createAbomInstallation", **given)


def test_kit_moves_its_contents_and_starts_and_ends_at_its_places(
    ion: Ion, places: dict[str, int]
) -> None:
    kit = ion.create(
        "PartKit", locationId=places["cart"], deliveryLocationId=places["line"], status="REQUESTED"
    )["id"]
    whole, rest = stock(ion, places["store"]), stock(ion, places["store"])
    first, part = issue(ion, kit, whole, 10), issue(ion, kit, rest, 4)
    assert {"status": "IN_PROGRESS"} == ion.get("partKit", kit, "status")
    moved = [place_of(ion, each) for each in (first, part, rest)]
    assert [places["cart"], places["cart"], places["store"]] == moved
    ion.update("partKit", kit, locationId=places["bench"])
    assert [places["bench"]] * 2 == [place_of(ion, first), place_of(ion, part)]
    ion.update("partKit", kit, status="DELIVERED")
    assert {"locationId": places["line"]} == ion.get("partKit", kit, "locationId")
    assert [places["line"]] * 2 == [place_of(ion, first), place_of(ion, part)]
    ion.update("partKit", kit, status="COMPLETED")
    assert places["line"] == place_of(ion, first)


def test_kit_without_a_place_moves_nothing(ion: Ion, places: dict[str, int]) -> None:
    kit = ion.create("PartKit", status="DRAFT")["id"]
    inventory = issue(ion, kit, stock(ion, places["store"]), 10)
    ion.update("partKit", kit, status="DELIVERED")
    assert places["store"] == place_of(ion, inventory)
    assert {"status": "DELIVERED"} == ion.get("partKit", kit, "status")


def test_assembly_moves_installed_inventory_at_any_depth(ion: Ion, places: dict[str, int]) -> None:
    top, middle, bolt = (ion.create("Part", partNumber=f"asm {n}")["id"] for n in range(3))
    ion.mutate("createMbomItem", parentId=top, partId=middle, quantity=1)
    ion.mutate("createMbomItem", parentId=middle, partId=bolt, quantity=2)
    outer, inner = stock(ion, places["store"], 1, top), stock(ion, places["cart"], 1, middle)
    bolts, some = stock(ion, places["cart"], 2, bolt), stock(ion, places["cart"], 1, middle)
    installed(ion, inner, bolt, bolts, 2)
    assert places["cart"] == place_of(ion, bolts)
    installed(ion, outer, middle, inner)
    assert [places["store"]] * 2 == [place_of(ion, inner), place_of(ion, bolts)]
    ion.update("partInventory", outer, locationId=places["line"])
    assert [places["line"]] * 2 == [place_of(ion, inner), place_of(ion, bolts)]
    assert places["cart"] == place_of(ion, some)


@pytest.mark.parametrize(("setting", "moves"), [(None, True), (False, False), (True, True)])
def test_started_step_moves_the_inventory_of_its_run(
    ion: Ion, places: dict[str, int], setting: bool | None, moves: bool
) -> None:
    if setting is not None:
        given: dict[str, Any] = {"partsInventory": {"moveInventoryToStepLocation": setting}}
        ion.update_settings("updateOrganization", settings=given)
    inventory = stock(ion, places["store"], 1)
    run = ion.create("Run", title="x", partInventoryId=inventory)["id"]
    step = ion.mutate("createRunStep", runId=run, title="t", locationId=places["bench"])["step"][
        "id"
    ]
    ion.update("runStep", step, status="TODO")
    assert places["store"] == place_of(ion, inventory)
    ion.update("runStep", step, status="IN_PROGRESS")
    assert (places["bench"] if moves else places["store"]) == place_of(ion, inventory)


def test_completed_kit_leaves_its_former_contents(ion: Ion, places: dict[str, int]) -> None:
    kit = ion.create("PartKit", locationId=places["cart"])["id"]
    inventory = issue(ion, kit, stock(ion, places["store"]), 10)
    ion.update("partKit", kit, status="COMPLETED")
    ion.update("partKit", kit, locationId=places["bench"])
    assert places["cart"] == place_of(ion, inventory)


def test_installed_inventory_follows_its_assembly_instead_of_its_kit(
    ion: Ion, places: dict[str, int]
) -> None:
    top, bolt = (ion.create("Part", partNumber=f"kitted asm {n}")["id"] for n in range(2))
    ion.mutate("createMbomItem", parentId=top, partId=bolt, quantity=10)
    assembly = stock(ion, places["line"], 1, top)
    kit = ion.create("PartKit", locationId=places["cart"])["id"]
    bolts = issue(ion, kit, stock(ion, places["store"], 10, bolt), 10)
    installed(ion, assembly, bolt, bolts, 10)
    ion.update("partKit", kit, locationId=places["bench"])
    assert places["line"] == place_of(ion, bolts)
