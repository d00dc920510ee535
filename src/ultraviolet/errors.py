"""The errors that users see; each message states the problem and the next step."""

from collections.abc import Mapping

_SUCCESS = range(200, 300)


class UltravioletError(Exception):
    """An error that the user can act on."""

    kind = "error"
    """Stable name: the last part of a problem's `type` over HTTP, and in `--json` output."""
    status = 500
    """HTTP status of the problem."""
    exit_code = 1
    """Exit code of the command line."""
    field: str = ""
    """The name of the invalid value, if the error concerns one."""
    headers: Mapping[str, str] = {}
    """Response headers of the problem."""

    def __init__(self, message: str | None = "", *, field: str = "") -> None:
        """Set the message, and the name of the invalid value."""
        super().__init__(message or "")
        self.field = field or self.field

    @property
    def explanation(self) -> str:
        """The message, or the docstring of the class without one."""
        return str(self) or " ".join((type(self).__doc__ or "").split())


class NotFoundError(UltravioletError):
    """The object does not exist; list the existing ones first."""

    kind = "not-found"
    status = 404
    exit_code = 4

    def __init__(self, message: str | None = "", *, field: str = "", subject: str = "") -> None:
        """Set the name of the missing object, such as “Part 9”, for the error page."""
        super().__init__(message, field=field)
        self.subject = subject


class InvalidError(UltravioletError):
    """Validation error. Nothing was changed; correct the value and try again."""

    kind = "invalid"
    status = 422
    exit_code = 2


class ConflictError(UltravioletError):
    """Conflict with the current state. Nothing was changed."""

    kind = "conflict"
    status = 409
    exit_code = 5


class UnauthenticatedError(UltravioletError):
    """Authentication required: sign in, or send a valid API key."""

    kind = "unauthenticated"
    status = 401
    exit_code = 3


class ForbiddenError(UltravioletError):
    """Insufficient role: the role of this API key or user does not allow the request."""

    kind = "forbidden"
    status = 403
    exit_code = 3


class PreconditionFailedError(UltravioletError):
    """Changed since you read it. Nothing was saved; read it again and repeat your change."""

    kind = "precondition-failed"
    status = 412
    exit_code = 5


class TooManyRequestsError(UltravioletError):
    """Rate limit exceeded for this key or user; wait for the time in Retry-After."""

    kind = "too-many-requests"
    status = 429
    exit_code = 6

    def __init__(self, seconds: int, headers: Mapping[str, str]) -> None:
        """Set the time to wait."""
        super().__init__()
        self.headers = {"Retry-After": str(seconds), **headers}


class OtherListCursorError(InvalidError):
    """This cursor belongs to another list. Repeat the request without a cursor."""

    field = "cursor"


class CursorGoneError(UltravioletError):
    """Changes after this cursor are incomplete; read all objects, then use `cursor=now`."""

    kind = "cursor-gone"
    status = 410
    exit_code = 4


class HubUnreachableError(UltravioletError):
    """The hub does not respond; start it with `ultraviolet serve`, or check --url."""

    kind = "hub-unreachable"
    exit_code = 6


class NoHubError(HubUnreachableError):
    """This address does not belong to a hub; check it and any proxy in front of the hub."""

    kind = "no-hub"

    def __init__(self, status: int, media_type: str, location: str) -> None:
        """Describe the response: its status and media type, or the target of a redirect."""
        redirected = location and status not in _SUCCESS
        response = (
            f"It redirects to {location} ({status})."
            if redirected
            else f"It answered {status} ({media_type})."
        )
        super().__init__(
            f"This address does not belong to a hub. {response} Check the address, and whether"
            " a proxy in front of the hub requires signing in."
        )
