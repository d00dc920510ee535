"""The kinds of faults, their settings and the named scenarios."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from ultraviolet.errors import InvalidError, NotFoundError

FaultPoint = Literal[
    "request", "response", "issue", "token", "permission", "delivery", "clock", "schema"
]
FaultKindName = Literal[
    "latency",
    "error",
    "rate_limit",
    "no_response",
    "reset",
    "slow_body",
    "cut_body",
    "token_lifetime",
    "token_rejected",
    "key_revoked",
    "permission_lost",
    "dropped",
    "duplicated",
    "delayed",
    "reordered",
    "truncated",
    "forged",
    "unknown_column",
    "receiver_deactivated",
    "receiver_deleted",
    "clock_skew",
    "enum_value_added",
    "field_added",
    "type_added",
    "field_removed",
    "type_removed",
]
TOKEN_MESSAGES = (
    "Please provide proper credentials",
    "Unable to parse authentication token",
    "Unable to find appropriate RSA key",
    "Token is expired.",
)
_SCENARIOS_FILE = Path(__file__).with_name("scenarios.toml")


class FaultKind(msgspec.Struct, frozen=True):
    """A kind of fault.

    `points` are the points where it applies, `target` is what `only` names there, and
    `settings` are its settings with their defaults.
    """

    points: tuple[FaultPoint, ...]
    description: str
    target: str
    settings: Mapping[str, Any] = {}


ADDRESS, CLIENT, ROOT, TABLE = "address", "client id", "query or mutation", "resource"
FAULT_KINDS: Mapping[FaultKindName, FaultKind] = {
    "latency": FaultKind(("request",), "Delays the response.", ADDRESS, {"seconds": 1.0}),
    "error": FaultKind(("request",), "Responds with an HTTP error.", ADDRESS, {"status": 503}),
    "rate_limit": FaultKind(
        ("request",), "Responds 429 with Retry-After.", ADDRESS, {"seconds": 1.0}
    ),
    "no_response": FaultKind(("request",), "Accepts the request and never responds.", ADDRESS),
    "reset": FaultKind(("request",), "Resets the connection before the response.", ADDRESS),
    "slow_body": FaultKind(
        ("response",),
        "Sends the body in pieces, with a pause before each piece.",
        ADDRESS,
        {"seconds": 0.1, "number": 10},
    ),
    "cut_body": FaultKind(
        ("response",), "Resets the connection in the middle of the body.", ADDRESS
    ),
    "token_lifetime": FaultKind(
        ("issue",), "Sets the lifetime of new tokens.", CLIENT, {"seconds": 1.0}
    ),
    "token_rejected": FaultKind(
        ("token",),
        "Responds 401 to a valid token, with one of ION's messages.",
        CLIENT,
        {"message": TOKEN_MESSAGES[-1]},
    ),
    "key_revoked": FaultKind(
        ("issue", "token"), "Revokes the API key and rejects its tokens.", CLIENT
    ),
    "permission_lost": FaultKind(
        ("permission",), "Revokes the key's permission for a query or mutation.", ROOT
    ),
    "dropped": FaultKind(("delivery",), "Does not send the delivery; records a failure.", TABLE),
    "duplicated": FaultKind(
        ("delivery",), "Sends the delivery more than once.", TABLE, {"number": 1}
    ),
    "delayed": FaultKind(("delivery",), "Sends the delivery later.", TABLE, {"seconds": 1.0}),
    "reordered": FaultKind(
        ("delivery",),
        "Delays the delivery at random, so that others overtake it.",
        TABLE,
        {"seconds": 1.0},
    ),
    "truncated": FaultKind(("delivery",), "Truncates the body but signs the whole body.", TABLE),
    "forged": FaultKind(("delivery",), "Sends another delivery with an invalid signature.", TABLE),
    "unknown_column": FaultKind(
        ("delivery",),
        "Adds an unknown column and value to the body.",
        TABLE,
        {"value": "risk_score"},
    ),
    "receiver_deactivated": FaultKind(
        ("delivery",), "Deactivates the receiver instead of sending.", TABLE
    ),
    "receiver_deleted": FaultKind(
        ("delivery",), "Deletes the receiver and its subscriptions instead of sending.", TABLE
    ),
    "clock_skew": FaultKind(
        ("clock",), "Sets ION's clock ahead, or back (negative).", "", {"seconds": 60.0}
    ),
    "enum_value_added": FaultKind(
        ("schema",),
        "Adds a value to an enum; objects have this value.",
        "enum",
        {"value": "NOT_KNOWN_YET"},
    ),
    "field_added": FaultKind(
        ("schema",), "Adds a field that is always null to a type.", "type", {"value": "riskScore"}
    ),
    "type_added": FaultKind(
        ("schema",), "Adds a field of a new type to a type.", "type", {"value": "Risk"}
    ),
    "field_removed": FaultKind(("schema",), "Removes a field.", "Type.field"),
    "type_removed": FaultKind(("schema",), "Removes a type and the fields of this type.", "type"),
}


class Fault(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A fault to inject: its kind, its targets and its frequency."""

    kind: FaultKindName
    only: str = "*"
    """Pattern of the names of its targets, which depend on the kind."""
    probability: float = 1.0
    after: int = 0
    """The number of matches to skip first."""
    count: int | None = None
    """The maximum number of times that the fault triggers."""
    duration: float | None = None
    """Seconds until the fault ends."""
    above_rate: float | None = None
    """Trigger only above this number of matches per second."""
    seed: int | None = None
    """The same seed triggers for the same matches; drawn at random if not set."""
    seconds: float | None = None
    number: int | None = None
    status: int | None = None
    message: str | None = None
    value: str | None = None

    def setting(self, name: str) -> Any:
        """Return a setting, or its default."""
        given = getattr(self, name)
        return FAULT_KINDS[self.kind].settings[name] if given is None else given

    def matches(self, *names: str) -> bool:
        """Return whether the fault applies to any of these names."""
        return self.only == "*" or any(fnmatchcase(name, self.only) for name in names)


class Scenario(msgspec.Struct, frozen=True):
    """A named combination of faults."""

    description: str
    faults: tuple[Fault, ...]


def load_scenarios() -> dict[str, Scenario]:
    """Return the named scenarios."""
    return msgspec.convert(tomllib.loads(_SCENARIOS_FILE.read_text()), dict[str, Scenario])


def scenario_faults(name: str, seed: int | None = None) -> tuple[Fault, ...]:
    """Return the faults of a scenario, repeatable by a seed; raise NotFoundError."""
    known = load_scenarios()
    if name not in known:
        raise NotFoundError(f"Unknown scenario {name}. Scenarios: {', '.join(known)}.")
    faults = known[name].faults
    if seed is None:
        return faults
    return tuple(msgspec.structs.replace(f, seed=seed + n) for n, f in enumerate(faults))


_SETTING_NAMES = ("seconds", "number", "status", "message", "value")
_ALLOW_NEGATIVE_SECONDS = ("clock_skew",)
_REQUIRE_TARGET = ("field_removed", "type_removed", "field_added", "type_added", "enum_value_added")


def check_fault(fault: Fault) -> None:
    """Raise InvalidError for an invalid fault."""
    allowed = FAULT_KINDS[fault.kind].settings
    for name in _SETTING_NAMES:
        if getattr(fault, name) is not None and name not in allowed:
            settings = ", ".join(allowed) or "none"
            raise InvalidError(
                f"{fault.kind} does not have the setting {name}. Its settings: {settings}."
            )
    for message in _errors(fault):
        raise InvalidError(f"{fault.kind}: {message}")


def _errors(fault: Fault) -> Iterator[str]:  # noqa: C901  one condition for each setting
    if not 0 < fault.probability <= 1:
        yield "the probability must be more than 0 and at most 1."
    if fault.after < 0 or (fault.count is not None and fault.count < 1):
        yield "`after` must be 0 or more, and `count` 1 or more."
    if fault.duration is not None and not fault.duration > 0:
        yield "the duration must be more than 0."
    if fault.above_rate is not None and not fault.above_rate >= 0:
        yield "the rate must be 0 or more."
    if fault.kind in _REQUIRE_TARGET and fault.only == "*":
        yield "name the target with `only`."
    if fault.seconds is not None and not math.isfinite(fault.seconds):
        yield "`seconds` must be a finite number."
    if (fault.seconds or 0) < 0 and fault.kind not in _ALLOW_NEGATIVE_SECONDS:
        yield "`seconds` must not be negative."
    if fault.number is not None and fault.number < 1:
        yield "`number` must be 1 or more."
    if fault.status is not None and not 400 <= fault.status <= 599:  # noqa: PLR2004
        yield "the status of an error must be 400 to 599."
    if fault.message is not None and fault.message not in TOKEN_MESSAGES:
        yield "the message must be one of: " + "; ".join(TOKEN_MESSAGES)
    if fault.value is not None and not fault.value.isidentifier():
        yield "a name consists of letters, digits and underscores."
