"""Documents ask for what both the contract and this ION know; answers become one comparable form."""

import pytest
from graphql import introspection_from_schema, parse, validate

from ultraviolet.ion import queries
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema

CATALOG = load_catalog()
WHOLE = OfferedSchema.whole(CATALOG)


def without(*members: tuple[str, str]) -> OfferedSchema:
    """What an ION offers that lacks these fields, or values of an enum."""
    lacking = {name: {m for of, m in members if of == name} for name, _ in members}
    return OfferedSchema(
        {name: have - lacking.get(name, set()) for name, have in WHOLE.types.items()}
    )


def resource(name: str) -> Resource:
    return CATALOG.resources[name]


@pytest.mark.parametrize("name", [r.name for r in CATALOG.mirrored])
def test_generated_queries_are_valid_graphql(name: str) -> None:
    for document in (
        queries.page_query(resource(name), WHOLE),
        queries.by_ids_query([("a0", resource(name), ["1"])], WHOLE)[0],
    ):
        assert validate(CATALOG.schema, parse(document)) == []


def test_query_omits_fields_missing_in_an_older_ion() -> None:
    older = without(
        ("Supplier", "phoneNumber"), ("FileAttachment", "contentType"), ("Supplier", "labels")
    )

    document = queries.page_query(resource("suppliers"), older)

    assert "email" in document
    assert "phoneNumber" not in document
    assert "labels" not in document
    assert "fileAttachments { id filename }" in document


def test_newer_ion_does_not_change_the_query() -> None:
    newer = OfferedSchema(
        {
            **WHOLE.types,
            "Supplier": WHOLE.types["Supplier"] | {"rating"},
            "Robot": frozenset({"id"}),
        }
    )

    assert queries.page_query(resource("suppliers"), newer) == queries.page_query(
        resource("suppliers"), WHOLE
    )


def test_resource_without_list_query_is_not_readable() -> None:
    assert WHOLE.reads(resource("suppliers"))
    assert not without(("Query", "suppliers")).reads(resource("suppliers"))


def test_introspection_yields_the_offered_schema() -> None:
    offered = OfferedSchema.from_introspection(introspection_from_schema(CATALOG.schema))

    assert offered.types["Supplier"] == WHOLE.types["Supplier"]
    assert offered.has("ResourceEnum", "PURCHASE_ORDERS")
    assert offered.reads(resource("runs"))


def test_objects_of_several_resources_are_read_in_one_request() -> None:
    wanted = [("a0", resource("suppliers"), ["1", "2"]), ("a1", resource("parts"), ["3"])]

    document, variables = queries.by_ids_query(wanted, WHOLE)

    assert document.startswith(
        "query ByIds($first: Int, $a0: SuppliersInputFilters, $a1: PartsInputFilters)"
    )
    assert variables == {"first": 2, "a0": {"id": {"in": ["1", "2"]}}, "a1": {"id": {"in": ["3"]}}}


def test_equal_content_is_equal_data() -> None:
    one = {
        "id": 7,
        "_updated": "2026-01-02T03:04:05+02:00",
        "labels": [{"id": 10, "value": "b"}, {"id": 9, "value": "a"}],
        "attributes": [
            {"id": "7-x", "key": "x", "value": 1},
            {"id": "7-a", "key": "a", "value": None},
        ],
    }
    other = {
        "id": 7,
        "_updated": "2026-01-02T01:04:05.000000Z",
        "labels": list(reversed(one["labels"])),
        "attributes": list(reversed(one["attributes"])),
    }

    doc = queries.normalize_document(resource("suppliers"), one)

    assert doc == queries.normalize_document(resource("suppliers"), other)
    assert [label["id"] for label in doc["labels"]] == [9, 10]
    assert doc["attributes"]["x"]["value"] == 1


def test_list_with_null_entry_is_unchanged() -> None:
    node = {"id": 1, "labels": [None, {"id": 2}]}

    assert queries.normalize_document(resource("suppliers"), node)["labels"] == [None, {"id": 2}]


@pytest.mark.parametrize(
    "time", ["next Tuesday", "9999-12-31T23:59:59-08:00", "0001-01-01T00:00:00+01:00"]
)
def test_unreadable_time_is_unchanged(time: str) -> None:
    node = {"id": 1, "_updated": time}

    assert queries.normalize_document(resource("suppliers"), node)["_updated"] == time


def test_object_id_is_its_joined_key() -> None:
    assert queries.object_id(resource("suppliers"), {"id": 5}) == "5"
    assert (
        queries.object_id(resource("part_procedures"), {"partId": 1, "procedureId": 2, "id": 9})
        == "1:2"
    )
