"""Faults: what can go wrong between an ION and its clients, as data; when each strikes; how often it has struck."""

import itertools
import math
import random
import threading
import time
import tomllib
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from ultraviolet.errors import InvalidError, NotFoundError

Point = Literal["request", "answer", "issue", "token", "permission", "delivery", "clock", "schema"]
Kind = Literal[
    "latency",
    "error",
    "rate_limit",
    "no_answer",
    "reset",
    "slow_body",
    "cut_body",
    "token_lifetime",
    "token_refused",
    "key_revoked",
    "permission_lost",
    "dropped",
    "duplicated",
    "delayed",
    "reordered",
    "truncated",
    "forged",
    "unfamiliar",
    "receiver_deactivated",
    "receiver_deleted",
    "clock_skew",
    "enum_value_added",
    "field_added",
    "type_added",
    "field_gone",
    "type_gone",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SCENARIOS = Path(__file__).with_name("scenarios.toml")
TOKEN_MESSAGES = (
    "Please provide proper credentials",
    "Unable to parse authentication token",
    "Unable to find appropriate RSA key",
    "Token is expired.",
)


class KindOfFault(msgspec.Struct, frozen=True):
    """One kind: the points where it is applied, what `only` names there, and the settings it takes with their defaults."""

    points: tuple[Point, ...]
    about: str
    names: str
    takes: Mapping[str, Any] = {}


ADDRESS, CLIENT, ROOT, TABLE = "address", "client id", "query or mutation", "resource"
ABOUT: Mapping[Kind, KindOfFault] = {
    "latency": KindOfFault(("request",), "The answer comes later.", ADDRESS, {"seconds": 1.0}),
    "error": KindOfFault(("request",), "An HTTP error instead of an answer.", ADDRESS, {"status": 503}),
    "rate_limit": KindOfFault(("request",), "429 with Retry-After.", ADDRESS, {"seconds": 1.0}),
    "no_answer": KindOfFault(("request",), "Accepted and never answered.", ADDRESS),
    "reset": KindOfFault(("request",), "The connection is reset before an answer.", ADDRESS),
    "slow_body": KindOfFault(
        ("answer",), "The body trickles: a pause before each piece.", ADDRESS, {"seconds": 0.1, "number": 10}
    ),
    "cut_body": KindOfFault(("answer",), "The connection is reset in the middle of the body.", ADDRESS),
    "token_lifetime": KindOfFault(("issue",), "New tokens live this long.", CLIENT, {"seconds": 1.0}),
    "token_refused": KindOfFault(
        ("token",),
        "401 to a good token, with one of ION's messages.",
        CLIENT,
        {"message": TOKEN_MESSAGES[-1]},
    ),
    "key_revoked": KindOfFault(
        ("issue", "token"), "The API key is no longer known; its tokens are refused.", CLIENT
    ),
    "permission_lost": KindOfFault(("permission",), "The key may no longer use a query or mutation.", ROOT),
    "dropped": KindOfFault(("delivery",), "Never sent; recorded as failed.", TABLE),
    "duplicated": KindOfFault(("delivery",), "Sent more than once.", TABLE, {"number": 1}),
    "delayed": KindOfFault(("delivery",), "Sent later.", TABLE, {"seconds": 1.0}),
    "reordered": KindOfFault(
        ("delivery",), "Sent later by chance, so that others overtake.", TABLE, {"seconds": 1.0}
    ),
    "truncated": KindOfFault(
        ("delivery",), "The body is cut short, under the whole body's signature.", TABLE
    ),
    "forged": KindOfFault(("delivery",), "Beside it comes another one, under a false signature.", TABLE),
    "unfamiliar": KindOfFault(
        ("delivery",), "The body tells a column and a value nobody knows.", TABLE, {"value": "risk_score"}
    ),
    "receiver_deactivated": KindOfFault(("delivery",), "Instead, its receiver is switched off.", TABLE),
    "receiver_deleted": KindOfFault(
        ("delivery",), "Instead, its receiver and subscriptions are deleted.", TABLE
    ),
    "clock_skew": KindOfFault(
        ("clock",), "ION's clock is ahead, or behind (negative).", "", {"seconds": 60.0}
    ),
    "enum_value_added": KindOfFault(
        ("schema",), "An enum has one more value, and objects carry it.", "enum", {"value": "NOT_KNOWN_YET"}
    ),
    "field_added": KindOfFault(
        ("schema",), "A type has one more field, always null.", "type", {"value": "riskScore"}
    ),
    "type_added": KindOfFault(
        ("schema",), "A type has one more field, of a type that is new as well.", "type", {"value": "Risk"}
    ),
    "field_gone": KindOfFault(("schema",), "A field is there no more.", "Type.field"),
    "type_gone": KindOfFault(("schema",), "A type is there no more, nor what leads to it.", "type"),
}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to go wrong, with what, and how often."""

    kind: Kind
    only: str = "*"
    """What it strikes, by pattern; what the names are of depends on the kind."""
    probability: float = 1.0
    after: int = 0
    """So many are let pass first."""
    count: int | None = None
    """It strikes at most so often."""
    duration: float | None = None
    """It ends so many seconds after it was set."""
    beyond: float | None = None
    """It strikes only what comes beyond so many a second."""
    seed: int | None = None
    """The same seed strikes the same ones; one is drawn where none is given."""
    seconds: float | None = None
    number: int | None = None
    status: int | None = None
    message: str | None = None
    value: str | None = None

    def setting(self, name: str) -> Any:
        """Give a setting, or what its kind takes where none was given."""
        given = getattr(self, name)
        return ABOUT[self.kind].takes[name] if given is None else given


class FaultState(msgspec.Struct, frozen=True):
    """A fault that is set: how often it could have struck, how often it did, and whether it still can."""

    id: int
    fault: Fault
    seen: int
    struck: int
    over: bool


class Scenario(msgspec.Struct, frozen=True):
    """Faults that belong together, under a name."""

    about: str
    faults: tuple[Fault, ...]


class _Set:
    """One fault that is set, and what it remembers."""

    def __init__(self, number: int, fault: Fault, clock: Callable[[], float]) -> None:
        self.number = number
        self.fault = fault
        self.seen = self.struck = 0
        self.random = random.Random(fault.seed)  # noqa: S311  a simulation, not a secret
        self._clock = clock
        self._began = clock()
        self._allowance, self._counted = max(1.0, fault.beyond or 0.0), self._began

    @property
    def over(self) -> bool:
        """Tell whether it can strike no more."""
        fault = self.fault
        late = fault.duration is not None and self._clock() - self._began >= fault.duration
        return late or (fault.count is not None and self.struck >= fault.count)

    def strikes(self) -> bool:
        """Decide about one more; chance is asked each time, so that a seed decides the same whatever else is set."""
        self.seen += 1
        by_chance = self.random.random() < self.fault.probability
        if not by_chance or self.seen <= self.fault.after or not self._is_beyond():
            return False
        self.struck += 1
        return True

    def _is_beyond(self) -> bool:
        rate = self.fault.beyond
        if rate is None:
            return True
        now = self._clock()
        self._allowance = min(max(1.0, rate), self._allowance + (now - self._counted) * rate)
        self._counted = now
        if self._allowance < 1:
            return True
        self._allowance -= 1
        return False

    def state(self) -> FaultState:
        """Tell how it has gone so far."""
        return FaultState(self.number, self.fault, self.seen, self.struck, self.over)


class Faults:
    """The faults that are set in one local ION; asked at every point, from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._set: tuple[_Set, ...] = ()

    def set(self, *faults: Fault) -> list[FaultState]:
        """Set faults beside those that are set; raises InvalidError, and then sets none."""
        for fault in faults:
            check(fault)
        with self._lock:
            made = [_Set(next(self._numbers), _seeded(fault), self._clock) for fault in faults]
            self._set = (*self._set, *made)
        return [each.state() for each in made]

    def clear(self, which: str | None = None) -> int:
        """Clear all faults, one by its number, or those of a kind; gives how many. Raises NotFoundError."""
        with self._lock:
            gone = [s for s in self._set if which is None or which in {str(s.number), s.fault.kind}]
            if which is not None and not gone:
                raise NotFoundError(
                    f"No fault {which} is set; `ultraviolet ion fault list` shows those that are."
                )
            self._set = tuple(s for s in self._set if s not in gone)
        return len(gone)

    def listed(self) -> list[FaultState]:
        """Give the faults that are set, those that are over included."""
        with self._lock:
            return [each.state() for each in self._set]

    def strike(self, point: Point, *subjects: str) -> list[Fault]:
        """Give the faults that strike here and now, in the order they were set; this counts."""
        if not self._set:
            return []
        with self._lock:
            here = [s for s in self._set if point in ABOUT[s.fault.kind].points and not s.over]
            return [s.fault for s in here if concerns(s.fault, subjects) and s.strikes()]

    def standing(self, point: Point) -> list[Fault]:
        """Give the faults of a point that are not over, without counting."""
        with self._lock:
            return [s.fault for s in self._set if point in ABOUT[s.fault.kind].points and not s.over]

    def chance(self, fault: Fault) -> float:
        """Draw a number for a fault that struck, from its own seed."""
        with self._lock:
            found = next((s for s in self._set if s.fault is fault), None)
            return found.random.random() if found else 0.0


def check(fault: Fault) -> None:
    """Refuse a fault that makes no sense; raises InvalidError."""
    kind = ABOUT[fault.kind]
    foreign = [n for n in _SETTINGS if getattr(fault, n) is not None and n not in kind.takes]
    if foreign:
        raise InvalidError(
            f"{fault.kind} takes no {', '.join(foreign)}; it takes {', '.join(kind.takes) or 'none of these'}."
        )
    for wrong, message in _WRONG.items():
        if wrong(fault):
            raise InvalidError(f"{fault.kind}: {message}")


def scenarios() -> dict[str, Scenario]:
    """Read the named scenarios."""
    return msgspec.convert(tomllib.loads(SCENARIOS.read_text()), dict[str, Scenario])


def scenario(name: str, seed: int | None = None) -> tuple[Fault, ...]:
    """Give the faults of a scenario, repeatable by a seed; raises NotFoundError."""
    known = scenarios()
    if name not in known:
        raise NotFoundError(f"No scenario is called {name}; there are {', '.join(known)}.")
    faults = known[name].faults
    if seed is None:
        return faults
    return tuple(msgspec.structs.replace(f, seed=seed + n) for n, f in enumerate(faults))


_SETTINGS = ("seconds", "number", "status", "message", "value")
_MAY_BE_NEGATIVE = ("clock_skew",)
_NEEDS_NAME = ("field_gone", "type_gone", "field_added", "type_added", "enum_value_added")
_WRONG: Mapping[Callable[[Fault], bool], str] = {
    lambda f: not 0 < f.probability <= 1: "a probability is more than 0 and at most 1.",
    lambda f: (
        f.after < 0 or (f.count is not None and f.count < 1)
    ): "so many are 0 or more, a count is 1 or more.",
    lambda f: f.duration is not None and not f.duration > 0: "a duration is more than 0.",
    lambda f: f.beyond is not None and not f.beyond >= 0: "a rate is 0 or more.",
    lambda f: f.seconds is not None and not math.isfinite(f.seconds): "seconds are a number.",
    lambda f: (f.seconds or 0) < 0 and f.kind not in _MAY_BE_NEGATIVE: "seconds are not negative.",
    lambda f: f.number is not None and f.number < 1: "a number is 1 or more.",
    lambda f: f.status is not None and not 400 <= f.status <= 599: "the status of an error is 400 to 599.",  # noqa: PLR2004
    lambda f: f.message is not None and f.message not in TOKEN_MESSAGES: (
        "the message is one of: " + "; ".join(TOKEN_MESSAGES)
    ),
    lambda f: (
        f.value is not None and not f.value.isidentifier()
    ): "a name has letters, digits and underscores.",
    lambda f: f.kind in _NEEDS_NAME and f.only == "*": "say what it strikes, with `only`.",
}


def _seeded(fault: Fault) -> Fault:
    seed = random.SystemRandom().getrandbits(32) if fault.seed is None else fault.seed
    return msgspec.structs.replace(fault, seed=seed)


def concerns(fault: Fault, subjects: Iterable[str]) -> bool:
    """Tell whether a fault is about any of these."""
    return fault.only == "*" or any(fnmatchcase(subject, fault.only) for subject in subjects)
