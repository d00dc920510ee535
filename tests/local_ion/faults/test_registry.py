"""When a fault strikes, how often, and what is refused."""

import pytest

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.local_ion.faults.registry import ABOUT, KINDS, Fault, Faults, check, scenario, scenarios


class Stopwatch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Stopwatch:
    return Stopwatch()


@pytest.fixture
def faults(watch: Stopwatch) -> Faults:
    return Faults(watch)


def strikes(faults: Faults, times: int, subject: str = "/graphql") -> list[bool]:
    return [bool(faults.strike("request", subject)) for _ in range(times)]


def test_every_kind_has_a_place_and_a_meaning() -> None:
    assert set(KINDS) == set(ABOUT)


def test_a_fault_strikes_every_time_unless_told_otherwise(faults: Faults) -> None:
    faults.set(Fault(kind="error"))
    assert strikes(faults, 3) == [True, True, True]


def test_a_fault_strikes_only_at_its_point_and_what_it_names(faults: Faults) -> None:
    faults.set(Fault(kind="dropped", only="purchase_*"))
    assert faults.strike("request", "purchase_orders") == []
    assert faults.strike("delivery", "parts") == []
    assert len(faults.strike("delivery", "purchase_orders")) == 1


def test_the_same_seed_strikes_the_same_ones(faults: Faults) -> None:
    def run() -> list[bool]:
        faults.clear()
        faults.set(Fault(kind="error", probability=0.5, seed=7))
        return strikes(faults, 40)

    first = run()
    assert first == run()
    assert set(first) == {True, False}


def test_without_a_seed_one_is_drawn_and_shown_so_that_a_run_can_be_repeated(faults: Faults) -> None:
    (state,) = faults.set(Fault(kind="error", probability=0.5))
    drawn = state.fault
    first = strikes(faults, 30)
    faults.clear()
    faults.set(drawn)
    assert strikes(faults, 30) == first


def test_the_first_are_let_pass_and_then_so_many_are_struck(faults: Faults) -> None:
    faults.set(Fault(kind="error", after=2, count=3))
    assert strikes(faults, 7) == [False, False, True, True, True, False, False]
    (state,) = faults.listed()
    assert (state.seen, state.struck, state.over) == (5, 3, True)


def test_a_fault_ends_after_its_duration(faults: Faults, watch: Stopwatch) -> None:
    faults.set(Fault(kind="error", duration=10.0))
    watch.now = 9.9
    assert strikes(faults, 1) == [True]
    watch.now = 10.0
    assert strikes(faults, 1) == [False]
    assert faults.listed()[0].over


def test_a_rate_limit_strikes_only_what_comes_beyond_it(faults: Faults, watch: Stopwatch) -> None:
    faults.set(Fault(kind="rate_limit", beyond=2.0))
    assert strikes(faults, 4) == [False, False, True, True]
    watch.now = 0.5
    assert strikes(faults, 2) == [False, True]


def test_faults_are_cleared_by_number_kind_or_altogether(faults: Faults) -> None:
    first, *_ = faults.set(Fault(kind="error"), Fault(kind="latency"), Fault(kind="latency"))
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
        Fault(kind="rate_limit", beyond=-1.0),
        Fault(kind="token_refused", message="Go away"),
        Fault(kind="field_gone"),
    ],
    ids=str,
)
def test_a_fault_that_makes_no_sense_is_refused_and_none_is_set(faults: Faults, wrong: Fault) -> None:
    with pytest.raises(InvalidError):
        faults.set(Fault(kind="latency"), wrong)
    assert faults.listed() == []


@pytest.mark.parametrize("name", scenarios())
def test_scenarios_are_faults_that_make_sense(name: str) -> None:
    for fault in scenario(name):
        check(fault)


def test_a_scenario_is_repeatable_by_a_seed() -> None:
    assert {f.seed for f in scenario("bad_day", 10)} == set(range(10, 16))
    with pytest.raises(NotFoundError, match="bad_day"):
        scenario("no such thing")
