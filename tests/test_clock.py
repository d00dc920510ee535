"""Times as text; and the clock: it follows the machine's, and never goes back."""

from datetime import UTC, datetime, timedelta

import pytest

from ultraviolet.clock import Clock, normalize_rfc3339

BEGIN = datetime(2027, 1, 15, 8, tzinfo=UTC)


class Machine:
    """A machine whose clock somebody sets; it shows for how long it has run, too."""

    def __init__(self) -> None:
        self.offset = 0.0
        self.elapsed = 0.0
        self.clock = Clock(self.wall, lambda: self.elapsed)

    def wall(self) -> datetime:
        return BEGIN + timedelta(seconds=self.offset + self.elapsed)

    def seconds(self) -> float:
        return (self.clock.now() - BEGIN).total_seconds()


def test_a_clock_set_forward_is_followed_and_set_back_it_goes_on() -> None:
    machine = Machine()
    machine.elapsed, machine.offset = 10, 3600
    assert 3610 == machine.seconds()

    machine.elapsed, machine.offset = 15, 0

    assert 3615 == machine.seconds()
    assert 3600 == machine.clock.seconds_ahead()


def test_a_machine_that_caught_up_is_followed_again() -> None:
    machine = Machine()
    machine.clock.advance_to(BEGIN + timedelta(seconds=60))
    machine.elapsed = 5
    assert 65 == machine.seconds()

    machine.offset = 100

    assert 105 == machine.seconds()
    assert 0 == machine.clock.seconds_ahead()


@pytest.mark.parametrize("odd", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "noon"])
def test_what_is_no_time_in_utc_is_none(odd: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  whose words are Python's
        normalize_rfc3339(odd)
