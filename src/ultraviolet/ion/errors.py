"""Errors of requests to ION, and the next step for each."""

import re
from collections.abc import Iterable
from typing import Literal, TypeAlias

from ultraviolet.errors import UltravioletError

Setting: TypeAlias = Literal["", "api_url", "auth_url", "client_id", "client_secret"]


class IonError(UltravioletError):
    """A request to ION failed."""

    kind = "ion"
    status = 502
    exit_code = 7
    setting: Setting = ""
    """The setting of the integration to check, if the error shows which."""

    def __init__(self, message: str = "", *, setting: Setting = "") -> None:
        """Set the message, and the setting to check."""
        super().__init__(message)
        self.setting = setting


class IonUnreachableError(IonError):
    """ION does not respond. Check its address and the network, and try again."""

    kind = "ion-unreachable"


class IonUnauthorizedError(IonError):
    """ION rejected the client id and secret. Check both, or create a new API key in ION."""

    kind = "ion-unauthorized"


class IonRefusedError(IonError):
    """ION rejected the request."""

    kind = "ion-refused"


class IonUnreadableError(IonRefusedError):
    """ION's response cannot be read. Check the object in ION, then fetch again."""

    kind = "ion-unreadable"


class IonInterceptedError(IonRefusedError):
    """Another server than ION's API responded. Check the address and any proxy or login page."""

    kind = "ion-intercepted"


class IonRateLimitedError(IonError):
    """ION limits the request rate. Wait, or lower the requests per second of this integration."""

    kind = "ion-rate-limited"


LOOK_AT_ION = "Check the object in ION; the hub retries"
ASK_FOR_PERMISSION = (
    "Grant the permission to the API key's user in ION, then create a new key,"
    " because a key keeps its original permissions"
)
NEXT_STEPS = {
    "ion-unreachable": "Check its address and the network; the hub retries",
    "ion-unauthorized": "Create a new API key in ION and change the credentials of the integration",
    "ion-intercepted": "Check the address of ION and any proxy, login page or maintenance page",
    "ion-rate-limited": (
        "Wait, because ION limits the request rate; if it persists, lower the requests per second"
    ),
}
_SCHEMA = re.compile(
    r"cannot query field|is not defined by (?:type|enum|input)|does not exist in .* enum"
    r"|unknown (?:type|argument)|must not have a selection|must have a selection"
    r"|field .* (?:is not defined|of required type)",
    re.IGNORECASE,
)
"""GraphQL's errors for a query that does not fit the schema."""
_STEPS_BY_PATTERN: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"slow down|\b429\b|rate limit|too many requests", re.IGNORECASE),
        NEXT_STEPS["ion-rate-limited"],
    ),
    (re.compile("instead of ION's", re.IGNORECASE), NEXT_STEPS["ion-intercepted"]),
    (_SCHEMA, "None: the hub reads ION's schema again and continues without the removed fields"),
    (
        re.compile("reported no deletions"),
        "Check what the API key may read; if they are gone, accept their absence",
    ),
    (re.compile("permission|forbidden|not authori[sz]ed", re.IGNORECASE), ASK_FOR_PERMISSION),
    (re.compile("does not respond|try again later"), NEXT_STEPS["ion-unreachable"]),
    (re.compile("does not accept"), NEXT_STEPS["ion-unauthorized"]),
)


def tells_of_schema(messages: Iterable[str]) -> bool:
    """Return whether ION rejected a query because it does not fit ION's schema."""
    return any(_SCHEMA.search(message) for message in messages)


def known_step(message: str) -> str | None:
    """Return the next step for a stored error message; None if the cause is unknown."""
    return next((step for pattern, step in _STEPS_BY_PATTERN if pattern.search(message)), None)


def next_step(message: str) -> str:
    """Return the next step for a stored error message."""
    return known_step(message) or LOOK_AT_ION
