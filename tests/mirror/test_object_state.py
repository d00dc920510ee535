"""The state of one object in a batch: its mark, its change and the changed fields."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.mirror.observations import ORDER, at, event, fresh, read

from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.stale_reasons import DELETION, VERIFICATION

documents = st.dictionaries(st.sampled_from("abcd"), st.none() | st.integers(0, 2))


def test_mark_counts_and_keeps_the_first_and_the_last_time() -> None:
    state = fresh(10)

    assert state.mark("event", at(20))
    assert state.mark("event", at(15))

    assert (state.since, state.marked_at, state.marks) == (at(20), at(20), 2)


def test_mark_before_the_last_read_is_ignored() -> None:
    state = fresh(10)

    assert not state.mark("event", at(9))
    assert state.marked_at is None


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["event", DELETION], DELETION),
        ([DELETION, "event"], DELETION),
        ([DELETION, VERIFICATION], DELETION),
        (["event", VERIFICATION], VERIFICATION),
        ([VERIFICATION, "event"], VERIFICATION),
        (["poll", "event"], "poll"),
    ],
)
def test_strongest_reason_of_a_mark_is_kept(reasons: list[str], expected: str) -> None:
    state = fresh(10)

    for reason in reasons:
        state.mark(reason, at(11))

    assert state.reason == expected


def test_settle_removes_only_marks_from_before_the_read() -> None:
    state = fresh(10)
    state.mark("event", at(12))

    state.settle(at(12))
    assert (state.marked_at, state.settled) == (at(12), False)
    state.settle(at(13))
    assert (state.marked_at, state.settled, state.marked) == (None, True, False)


def test_equal_content_is_a_new_observation_but_not_a_change() -> None:
    state = fresh(10, status="DRAFT")

    assert state.set_content(dict(state.doc), read(20), at(9)) == "same"
    assert (state.change, state.observed_at, state.touched) == (None, at(20.5), True)


def test_changes_of_a_batch_become_one() -> None:
    new, old = ObjectState(ORDER, "1"), fresh(10, status="DRAFT")

    for state in (new, old):
        state.set_content({"status": "ORDERED"}, event(11), None)
        state.delete(read(12))
        state.set_content({"status": "RECEIVED"}, read(13), None)

    assert (new.change, old.change) == ("create", "update")
    assert new.doc == old.doc == {"status": "RECEIVED"}
    assert new.deleted_at is old.deleted_at is None


def test_delete_keeps_the_last_content() -> None:
    state = fresh(10, status="DRAFT")

    state.delete(read(12))

    assert (state.change, state.deleted_at) == ("delete", at(12.5))
    assert state.doc["status"] == "DRAFT"


@given(documents, documents)
def test_changed_fields_transform_the_previous_version(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    assume(before != after)
    state = ObjectState(ORDER, "1", doc=before, version=1)
    state.set_content(after, event(1), None)

    changed = state.changed_fields()

    rebuilt = {name: value for name, value in before.items() if name not in changed}
    rebuilt |= {name: after[name] for name in changed if name in after}
    assert rebuilt == after
    assert all(before.get(name, ...) != after.get(name, ...) for name in changed)
    assert changed == sorted(changed)


def test_all_fields_of_a_created_or_deleted_object_changed() -> None:
    created, deleted = ObjectState(ORDER, "1"), fresh(10, status="DRAFT")
    created.set_content({"b": 1, "a": None}, event(1), None)
    deleted.delete(read(12))

    assert created.changed_fields() == ["a", "b"]
    assert deleted.changed_fields() == ["_updated", "status"]
