"""The rules of truth as pure functions: each line of the decision tables, and any order."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.mirror.observations import ORDER, absence, at, event, fresh, read

from ultraviolet.mirror.object_state import DELETION, ObjectState
from ultraviolet.mirror.observation import Observation
from ultraviolet.mirror.resolve import CREATION_LAG, LAG, resolve


def partial(second: float, **fields: Any) -> ObjectState:
    """Return an object known only from an event at this time."""
    state = ObjectState(ORDER, "1")
    resolve(state, event(second, _updated=at(second), **fields))
    return state


def deleted(second: float = 10) -> ObjectState:
    return replace(fresh(second), deleted_at=at(second))


def test_event_older_than_the_last_read_changes_nothing() -> None:
    state = fresh(10, status="DRAFT")

    assert resolve(state, event(9, _updated=at(8), status="OLD")) == "same"
    assert state.doc["status"] == "DRAFT"
    assert state.marked_at is None


def test_event_of_a_deleted_object_only_marks_it() -> None:
    state = deleted(10)

    assert resolve(state, event(12, _updated=at(11))) == "marked"
    assert state.deleted_at == at(10)
    assert state.marked_at == at(12)


@pytest.mark.parametrize("updated", [at(3), at(9), None, "yesterday", 7])
def test_event_not_provably_newer_only_marks_a_full_object(updated: object) -> None:
    state = fresh(10, status="DRAFT")

    assert resolve(state, event(12, _updated=updated, status="ORDERED")) == "marked"
    assert state.doc["status"] == "DRAFT"


def test_newer_event_changes_the_fields_it_contains() -> None:
    state = fresh(10, status="DRAFT", supplierId=4)

    assert resolve(state, event(12, _updated=at(11), status=None)) == "changed"
    assert state.doc == {"_updated": at(11), "status": None, "supplierId": 4}
    assert state.marked_at == at(12)


def test_newer_event_received_before_a_lagging_read_still_marks() -> None:
    state = fresh(20, status="DRAFT")

    assert resolve(state, event(15, _updated=at(19.5), status="ORDERED")) == "changed"
    assert state.marked_at == at(20)


def test_older_event_only_adds_fields_to_a_partial_object() -> None:
    state = partial(12, status="NEW")

    assert resolve(state, event(13, _updated=at(5), status="OLD", supplierId=4)) == "changed"
    assert state.doc == {"_updated": at(12), "status": "NEW", "supplierId": 4}


def test_read_replaces_the_document_and_removes_the_mark() -> None:
    state = partial(12, status="NEW", removed=1)

    assert resolve(state, read(13, _updated=at(12), status="NEW")) == "changed"
    assert state.doc == {"_updated": at(12), "status": "NEW"}
    assert (state.completeness, state.marked_at, state.read_at) == ("full", None, at(13))


def test_read_that_began_before_a_mark_does_not_remove_it() -> None:
    state = fresh(10)
    state.mark("event", at(15))

    resolve(state, read(14, _updated=at(13), status="ORDERED"))

    assert state.marked_at == at(15)


def test_read_from_a_lagging_replica_is_older() -> None:
    state = fresh(10, status="NEW")

    assert resolve(state, read(11, _updated=at(5), status="OLD")) == "older"
    assert state.doc["status"] == "NEW"


def test_read_after_the_lag_shows_that_ion_was_restored() -> None:
    state = fresh(10, status="NEW")
    began = 10 + LAG.total_seconds() + 1

    assert resolve(state, read(began, _updated=at(5), status="OLD")) == "changed"
    assert (state.doc["status"], state.source_time) == ("OLD", at(5))


def test_read_older_than_events_only_adds_fields_to_an_object_never_read() -> None:
    state = partial(12, status="NEW")

    assert resolve(state, read(11, _updated=at(5), status="OLD", supplierId=4)) == "changed"
    assert state.doc == {"_updated": at(12), "status": "NEW", "supplierId": 4}
    assert state.marked_at == at(12)


def test_unchanged_read_soon_after_a_deletion_does_not_restore() -> None:
    state = deleted(10)

    assert resolve(state, read(12, _updated=at(9))) == "older"
    assert (state.deleted_at, state.reason) == (at(10), "shown again")


@pytest.mark.parametrize(("began", "updated"), [(12, 11), (11 + LAG.total_seconds(), 9)])
def test_changed_or_later_read_restores_a_deleted_object(began: float, updated: float) -> None:
    state = deleted(10)

    assert resolve(state, read(began, _updated=at(updated))) == "changed"
    assert (state.deleted_at, state.change) == (None, "restore")


def test_absence_without_other_evidence_is_unproven() -> None:
    state = fresh(10)

    assert resolve(state, absence(12)) == "unproven"
    assert (state.deleted_at, state.reason) == (None, "not shown")


def test_absence_in_a_full_fetch_deletes() -> None:
    state = fresh(10)

    assert resolve(state, absence(12, "fetch")) == "changed"
    assert (state.change, state.deleted_at) == ("delete", at(12.5))


@pytest.mark.parametrize("event_time", [at(9), at(30)])
def test_absence_after_a_deletion_event_deletes(event_time: str) -> None:
    marked, remembered = fresh(10), fresh(10)
    marked.mark(DELETION, at(11))
    remembered.deletion_event_time = event_time

    assert [resolve(state, absence(12)) for state in (marked, remembered)] == ["changed"] * 2


def test_absence_after_an_earlier_deletion_event_is_unproven() -> None:
    state = fresh(10)
    state.deletion_event_time = at(3)

    assert resolve(state, absence(12)) == "unproven"


@pytest.mark.parametrize("began", [9, 10.5])
def test_absence_that_began_before_the_last_sign_is_older(began: float) -> None:
    state = fresh(10)
    state.mark("event", at(11))

    assert resolve(state, absence(began, "fetch")) == "older"
    assert state.deleted_at is None


def test_absence_soon_after_a_creation_is_older() -> None:
    state = partial(10)
    state.marked_at = None

    assert resolve(state, absence(10 + CREATION_LAG.total_seconds() - 1, "fetch")) == "older"
    assert resolve(state, absence(10 + CREATION_LAG.total_seconds() + 1, "fetch")) == "changed"


def test_absence_of_an_unknown_or_deleted_object_changes_nothing() -> None:
    assert resolve(ObjectState(ORDER, "1"), absence(5)) == "same"
    assert resolve(deleted(10), absence(12)) == "same"


@pytest.mark.parametrize("kind", ["full", "absent"])
def test_read_without_start_time_is_an_error(kind: str) -> None:
    observation = Observation(ORDER, "1", kind, {}, at(1), read(1).origin)  # pyright: ignore[reportArgumentType]

    with pytest.raises(ValueError, match="has no start time"):
        resolve(ObjectState(ORDER, "1"), observation)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True))
def test_reads_of_a_growing_object_converge_in_any_order(seconds: list[int]) -> None:
    reads = [read(second + 1, _updated=at(second), value=second) for second in seconds]

    for order in permutations(reads):
        state = ObjectState(ORDER, "1")
        for observation in order:
            resolve(state, observation)
        assert state.doc == {"_updated": at(max(seconds)), "value": max(seconds)}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=4, unique=True))
def test_events_of_an_object_never_read_converge_in_any_order(seconds: list[int]) -> None:
    events = [event(60, _updated=at(second), value=second) for second in seconds]

    for order in permutations(events):
        state = ObjectState(ORDER, "1")
        for observation in order:
            resolve(state, observation)
        assert state.doc["value"] == max(seconds)
        assert state.source_time == at(max(seconds))
        assert state.marked_at == at(60)
