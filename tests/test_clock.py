"""The clock follows the machine's and never goes back; times as text."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultraviolet.clock import Clock, normalize_rfc3339

BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)


class Machine:
    """A machine with a clock that the test sets, and an elapsed time."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.elapsed = 0.0
        self.clock = Clock(self.wall, lambda: round(self.elapsed * 1e9))

    def wall(self) -> int:
        return round((BEGIN.timestamp() + self.offset + self.elapsed) * 1e9)

    def seconds(self) -> float:
        return (self.clock.now() - BEGIN).total_seconds()


def test_clock_follows_a_jump_forward_and_ignores_a_jump_back() -> None:
    machine = Machine()
    machine.elapsed, machine.offset = 10, 3600
    assert 3610 == machine.seconds()

    machine.elapsed, machine.offset = 15, 0

    assert 3615 == machine.seconds()
    assert 3600 == machine.clock.seconds_ahead()


def test_clock_follows_a_machine_that_caught_up() -> None:
    machine = Machine()
    machine.clock.advance_to(BEGIN + timedelta(seconds=60))
    machine.elapsed = 5
    assert 65 == machine.seconds()

    machine.offset = 100

    assert 105 == machine.seconds()
    assert 0 == machine.clock.seconds_ahead()


@given(moment=st.datetimes(min_value=BEGIN.replace(year=1970, tzinfo=None), timezones=st.just(UTC)))
def test_text_of_the_clock_is_the_time_with_microseconds(moment: datetime) -> None:
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    clock = Clock(lambda: microseconds * 1000, lambda: 0)
    for _ in range(2):
        assert clock.text() == moment.isoformat(timespec="microseconds")
    assert clock.now() == moment


@given(
    value=st.from_regex(r"20\d\d-\d\d-\d\d[T ,]\d\d:\d\d:\d\d[.,]\d{6}[+-]0\d:00", fullmatch=True)
)
def test_times_are_normalized_to_one_form(value: str) -> None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011  Python's own message
            normalize_rfc3339(value)
        return
    assert normalize_rfc3339(value) == moment.astimezone(UTC).isoformat(timespec="microseconds")


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "noon"]
)
def test_invalid_time_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  Python's own message
        normalize_rfc3339(value)
