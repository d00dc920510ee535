"""Reads by id: absence is proven or not, and a bad object spoils no other."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hub.table_ion import CATALOG, TableIon, answer, row

from ultraviolet.hub.sync.object_reader import ALIAS, ObjectReader, ReadResult
from ultraviolet.ion.client import Result
from ultraviolet.ion.errors import (
    IonError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
    IonUnreachableError,
)
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.mirror.observation import Origin

HEAL = Origin("heal")
PARTS = "parts"


def reader(ion: TableIon) -> ObjectReader:
    return ObjectReader(ion, CATALOG, OfferedSchema.whole(CATALOG))


def by_ids(ion: TableIon, *ids: int) -> ReadResult:
    return asyncio.run(reader(ion).by_ids([(PARTS, str(id_)) for id_ in ids], HEAL))


def each(ion: TableIon, ids: Any) -> ReadResult:
    return asyncio.run(reader(ion).each_by_id([(PARTS, str(id_)) for id_ in ids], HEAL))


def kinds(result: ReadResult) -> dict[str, str]:
    return {o.id: o.kind for o in result.observations}


def answering(*nodes: dict[str, Any] | None, more: bool = False, errors: Any = ()) -> TableIon:
    """Return an ION that answers any read of parts with these rows."""
    ion = TableIon({PARTS: {}})
    ion.override = lambda ids: Result({"a0": answer(nodes, more=more)}, tuple(errors))
    return ion


def test_objects_of_several_resources_are_read_in_one_request() -> None:
    ion = TableIon({PARTS: {1: row(1)}, "suppliers": {1: row(1), 2: row(2)}})
    refs = [(PARTS, "1"), ("suppliers", "2"), (PARTS, "9")]

    result = asyncio.run(reader(ion).by_ids(refs, HEAL))

    assert {(PARTS, "1"): "full", ("suppliers", "2"): "full", (PARTS, "9"): "absent"} == {
        o.ref: o.kind for o in result.observations
    }
    assert 1 == len(ion.requests)
    assert {HEAL} == {o.origin for o in result.observations}
    assert all(
        o.read_started_at and o.read_started_at <= o.observed_at for o in result.observations
    )


def test_long_lists_of_ids_have_several_aliases() -> None:
    ion = TableIon({PARTS: {n: row(n) for n in range(1, 2 * ALIAS + 2)}})
    result = by_ids(ion, *range(1, 2 * ALIAS + 2))
    assert 2 * ALIAS + 1 == len(result.observations)
    assert [2 * ALIAS + 1] == [len(ids) for ids in ion.requests]


@pytest.mark.parametrize(
    ("ion", "why"),
    [
        (answering(more=True, errors=["x"]), "x"),
        (answering(row(1), more=True), "ION shows only some of the requested objects"),
        (answering(row(1), None), "ION answered null or another object instead"),
        (answering(row(1), row(9)), "ION answered null or another object instead"),
        (answering(row(1), row(2), row(2, a=1)), "ION answered null or another object instead"),
        (answering(row(1), errors=["Part 2: timed out"]), "Part 2: timed out"),
        (answering(row(1), row(2, attributes="none")), "attributes is not a list"),
    ],
    ids=["error", "incomplete", "null", "another", "ambiguous", "field error", "unreadable"],
)
def test_missing_object_is_not_absent_if_the_answer_may_be_incomplete(
    ion: TableIon, why: str
) -> None:
    result = by_ids(ion, 1, 2)
    assert why == result.failed[PARTS, "2"]
    assert "absent" not in kinds(result).values()


def test_fields_are_unknown_if_there_are_more_errors_than_missing_lists() -> None:
    """ION answers null for a field that it could not compute, with an error."""
    result = by_ids(answering(row(1, description=None), errors=["could not compute"]), 1)
    assert ([], {(PARTS, "1"): "could not compute"}) == (result.observations, result.failed)


def test_resource_that_ion_does_not_answer_fails_alone() -> None:
    ion = TableIon({})
    ion.override = lambda ids: Result({"a0": None, "a1": answer([row(1)])}, ("no permission",))
    refs = [(PARTS, "7"), ("suppliers", "1")]
    result = asyncio.run(reader(ion).by_ids(refs, HEAL))
    assert {(PARTS, "7"): "no permission"} == result.failed
    assert [("suppliers", "1")] == [o.ref for o in result.observations]


@given(
    bad=st.sets(st.integers(1, 60), max_size=4),
    gone=st.sets(st.integers(1, 60), max_size=4),
    unreachable=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_only_bad_objects_fail(bad: set[int], gone: set[int], unreachable: bool) -> None:
    ion = TableIon({PARTS: {n: row(n) for n in range(1, 61) if n not in gone}})

    def override(ids: list[int]) -> Result | None:
        if not bad.intersection(ids):
            return None
        if unreachable:
            raise IonUnreachableError("ION answered 500")
        return Result(None, ("could not read",))

    ion.override = override
    result = each(ion, range(1, 61))

    assert {(PARTS, str(n)) for n in bad} == result.failed.keys()
    assert {str(n): "absent" if n in gone else "full" for n in range(1, 61) if n not in bad} == (
        kinds(result)
    )
    assert len(ion.requests) <= 64


def test_number_of_requests_is_limited_if_all_objects_are_bad() -> None:
    ion = TableIon({PARTS: {n: row(n) for n in range(1, 301)}})
    ion.override = lambda ids: Result(None, ("could not read",))
    result = each(ion, range(1, 301))
    assert len(ion.requests) < 64 + 9, "groups that wait when the limit is reached are read once"
    assert ([], 300) == (result.observations, len(result.failed))
    assert {"could not read"} == set(result.failed.values())


def test_empty_list_of_objects_sends_no_request() -> None:
    ion = TableIon({})
    assert ReadResult([], {}) == each(ion, [])
    assert [] == ion.requests


@pytest.mark.parametrize(
    "error", [IonUnauthorizedError("no"), IonRateLimitedError("slow down")], ids=["key", "rate"]
)
def test_error_that_no_object_causes_is_raised(error: IonError) -> None:
    ion = TableIon({PARTS: {1: row(1), 2: row(2)}})

    def override(ids: list[int]) -> None:
        raise error

    ion.override = override
    with pytest.raises(type(error)):
        each(ion, [1, 2])
    assert 1 == len(ion.requests)


def test_ion_that_answers_nothing_blames_no_object() -> None:
    class Down(TableIon):
        async def execute(self, *arguments: Any, **more: Any) -> Result:
            raise IonUnreachableError("ION is down")

    with pytest.raises(IonUnreachableError):
        each(Down({}), [1, 2])


def test_refusal_of_a_single_object_is_its_error() -> None:
    ion = TableIon({PARTS: {1: row(1)}})

    def override(ids: list[int]) -> None:
        raise IonRefusedError("not this one")

    ion.override = override
    assert {(PARTS, "1"): "not this one"} == each(ion, [1]).failed
