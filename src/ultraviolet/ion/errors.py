"""What ION, or the network on the way to it, can do to a request."""

import re
from collections.abc import Iterable

from ultraviolet.errors import UltravioletError


class IonError(UltravioletError):
    """ION did not do what was asked."""

    kind = "ion"
    status = 502
    exit_code = 7


class IonUnreachableError(IonError):
    """ION does not answer; check its address and the network, and try again."""

    kind = "ion-unreachable"


class IonUnauthorizedError(IonError):
    """ION does not accept the client id and secret; make a new API key in ION and enter it here."""

    kind = "ion-unauthorized"


class IonRefusedError(IonError):
    """ION understood and refused."""

    kind = "ion-refused"


class IonUnreadableError(IonRefusedError):
    """ION's answer, or a part of it, cannot be read; look at the object in ION, then fetch again."""

    kind = "ion-unreadable"


class IonInterceptedError(IonRefusedError):
    """Something else than ION's API answered; check the address and what stands between the hub and ION."""

    kind = "ion-intercepted"


class IonRateLimitedError(IonError):
    """ION limits the requests; wait, or lower the requests per second of this integration."""

    kind = "ion-rate-limited"


LOOK_AT_ION = "Look at it in ION; the hub tries again"
ASK_FOR_PERMISSION = "Give the API key's user the permission in ION and make a new key: a key keeps what it was made with"
NEXT_STEPS = {
    "ion-unreachable": "Check its address and the network; the hub goes on trying",
    "ion-unauthorized": "Make a new API key in ION and enter it here",
    "ion-intercepted": "Check the address of ION, and any proxy, login page or maintenance page in between",
    "ion-rate-limited": "Wait: ION limits the requests; if it goes on, lower the requests per second",
}
_SCHEMA = re.compile(
    r"""cannot query field|is not defined by (?:type|enum|input)|does not exist in .* enum|unknown (?:type|argument)"""
    r"""|must not have a selection|must have a selection|field .* (?:is not defined|of required type)""",
    re.IGNORECASE,
)
"""How GraphQL says that a document does not fit the schema."""
_KNOWN_BY: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"slow down|\b429\b|rate limit|too many requests", re.IGNORECASE),
        NEXT_STEPS["ion-rate-limited"],
    ),
    (re.compile("instead of ION's", re.IGNORECASE), NEXT_STEPS["ion-intercepted"]),
    (_SCHEMA, "Nothing: the hub reads ION's schema again and goes on without what is gone"),
    (
        re.compile("reported no deletions"),
        "Check what the API key may read; if they are gone, accept their absence",
    ),
    (re.compile("permission|forbidden|not authori[sz]ed", re.IGNORECASE), ASK_FOR_PERMISSION),
    (re.compile("does not answer|try again later"), NEXT_STEPS["ion-unreachable"]),
    (re.compile("does not accept"), NEXT_STEPS["ion-unauthorized"]),
)


def tells_of_schema(messages: Iterable[str]) -> bool:
    """Return whether ION refused a document because it does not fit ION's schema."""
    return any(_SCHEMA.search(message) for message in messages)


def known_step(message: str) -> str | None:
    """Return what to do about an error that was kept as text, or None if its cause is not recognized."""
    return next((step for pattern, step in _KNOWN_BY if pattern.search(message)), None)


def next_step(message: str) -> str:
    """Return what to do about an error that was kept as text."""
    return known_step(message) or LOOK_AT_ION
