"""The tree of errors a user can meet; each message says what happened and what to do next."""

from collections.abc import Mapping

_SUCCESS = range(200, 300)


class UltravioletError(Exception):
    """Something went wrong that the user can act on."""

    kind = "error"
    """Stable slug: the last part of a problem's `type` over HTTP, and the name in `--json` on the CLI."""
    status = 500
    """HTTP status of the problem."""
    exit_code = 1
    """Exit code of the CLI."""
    field: str = ""
    """Which of the values given it is about, where it is one."""
    headers: Mapping[str, str] = {}
    """Headers of the problem."""


class NotFoundError(UltravioletError):
    """There is no such thing here; list what exists first."""

    kind = "not-found"
    status = 404
    exit_code = 4


class InvalidError(UltravioletError):
    """What was given does not make sense; nothing was changed."""

    kind = "invalid"
    status = 422
    exit_code = 2

    def __init__(self, message: str = "", *, field: str = "") -> None:
        """Say what is wrong, and with which of the values given."""
        super().__init__(message)
        self.field = field or self.field


class ConflictError(UltravioletError):
    """This contradicts what is already there; nothing was changed."""

    kind = "conflict"
    status = 409
    exit_code = 5


class UnauthenticatedError(UltravioletError):
    """Who is asking is not known; sign in, or send a valid API key."""

    kind = "unauthenticated"
    status = 401
    exit_code = 3


class ForbiddenError(UltravioletError):
    """The role of this key or user does not allow that."""

    kind = "forbidden"
    status = 403
    exit_code = 3


class PreconditionFailedError(UltravioletError):
    """It was changed by someone else since you read it; read it again, then repeat your change on what is there now."""

    kind = "precondition-failed"
    status = 412
    exit_code = 5


class TooManyRequestsError(UltravioletError):
    """This key has asked too often; wait as long as Retry-After says, then go on."""

    kind = "too-many-requests"
    status = 429
    exit_code = 6

    def __init__(self, seconds: int, headers: Mapping[str, str]) -> None:
        """Say how long to wait."""
        super().__init__()
        self.headers = {"Retry-After": str(seconds), **headers}


class CursorGoneError(UltravioletError):
    """What followed this cursor is no longer kept in full; read the objects anew, then go on with `cursor=now`."""

    kind = "cursor-gone"
    status = 410
    exit_code = 4


class HubUnreachableError(UltravioletError):
    """The hub does not answer; start it with `ultraviolet serve`, or check --url."""

    kind = "hub-unreachable"
    exit_code = 6


class NoHubError(HubUnreachableError):
    """What answers there is no hub; check the address, and whether something before the hub asks to sign in."""

    kind = "no-hub"

    def __init__(self, status: int, media_type: str, location: str) -> None:
        """Say what answered instead, or where it sends on to."""
        elsewhere = location and status not in _SUCCESS
        what = (
            f"sends on to {location} ({status})"
            if elsewhere
            else f"is no hub ({status}, {media_type})"
        )
        super().__init__(
            f"What answers there {what}; check the address, and whether something before the hub asks to sign in."
        )
