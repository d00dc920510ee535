"""The local ION serves the API of 2023, a newer one, or everything of both."""

from pathlib import Path

import pytest
from tests.local_ion.in_process_ion import Ion, shared_ion

ion = shared_ion()
INSTALL = """mutation Install($input: CreateABomInstallationInput!) {
  createAbomInstallation(input: $input) { abomInstallation { quantity } } }"""


def _assembly(ion: Ion, name: str) -> tuple[int, int]:
    """Create a part with an mBOM of one bolt; return the ids of the part and the bolt."""
    top = ion.create("Part", partNumber=f"{name} top")["id"]
    bolt = ion.create("Part", partNumber=f"{name} bolt")["id"]
    ion.mutate("createMbomItem", "mbomItem { id }", parentId=top, partId=bolt, quantity=2)
    return top, bolt


def test_version_of_2023_has_abom_items_only(tmp_path: Path) -> None:
    old = Ion(tmp_path, version="2023")
    for query in ("{ currentUser { id } }", "{ sessions { edges { node { id } } } }"):
        assert "Cannot query field" in old.error(query)
    assert "Unknown type" in old.error(INSTALL, input={})
    top, _ = _assembly(old, "old")
    piece = old.create("PartInventory", partId=top, quantity=1)["id"]
    assert [] == old.list_all("abomItems")
    etag = old.etag("partInventory", piece)
    old.mutate("createAbomForPartInventory", id=piece, etag=etag)
    assert len(old.list_all("abomItems")) == 2
    refusal = old.mutation_error("createAbomForPartInventory", id=piece, etag=etag)
    assert refusal == "This inventory already has an aBOM."
    assert "used in position" in old.error("query ($id: Int!) { part(id: $id) { id } }", id=top)
    old.ion.close()


def test_newer_version_has_build_requirements_instead(tmp_path: Path) -> None:
    new = Ion(tmp_path, version="newer")
    for field in ("abomItems", "aBomEdges"):
        assert "Cannot query field" in new.error(f"{{ {field} {{ edges {{ node {{ id }} }} }} }}")
    assert new.ion.catalog.resources["abom_items"].list is None
    top, bolt = _assembly(new, "new")
    piece = new.create("PartInventory", partId=top, quantity=1)["id"]
    bolts = new.create("PartInventory", partId=bolt, quantity=2)["id"]
    shown = "buildRequirements { id partId quantity }"
    (wanted,) = new.get("partInventory", piece, shown)["buildRequirements"]
    assert (wanted["partId"], wanted["quantity"]) == (bolt, 2)
    given = {"buildRequirementId": wanted["id"], "partInventoryId": bolts, "quantity": 2}
    assert new.data(INSTALL, input=given) == {"abomInstallation": {"quantity": 2}}
    new.ion.close()


def test_int_variables_are_accepted_for_ids(ion: Ion) -> None:
    part = ion.create("Part", partNumber="by int")["id"]
    assert ion.data("query ($id: Int!) { part(id: $id) { id } }", id=part) == {"id": part}


@pytest.mark.parametrize(
    ("declared", "select"),
    [
        ("$id: Float!", "part(id: $id) { id }"),
        ("$id: Int", "part(id: $id) { id }"),
        ("$id: ID", "part(id: $id) { id }"),
        ("$id: ID = null", "part(id: $id) { id }"),
        ("$f: IntFilter", "parts(filters: {partNumber: $f}) { edges { node { id } } }"),
        ("$f: Int", "parts(filters: {id: {in: $f}}) { edges { node { id } } }"),
        ("$f: PartsInputFilters", "parts(filters: {or_: $f}) { edges { node { id } } }"),
    ],
)
def test_other_variables_are_refused(ion: Ion, declared: str, select: str) -> None:
    declared_type = declared.partition(": ")[2].partition(" =")[0]
    message = ion.error(f"query ({declared}) {{ {select} }}")
    assert f"of type '{declared_type}' used in position" in message


def test_default_makes_a_variable_required_and_one_value_is_a_list(ion: Ion) -> None:
    part = ion.create("Part", partNumber="by default")["id"]
    assert ion.data(f"query ($id: Int = {part}) {{ part(id: $id) {{ id }} }}") == {"id": part}
    query = "query ($by: PartSortEnum) { parts(sort: $by, first: 1) { edges { node { id } } } }"
    assert ion.data(query, by="ID_DESC")["edges"][0]["node"]["id"] == max(
        each["id"] for each in ion.list_all("parts")
    )


def test_current_user_is_me(ion: Ion) -> None:
    shown = "{ id name email organization { id domain } }"
    assert ion.data(f"{{ currentUser {shown} }}") == ion.data(f"{{ me {shown} }}")


def test_parts_have_purchase_type_and_reorder_quantities(ion: Ion) -> None:
    shown = "id purchaseType reorderMinimum reorderMaximum"
    values = {"purchaseType": "RECEIVABLE_NON_INVENTORY", "reorderMinimum": 2}
    part = ion.create("Part", shown, partNumber="glue", **values)
    assert part == {"id": part["id"], "reorderMaximum": None, **values}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{ me { id id: name } }", "'id' and 'name' are different fields"),
        (
            "{ locations { edges { node { steps(filters: {id: {eq: 1}}) { id } steps { id } } } } }",
            "differing arguments",
        ),
        ("{ me { ...A ...B } } fragment A on User { x: id } fragment B on User { x: name }", "'x'"),
        (
            (
                "{ planItems { edges { node { results {"
                " ... on Run { x: quantity } ... on PurchaseOrderLine { x: description } } } } } }"
            ),
            "conflicting types 'Int' and 'String'",
        ),
        (
            "{ me { roles { id } roles { id: name } } }",
            "'id' and 'name' are different fields",
        ),
    ],
)
def test_conflicting_fields_are_refused(ion: Ion, document: str, message: str) -> None:
    assert message in ion.error(document)


def test_generated_documents_are_validated_in_linear_time(ion: Ion) -> None:
    """Fields repeated thousands of times are merged; compared pairwise, they took minutes."""
    runs = " ".join("... on Run { id title steps { id title } }" for _ in range(900))
    query = f"{{ planItems {{ edges {{ node {{ results {{ {runs} }} }} }} }} }}"
    assert len(query) > 38_000
    assert ion.data(query) == {"edges": []}
    names = " ".join("id" for _ in range(13_000))
    assert ion.data(f"{{ me {{ {names} }} }}") == {"id": 1}
