"""The registry of active faults: it decides when each triggers and counts how often."""

import itertools
import random
import threading
import time
from collections.abc import Callable

import msgspec

from ultraviolet.errors import NotFoundError
from ultraviolet.local_ion.faults.kinds import FAULT_KINDS, Fault, FaultPoint, check_fault


class FaultState(msgspec.Struct, frozen=True):
    """A fault with the number of its matches and triggers."""

    id: int
    fault: Fault
    matched: int
    triggered: int
    finished: bool


class _RegisteredFault:
    """One fault in the registry, with its counters."""

    def __init__(self, number: int, fault: Fault, clock: Callable[[], float]) -> None:
        if fault.seed is None:
            seed = random.SystemRandom().getrandbits(32)
            fault = msgspec.structs.replace(fault, seed=seed)
        self.number = number
        self.fault = fault
        self.matched = self.triggered = 0
        self.random = random.Random(fault.seed)  # noqa: S311  a simulation, not a secret
        self._clock = clock
        self._started_at = clock()
        self._burst = max(1.0, fault.above_rate or 0.0)
        self._tokens, self._refilled_at = self._burst, self._started_at

    @property
    def finished(self) -> bool:
        """Whether the fault can no longer trigger."""
        fault = self.fault
        if fault.duration is not None and self._clock() - self._started_at >= fault.duration:
            return True
        return fault.count is not None and self.triggered >= fault.count

    def decide(self) -> bool:
        """Decide about one match.

        Draw a random number for every match: a seed leads to the same decisions regardless
        of the other settings.
        """
        self.matched += 1
        drawn = self.random.random() < self.fault.probability
        if not drawn or self.matched <= self.fault.after or not self._exceeds_rate():
            return False
        self.triggered += 1
        return True

    def _exceeds_rate(self) -> bool:
        rate = self.fault.above_rate
        if rate is None:
            return True
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now
        if self._tokens < 1:
            return True
        self._tokens -= 1
        return False

    def state(self) -> FaultState:
        """Return the current state."""
        return FaultState(self.number, self.fault, self.matched, self.triggered, self.finished)


class FaultRegistry:
    """The faults of one local ION; safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._registered: tuple[_RegisteredFault, ...] = ()

    def add(self, *faults: Fault) -> list[FaultState]:
        """Add faults; raise InvalidError and add none if one of them is invalid."""
        for fault in faults:
            check_fault(fault)
        with self._lock:
            added = [_RegisteredFault(next(self._numbers), fault, self._clock) for fault in faults]
            self._registered = (*self._registered, *added)
        return [each.state() for each in added]

    def clear(self, which: str | None = None) -> int:
        """Remove all faults, one by its id, or those of a kind; return how many.

        Raise NotFoundError if there are none.
        """
        with self._lock:
            kept = tuple(
                each
                for each in self._registered
                if which is not None and which not in {str(each.number), each.fault.kind}
            )
            removed = len(self._registered) - len(kept)
            if which is not None and not removed:
                raise NotFoundError(
                    f"No active fault {which}. List the active ones: `ultraviolet ion fault list`."
                )
            self._registered = kept
        return removed

    def list_states(self) -> list[FaultState]:
        """Return the states of all faults, including finished ones."""
        with self._lock:
            return [each.state() for each in self._registered]

    def trigger(self, point: FaultPoint, *names: str) -> list[Fault]:
        """Return the faults that trigger for these names, in the order they were added."""
        if not self._registered:
            return []
        with self._lock:
            here = [each for each in self._at(point) if each.fault.matches(*names)]
            return [each.fault for each in here if each.decide()]

    def active(self, point: FaultPoint) -> list[Fault]:
        """Return the unfinished faults of a point without counting a match."""
        with self._lock:
            return [each.fault for each in self._at(point)]

    def _at(self, point: FaultPoint) -> list[_RegisteredFault]:
        return [
            each
            for each in self._registered
            if point in FAULT_KINDS[each.fault.kind].points and not each.finished
        ]

    def random_fraction(self, fault: Fault) -> float:
        """Draw a number between 0 and 1 from a fault's own seed."""
        with self._lock:
            each = next((r for r in self._registered if r.fault is fault), None)
            return each.random.random() if each else 0.0
