"""Errors as RFC 9457 problem details."""

import re
from collections.abc import Iterator
from typing import Any, Literal, cast, get_args, get_origin

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from sqlalchemy.exc import DataError

from ultraviolet.db.driver_errors import sqlstate
from ultraviolet.errors import UltravioletError
from ultraviolet.text import did_you_mean, shorten
from ultraviolet.web.http.params import UnknownParameterError, query_parameters

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "/docs/reference/errors#"
"""Address of the types on a hub: the page of errors has an anchor for each kind."""

AnyRequest = Request[Any, Any, State]

log = structlog.get_logger()


class FieldProblem(msgspec.Struct, frozen=True):
    """One invalid value; `source` is body, query, path or header."""

    field: str
    message: str
    source: str = "body"


class Problem(msgspec.Struct, omit_defaults=True):
    """An error in the format of RFC 9457; `errors` lists the invalid values, if any."""

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
_TITLES = {
    "invalid": "Validation error",
    "conflict": "Conflict with the current state",
    "forbidden": "Insufficient role",
}
_DETAILS = {
    404: "Nothing has this address.",
    405: "Method not allowed. The Allow header lists the allowed methods.",
    413: "The request body is larger than 4 MB. Send it in parts.",
}
_TOO_LARGE_DETAIL = "The number is out of range."
_NUL_DETAIL = "NUL characters are not allowed."
_SQLSTATE_DETAILS = {"22003": _TOO_LARGE_DETAIL, "22021": _NUL_DETAIL, "22P05": _NUL_DETAIL}
_DISCONNECTED = "client disconnected prematurely"
"""Litestar's message for a client that disconnected; the response is not delivered or logged."""
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}
_QUOTED = re.compile(r"`([^`]+)`")
_JSON_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_INVALID_CHOICE = "Invalid enum value"
_OUT_OF_RANGE = re.compile(r"Expected `(?:int|float)` (>=|<=) (-?[\d.]+)")
_TOO_LONG = re.compile(r"Expected `\w+` of length <= (\d+)")
_EXPECTED = re.compile(r"Expected `([\w |]+)`")
_TYPES_IN_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "object": "an object",
    "array": "a list",
}
_MAX_DETAIL_CHARACTERS = 2000
"""A message may contain a value of the request."""
_MISSING = re.compile(r"Missing required (query|header|cookie|path) parameter '([^']+)'")


def problem_body(status: int, title: str) -> bytes:
    """Return a problem without a type as JSON."""
    return msgspec.json.encode(Problem("about:blank", title, status))


def to_problem(error: Exception, handler: Any = None) -> Problem:
    """Return the problem of an error; unexpected errors reveal no internals."""
    match error:
        case UltravioletError():
            fields = (
                [FieldProblem(error.field, error.explanation, _source(error, handler))]
                if error.field
                else []
            )
            return _problem(error.kind, error.status, error.explanation, fields)
        case ValidationException():
            found = list(_field_problems(error, handler))
            detail = "; ".join(
                f"{field.field}{' ' if field.message.startswith(('must ', 'is ')) else ': '}{field.message}"
                if field.field
                else field.message
                for field in found
            )
            return _problem("invalid", 422, detail or error.detail, found)
        case InternalServerException(detail=detail) if detail == _DISCONNECTED:
            return _problem(
                "invalid", 400, "The connection was closed before the request body was complete."
            )
        case HTTPException():
            status = error.status_code
            slug = _KINDS.get(status, "invalid" if status < 500 else "error")  # noqa: PLR2004
            return _problem(slug, status, _DETAILS.get(status, error.detail))
        case ValueError() | OverflowError() | RecursionError() | DataError() if (
            detail := _value_error_detail(error)
        ):
            return _problem("invalid", 422, detail)
        case _:
            detail = "Internal error. The log of the hub has the details."
            return Problem(TYPE_PREFIX + "error", "Internal error", 500, detail)


def _source(error: UltravioletError, handler: Any) -> str:
    """Return the part of the request that has the invalid value."""
    if "-" in error.field:
        return "header"
    if isinstance(error, UnknownParameterError):
        return "query"
    if handler and error.field in query_parameters(handler):
        return "query"
    in_path = handler and any(f"{{{error.field}:" in path for path in handler.paths)
    return "path" if in_path else "body"


def _value_error_detail(
    error: ValueError | OverflowError | RecursionError | DataError,
) -> str | None:
    """Return the reason why Python or the database rejects a value.

    None for other errors.
    """
    match error:
        case DataError(orig=orig):
            detail = _SQLSTATE_DETAILS.get(sqlstate(orig))
            return detail or (
                _NUL_DETAIL if "NUL" in str(orig) else "A value is not supported by the database."
            )
        case OverflowError():
            return "The time is out of range." if "date" in str(error) else _TOO_LARGE_DETAIL
        case RecursionError():
            return "The JSON is nested too deeply." if "deserializing" in str(error) else None
        case _:
            return _TOO_LARGE_DETAIL if "integer string conversion" in str(error) else None


def as_problem(request: AnyRequest, error: Exception, base: str) -> Response[Problem]:
    """Return the problem response of an error; `base` is prepended to its type."""
    problem = log_server_error(request, error)
    problem.type = base + problem.type
    extra = error.headers if isinstance(error, UltravioletError | HTTPException) else None
    headers = {**_HEADERS.get(problem.status, {}), **(extra or {})}
    return Response(problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers)


def log_server_error(request: AnyRequest, error: Exception) -> Problem:
    """Return the problem of an error; log it if it is a server error."""
    problem = to_problem(error, cast("dict[str, Any]", request.scope).get("route_handler"))
    if problem.status >= 500:  # noqa: PLR2004
        # No traceback for an unavailable database.
        cause = None if problem.status == 503 else error  # noqa: PLR2004
        log.error(
            "request.failed", path=request.scope["path"], error=type(error).__name__, exc_info=cause
        )
    return problem


def _problem(
    kind: str, status: int, detail: str, errors: list[FieldProblem] | None = None
) -> Problem:
    return Problem(
        TYPE_PREFIX + kind,
        _TITLES.get(kind, kind.replace("-", " ").capitalize()),
        status,
        shorten(detail, _MAX_DETAIL_CHARACTERS),
        [
            msgspec.structs.replace(each, message=shorten(each.message, _MAX_DETAIL_CHARACTERS))
            for each in errors or []
        ],
    )


def _field_problems(error: ValidationException, handler: Any) -> Iterator[FieldProblem]:
    """Yield the invalid values under their names in the request, not in the code."""
    if missing := _MISSING.search(error.detail):
        yield FieldProblem(missing[2], "is required", missing[1])
    extra: Any = error.extra
    for item in cast("list[Any]", extra) if isinstance(extra, list) else []:
        problem = msgspec.to_builtins(item, str_keys=True)
        message, key = str(problem.get("message", "")), str(problem.get("key", ""))
        path, quoted = _JSON_PATH.search(message), _QUOTED.search(message)
        message = _JSON_PATH.sub("", message)
        fields = [each for one in _structs(handler) for each in msgspec.structs.fields(one)]
        if key == "data" and path:
            key = path[1]
        elif key == "data" and quoted and "field" in message:
            key = quoted[1]
            if "unknown field" in message:
                known = [each.encode_name for each in fields]
                message = f"Unknown field.{did_you_mean(key, known)}"
        elif key == "data":
            key = ""
        # The name of a handler's parameter in requests.
        signature = getattr(handler, "parsed_fn_signature", None)
        field = signature.parameters.get(key) if signature else None
        types = [getattr(field, "annotation", None)]
        types += [each.type for each in fields if each.encode_name == key]
        choices = [choice for each in types for choice in _choices(each)]
        if message.startswith(_INVALID_CHOICE) and choices:
            message = f"must be one of {', '.join(choices)}"
        name = getattr(getattr(field, "kwarg_definition", None), "name", None) or key
        source = str(problem.get("source", "body"))
        yield FieldProblem(name, _in_words(message), source)


def _structs(handler: Any) -> list[Any]:
    """Return the types of the body of a handler that have fields."""
    signature = getattr(handler, "parsed_fn_signature", None)
    data = signature.parameters.get("data") if signature else None
    body = data.annotation if data else None
    return [one for one in (*get_args(body), body) if hasattr(one, "__struct_fields__")]


def _choices(annotation: Any) -> list[str]:
    """Return the values of the literal types in a type."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Literal:
        return [str(each) for each in arguments]
    return [choice for each in arguments for choice in _choices(each)]


def _in_words(message: str) -> str:
    """Return the message about a value without types of the code."""
    if limit := _OUT_OF_RANGE.fullmatch(message):
        return f"must be at {'least' if limit[1] == '>=' else 'most'} {limit[2].removesuffix('.0')}"
    if limit := _TOO_LONG.fullmatch(message):
        return f"must have at most {limit[1]} characters"
    if message.startswith("Object missing required field"):
        return "is required"
    if message == "Input data was truncated":
        return "The JSON is incomplete."
    if expected := _EXPECTED.match(message):
        kinds = expected[1].split(" | ")
        return f"must be {' or '.join(_TYPES_IN_WORDS.get(kind, kind) for kind in kinds)}"
    return message
