"""Errors over HTTP: RFC 9457 problems for programs, a page with the same words for people."""

import re
from collections.abc import Iterator
from typing import Any, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from sqlalchemy.exc import DataError

from ultraviolet.errors import UltravioletError

MEDIA_TYPE = "application/problem+json"
_TYPE_PREFIX = "https://ultraviolet.invalid/problems/"

AnyRequest = Request[Any, Any, State]

log = structlog.get_logger()


class FieldProblem(msgspec.Struct, frozen=True):
    """One value that is not what it has to be; `source` is body, query, path or header."""

    field: str
    message: str
    source: str = "body"


class Problem(msgspec.Struct, omit_defaults=True):
    """What went wrong, as RFC 9457 has it; `errors` names the values at fault, where it is one of them."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[FieldProblem] = []


_KINDS = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    429: "too-many-requests",
}
_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method; the header Allow names those it takes.",
    413: "The body is larger than 4 MB; send it in parts.",
}
_TOO_LARGE_DETAIL = "A number is larger than any there is here."
_NUL_DETAIL = "A text has the character NUL, which no text here has."
_SQLSTATE_DETAILS = {"22003": _TOO_LARGE_DETAIL, "22021": _NUL_DETAIL, "22P05": _NUL_DETAIL}
_DISCONNECTED = "client disconnected prematurely"
"""How Litestar words that a client went away; there is nobody to answer, and nothing to log."""
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
_QUOTED = re.compile(r"`([^`]+)`")
_JSON_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"Missing required (query|header|cookie|path) parameter '([^']+)'")


def problem_body(status: int, title: str, kind: str = "", detail: str = "") -> bytes:
    """Write a problem as JSON; without a kind its type is `about:blank`."""
    return msgspec.json.encode(
        Problem(_TYPE_PREFIX + kind if kind else "about:blank", title, status, detail)
    )


def to_problem(error: Exception, handler: Any = None) -> Problem:
    """Say what an error is to the one who asked; an unforeseen one says nothing of the inside."""
    match error:
        case UltravioletError():
            named = [FieldProblem(error.field, detail_of(error))] if error.field else []
            return _problem(error.kind, error.status, detail_of(error), named)
        case ValidationException():
            found = list(_field_problems(error, handler))
            detail = "; ".join(
                f"{one.field}: {one.message}" if one.field else one.message for one in found
            )
            return _problem("invalid", 422, detail or error.detail, found)
        case InternalServerException(detail=detail) if detail == _DISCONNECTED:
            return _problem(
                "invalid", 400, "The connection was closed before the body was complete."
            )
        case HTTPException():
            status = error.status_code
            slug = _KINDS.get(status, "invalid" if status < 500 else "error")  # noqa: PLR2004
            return _problem(slug, status, _DETAILS.get(status, error.detail))
        case ValueError() | OverflowError() | RecursionError() | DataError() if (
            said := _value_error_detail(error)
        ):
            return _problem("invalid", 422, said)
        case _:
            detail = "The hub met something it did not expect; its log has the details."
            return Problem(_TYPE_PREFIX + "error", "Internal error", 500, detail)


def _value_error_detail(
    error: ValueError | OverflowError | RecursionError | DataError,
) -> str | None:
    """Say what is wrong with a value that Python or the database cannot take; None where that is not it."""
    match error:
        case DataError(orig=orig):
            said = _SQLSTATE_DETAILS.get(str(getattr(orig, "sqlstate", "")))
            return said or (
                _NUL_DETAIL
                if "NUL" in str(orig)
                else "A value is none that could be kept or looked for."
            )
        case OverflowError():
            return (
                "A time lies outside the years there are."
                if "date" in str(error)
                else _TOO_LARGE_DETAIL
            )
        case RecursionError():
            return "The JSON is nested too deeply." if "deserializing" in str(error) else None
        case _:
            return _TOO_LARGE_DETAIL if "integer string conversion" in str(error) else None


def detail_of(error: UltravioletError) -> str:
    """Return the message of an error; without one of its own, what its class says."""
    return str(error) or " ".join((type(error).__doc__ or "").split())


def as_problem(request: AnyRequest, error: Exception) -> Response[Problem]:
    """Answer a program."""
    problem = log_server_error(request, error)
    more = error.headers if isinstance(error, UltravioletError | HTTPException) else None
    headers = {**_HEADERS.get(problem.status, {}), **(more or {})}
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def log_server_error(request: AnyRequest, error: Exception) -> Problem:
    """Say what an error is; one of the hub's own making goes into its log."""
    problem = to_problem(error, cast("dict[str, Any]", request.scope).get("route_handler"))
    if problem.status >= 500:  # noqa: PLR2004
        ours = None if problem.status == 503 else error  # noqa: PLR2004  that the database is away is no riddle
        log.error(
            "request.failed", path=request.scope["path"], error=type(error).__name__, exc_info=ours
        )
    return problem


def _problem(
    kind: str, status: int, detail: str, errors: list[FieldProblem] | None = None
) -> Problem:
    return Problem(
        _TYPE_PREFIX + kind, kind.replace("-", " ").capitalize(), status, detail, errors or []
    )


def _field_problems(error: ValidationException, handler: Any) -> Iterator[FieldProblem]:
    """Name the values at fault as the caller knows them, not as the code does."""
    if missing := _MISSING.search(error.detail):
        yield FieldProblem(missing[2], "is required", missing[1])
    given: Any = error.extra
    for item in cast("list[Any]", given) if isinstance(given, list) else []:
        one = msgspec.to_builtins(item, str_keys=True)
        message, key = str(one.get("message", "")), str(one.get("key", ""))
        place, quoted = _JSON_PATH.search(message), _QUOTED.search(message)
        if key == "data" and place:
            key = place[1]
        elif key == "data":
            key = quoted[1] if quoted and "field" in message else ""
        source = str(one.get("source", "body"))
        yield FieldProblem(_request_name(handler, key), _JSON_PATH.sub("", message), source)


def _request_name(handler: Any, key: str) -> str:
    """Return the name of a parameter in requests."""
    signature = getattr(handler, "parsed_fn_signature", None)
    field = signature.parameters.get(key) if signature else None
    return getattr(getattr(field, "kwarg_definition", None), "name", None) or key
