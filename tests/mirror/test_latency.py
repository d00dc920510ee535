"""Latency of changes: measured, counted per hour and minute, and estimated from the counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select
from tests.mirror.observations import ORDER, at, event, fresh, read

from ultraviolet.db.tables.stats import DELAYS, activity, arrivals
from ultraviolet.mirror import latency
from ultraviolet.mirror.object_state import ObjectState

NOW = at(60)


def changed(second: float) -> ObjectState:
    state = fresh(10)
    state.set_content({**state.doc, "status": "NEW"}, event(second), at(second))
    return state


def measured(state: ObjectState) -> tuple[str | None, float | None]:
    latency.measure_latency([state], NOW)
    return state.change_time, state.latency_seconds


def test_latency_of_an_event_counts_from_its_own_time() -> None:
    assert measured(changed(58.5)) == (at(58.5), 1.5)


def test_latency_of_a_read_counts_from_the_new_updated() -> None:
    state = fresh(10)
    state.set_content({"_updated": at(57)}, read(59), at(57))

    assert measured(state) == (at(57), 3.0)


def test_latency_of_a_computed_value_counts_from_the_first_sign() -> None:
    state = fresh(10)
    state.mark("purchase_order_lines changed", at(56))
    state.set_content({**state.doc, "estimatedCost": 3}, read(59), state.source_time)
    state.before = {**state.doc, "estimatedCost": 2}

    assert measured(state) == (at(56), 4.0)


def test_latency_is_never_negative() -> None:
    assert measured(changed(61)) == (at(61), 0.0)


@pytest.mark.parametrize("moment", ["yesterday", "2026-01-01T00:00:00"])
def test_latency_is_unknown_without_a_valid_time(moment: str) -> None:
    state = fresh(10)
    state.since = moment
    state.set_content({"status": "NEW"}, read(59), None)

    assert measured(state) == (None, None)


def test_changes_are_counted_under_their_cause_too(connection: Connection) -> None:
    states = [changed(58), changed(59)]
    latency.measure_latency(states, NOW)

    for _ in range(2):
        latency.record_latency(connection, 1, states, {(ORDER, "1"): "late"}, NOW)

    rows = connection.execute(select(arrivals)).all()
    assert {(r.hour, r.resource, r.cause, r.healed_by) for r in rows} == {
        (NOW[:13], ORDER, "", "event"),
        (NOW[:13], ORDER, "late", "event"),
    }
    assert {r.count for r in rows} == {2}


def test_minutes_count_changes_by_delay(connection: Connection) -> None:
    unknown, slow = fresh(10), changed(60 - DELAYS[3])
    latency.measure_latency([slow], NOW)

    latency.record_activity(connection, 1, [unknown, slow], NOW)
    latency.record_activity(connection, 1, [slow], NOW)
    latency.record_activity(connection, 1, [], NOW)

    [row] = connection.execute(select(activity)).mappings()
    assert (row["minute"], row["changes"], row["within_3"]) == (NOW[:16], 3, 2)
    assert sum(row[f"within_{number}"] for number in range(len(DELAYS) + 1)) == 2


@given(st.lists(st.floats(0.001, 10_000), min_size=1, max_size=50), st.floats(0.01, 1))
def test_quantile_has_an_error_of_at_most_a_fifth(seconds: list[float], share: float) -> None:
    counts: dict[int, int] = {latency.UNKNOWN_BUCKET: 9}
    for each in seconds:
        counts[latency.latency_bucket(each)] = counts.get(latency.latency_bucket(each), 0) + 1

    found = latency.quantile(counts, share)

    assert found is not None
    wanted = len(seconds) * share
    exact = next(s for n, s in enumerate(sorted(seconds), start=1) if n >= wanted - 1e-9)
    assert abs(found - exact) <= 0.2 * exact + 0.001


def test_unknown_latency_has_its_own_bucket() -> None:
    assert latency.latency_bucket(None) == latency.UNKNOWN_BUCKET
    assert latency.quantile({latency.UNKNOWN_BUCKET: 5}, 0.5) is None


@pytest.mark.parametrize(
    ("counts", "share", "expected"),
    [
        ({}, 0.5, None),
        ({0: 10}, 0.5, 0.025),
        ({len(DELAYS): 4}, 1.0, 600.0),
        ({0: 1, 1: 1}, 1.0, 0.071),
        ({0: 1, 1: 1}, 0.5, 0.025),
    ],
)
def test_quantiles_of_minutes_use_the_bounds_of_their_buckets(
    counts: dict[int, int], share: float, expected: float | None
) -> None:
    assert latency.quantile(counts, share, DELAYS) == expected
