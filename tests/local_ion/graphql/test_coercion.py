"""Variables are coerced to the expected scalar types, as in graphene 2."""

from pathlib import Path

import pytest
from tests.local_ion.in_process_ion import Ion, nodes, shared_ion

from ultraviolet.local_ion.quirks import Quirks

ion = shared_ion()


def test_numeric_text_is_accepted_for_a_float(ion: Ion) -> None:
    part = ion.create("Part", partNumber="coercion-float")["id"]
    made = ion.create("PartInventory", "id quantity", partId=part, quantity="12.34568")
    assert 12.34568 == made["quantity"]


@pytest.mark.parametrize("first", ["2", "2.9", " 2 ", 2.9])
def test_numeric_text_is_accepted_for_an_int(ion: Ion, first: str) -> None:
    for n in range(3):
        ion.create("Location", name=f"coercion {first} {n}")
    page = ion.data("query ($n: Int) { locations(first: $n) { edges { node { id } } } }", n=first)
    assert 2 == len(nodes(page))


@pytest.mark.parametrize(
    ("given", "stored"), [(7, "7"), (1.5, "1.5"), (True, "true"), (False, "false")]
)
def test_numbers_and_booleans_are_accepted_for_text(ion: Ion, given: object, stored: str) -> None:
    part = ion.create("Part", "id description", partNumber=f"text {stored}", description=given)
    assert stored == part["description"]


def test_members_of_lists_are_coerced(ion: Ion) -> None:
    ion.create("Part", partNumber="81001")
    query = """query ($in: [String]) {
      parts(filters: {partNumber: {in: $in}}) { edges { node { partNumber } } } }"""
    assert ["81001"] == [n["partNumber"] for n in nodes(ion.data(query, **{"in": [81001, 81002]}))]


@pytest.mark.parametrize("first", ["", "two", "nan", "inf", "1e999", "3000000000"])
def test_other_text_is_rejected_for_an_int(ion: Ion, first: str) -> None:
    query = "query ($n: Int) { locations(first: $n) { edges { node { id } } } }"
    (error,) = ion.execute(query, n=first)["errors"]
    assert "$n" in error["message"]
    assert "Int cannot represent" in error["message"]


def test_booleans_are_accepted_for_numbers_and_anything_for_a_boolean(ion: Ion) -> None:
    part = ion.create("Part", partNumber="coercion-boolean")["id"]
    made = ion.create("PartInventory", "id quantity", partId=part, quantity=True)
    assert made["quantity"] == 1
    place = ion.create("Location", "available", name="coercion boolean", available=1)
    assert place["available"] is True


def test_null_stays_null(ion: Ion) -> None:
    part = ion.create("Part", "id description", partNumber="null", description=None)
    assert part["description"] is None


def test_only_floats_are_converted_without_the_quirk(tmp_path: Path) -> None:
    strict = Ion(tmp_path, Quirks.without(["every_scalar_is_converted"]))
    part = strict.create("Part", partNumber="P")["id"]
    assert (
        strict.create("PartInventory", "quantity", partId=part, quantity="2.5")["quantity"] == 2.5
    )
    assert "String cannot represent" in strict.mutation_error("createPart", partNumber=7)
    query = "query ($n: Int) { parts(first: $n) { edges { node { id } } } }"
    assert "Int cannot represent" in strict.error(query, n="2")
    strict.ion.close()


def test_literals_are_not_coerced(ion: Ion) -> None:
    (error,) = ion.execute('{ locations(first: "2") { edges { node { id } } } }')["errors"]
    assert 'Int cannot represent non-integer value: "2"' == error["message"]


@pytest.mark.parametrize("given", ["7.5", "abc", "", str(2**63)])
def test_invalid_id_is_named_with_its_form(ion: Ion, given: str) -> None:
    query = "query ($id: ID!) { part(id: $id) { id } }"
    assert f"{given!r} is not a valid value of id: expected a whole number." == ion.error(
        query, id=given
    )
    expected = f"{given!r} is not a valid value of input.stepId: expected an id, a whole number."
    assert expected == ion.mutation_error("copyStep", stepId=given)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"id": {"in": [1, "x"]}}, "'x' is not a valid value of id: expected a whole number."),
        (
            {"_created": {"gt": "soon"}},
            "'soon' is not a valid value of _created: expected a time such as 2026-01-31T12:00:00Z.",
        ),
    ],
)
def test_invalid_operand_of_a_filter_is_named(ion: Ion, filters: object, message: str) -> None:
    query = "query ($f: PartsInputFilters) { parts(filters: $f) { edges { node { id } } } }"
    assert message == ion.error(query, f=filters)


def test_null_in_a_list_of_a_filter_matches_nothing(ion: Ion) -> None:
    part = ion.create("Part", partNumber="null in a list")["id"]
    assert [{"id": part}] == ion.list_all("parts", id={"in": [None, part]})


@pytest.mark.parametrize("cost", ["many", "NaN", "Infinity"])
def test_invalid_decimal_is_refused(ion: Ion, cost: str) -> None:
    part = ion.create("Part", partNumber=f"decimal {cost}")["id"]
    message = ion.mutation_error("createPartInventory", partId=part, cost=cost)
    assert f"{cost!r} is not a valid value of cost: expected a number." == message


def test_null_is_refused_where_a_value_is_required(ion: Ion) -> None:
    place = ion.create("Location", name="required")["id"]
    message = "name of Location must not be null; omit it to keep its value."
    assert message == ion.update_error("location", place, name=None, description="x")
    assert {"name": "required", "description": None} == ion.get(
        "location", place, "name description"
    )
