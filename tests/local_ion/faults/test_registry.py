"""When and how often faults trigger, and invalid faults."""

from typing import get_args

import pytest

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.local_ion.faults.kinds import (
    FAULT_KINDS,
    Fault,
    FaultKindName,
    check_fault,
    load_scenarios,
    scenario_faults,
)
from ultraviolet.local_ion.faults.registry import FaultRegistry


class Stopwatch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def faults(watch: Stopwatch) -> FaultRegistry:
    return FaultRegistry(watch)


def decisions(faults: FaultRegistry, times: int, subject: str = "/graphql") -> list[bool]:
    return [bool(faults.trigger("request", subject)) for _ in range(times)]


def test_every_kind_of_fault_has_a_description() -> None:
    assert set(get_args(FaultKindName)) == set(FAULT_KINDS)


def test_fault_triggers_every_time_by_default(faults: FaultRegistry) -> None:
    faults.add(Fault(kind="error"))
    assert decisions(faults, 3) == [True, True, True]


def test_fault_triggers_only_at_its_point_and_for_its_targets(faults: FaultRegistry) -> None:
    faults.add(Fault(kind="dropped", only="purchase_*"))
    assert faults.trigger("request", "purchase_orders") == []
    assert faults.trigger("delivery", "parts") == []
    assert len(faults.trigger("delivery", "purchase_orders")) == 1


def test_same_seed_triggers_for_the_same_matches(faults: FaultRegistry) -> None:
    def run() -> list[bool]:
        faults.clear()
        faults.add(Fault(kind="error", probability=0.5, seed=7))
        return decisions(faults, 40)

    first = run()
    assert first == run()
    assert set(first) == {True, False}


def test_drawn_seed_makes_a_run_repeatable(
    faults: FaultRegistry,
) -> None:
    (state,) = faults.add(Fault(kind="error", probability=0.5))
    drawn = state.fault
    first = decisions(faults, 30)
    faults.clear()
    faults.add(drawn)
    assert decisions(faults, 30) == first


def test_fault_skips_the_first_matches_and_stops_at_its_count(faults: FaultRegistry) -> None:
    faults.add(Fault(kind="error", after=2, count=3))
    assert decisions(faults, 7) == [False, False, True, True, True, False, False]
    (state,) = faults.list_states()
    assert (state.matched, state.triggered, state.finished) == (5, 3, True)


def test_fault_ends_after_its_duration(faults: FaultRegistry, watch: Stopwatch) -> None:
    faults.add(Fault(kind="error", duration=10.0))
    watch.now = 9.9
    assert decisions(faults, 1) == [True]
    watch.now = 10.0
    assert decisions(faults, 1) == [False]
    assert faults.list_states()[0].finished


def test_rate_limit_triggers_only_above_its_rate(faults: FaultRegistry, watch: Stopwatch) -> None:
    faults.add(Fault(kind="rate_limit", above_rate=2.0))
    assert decisions(faults, 4) == [False, False, True, True]
    watch.now = 0.5
    assert decisions(faults, 2) == [False, True]


def test_faults_are_cleared_by_id_by_kind_or_all_at_once(faults: FaultRegistry) -> None:
    first, *_ = faults.add(Fault(kind="error"), Fault(kind="latency"), Fault(kind="latency"))
    assert faults.clear(str(first.id)) == 1
    assert faults.clear("latency") == 2
    with pytest.raises(NotFoundError):
        faults.clear("latency")
    assert faults.clear() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        Fault(kind="error", probability=0.0),
        Fault(kind="error", probability=1.5),
        Fault(kind="error", count=0),
        Fault(kind="error", after=-1),
        Fault(kind="error", duration=0.0),
        Fault(kind="error", duration=-1.0),
        Fault(kind="error", status=200),
        Fault(kind="error", seconds=1.0),
        Fault(kind="latency", seconds=-1.0),
        Fault(kind="latency", seconds=float("nan")),
        Fault(kind="duplicated", number=0),
        Fault(kind="rate_limit", above_rate=-1.0),
        Fault(kind="token_rejected", message="Go away"),
        Fault(kind="field_removed"),
    ],
    ids=str,
)
def test_invalid_fault_is_rejected_and_no_fault_is_added(
    faults: FaultRegistry, wrong: Fault
) -> None:
    with pytest.raises(InvalidError):
        faults.add(Fault(kind="latency"), wrong)
    assert faults.list_states() == []


@pytest.mark.parametrize("name", load_scenarios())
def test_scenarios_have_valid_faults(name: str) -> None:
    for fault in scenario_faults(name):
        check_fault(fault)


def test_scenario_is_repeatable_by_a_seed() -> None:
    assert {f.seed for f in scenario_faults("bad_day", 10)} == set(range(10, 16))
    with pytest.raises(NotFoundError, match="bad_day"):
        scenario_faults("no such thing")
