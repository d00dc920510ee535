"""The clock of the local ION: the system clock, unless a fault skews it."""

from datetime import UTC, datetime, timedelta

from ultraviolet import clock
from ultraviolet.local_ion.faults.registry import FaultRegistry


class Clock:
    """The current time of this ION."""

    def __init__(self, faults: FaultRegistry) -> None:
        self._faults = faults

    def now(self) -> datetime:
        """Return the current time."""
        skew = sum(fault.setting("seconds") for fault in self._faults.trigger("clock", ""))
        return datetime.now(UTC) + timedelta(seconds=skew)

    def now_text(self) -> str:
        """Return the current time as text."""
        return clock.format_rfc3339(self.now())
