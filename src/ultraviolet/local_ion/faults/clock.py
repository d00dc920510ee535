"""The local ION's clock: the machine's, unless a fault skews it."""

from datetime import UTC, datetime, timedelta

from ultraviolet import times
from ultraviolet.local_ion.faults.registry import Faults


class Clock:
    """Tells the time as this ION believes it."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def now(self) -> datetime:
        """Give the present moment."""
        skew = sum(fault.setting("seconds") for fault in self._faults.strike("clock", ""))
        return datetime.now(UTC) + timedelta(seconds=skew)

    def text(self) -> str:
        """Give the present moment as text."""
        return times.text(self.now())
