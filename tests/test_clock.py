"""The clock follows the machine's and never goes back; times as text."""

from datetime import UTC, datetime, timedelta

import pytest

from ultraviolet.clock import Clock, normalize_rfc3339

BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)


class Machine:
    """A machine with a clock that the test sets, and an elapsed time."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.elapsed = 0.0
        self.clock = Clock(self.wall, lambda: self.elapsed)

    def wall(self) -> datetime:
        return BEGIN + timedelta(seconds=self.offset + self.elapsed)

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


@pytest.mark.parametrize(
    "value", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "noon"]
)
def test_invalid_time_is_refused(value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  Python's own message
        normalize_rfc3339(value)
