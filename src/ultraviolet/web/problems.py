"""Errors over HTTP: RFC 9457 problems for programs, a page with the same words for people."""

import re
from typing import Any, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from sqlalchemy.exc import DataError

from ultraviolet.errors import UltravioletError

MEDIA_TYPE = "application/problem+json"
_TYPES = "https://ultraviolet.invalid/problems/"

AnyRequest = Request[Any, Any, State]

log = structlog.get_logger()


class Problem(msgspec.Struct, omit_defaults=True):
    """What went wrong, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, Any]] = []


_SECRET_PART = re.compile(r"^/(sign-in|hooks)/(?=uv).+")
"""What in an address lets in whoever has it."""
_HEADERS = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}


def problem_body(status: int, title: str, kind: str = "", detail: str = "") -> bytes:
    """Write a problem as JSON; without a kind its type is `about:blank`."""
    return msgspec.json.encode(Problem(_TYPES + kind if kind else "about:blank", title, status, detail))


def problem_of(error: Exception) -> Problem:
    """Say what an error is to the one who asked; an unforeseen one says nothing of the inside."""
    match error:
        case UltravioletError():
            title = error.kind.replace("-", " ").capitalize()
            return Problem(_TYPES + error.kind, title, error.status, words(error))
        case ValidationException():
            return Problem(_TYPES + "invalid", "Invalid", 422, error.detail, _reasons(error))
        case HTTPException():
            kind = {404: "not-found", 405: "method-not-allowed", 401: "unauthenticated", 403: "forbidden"}
            slug = kind.get(error.status_code, "invalid" if error.status_code < 500 else "error")  # noqa: PLR2004
            return Problem(
                _TYPES + slug, slug.replace("-", " ").capitalize(), error.status_code, error.detail
            )
        case OverflowError() | DataError():
            return Problem(_TYPES + "invalid", "Invalid", 422, "A number is larger than any there is here.")
        case _:
            detail = "The hub met something it did not expect; its log has the details."
            return Problem(_TYPES + "error", "Internal error", 500, detail)


def words(error: UltravioletError) -> str:
    """Give the message of an error; without one of its own, what its class says."""
    return str(error) or " ".join((type(error).__doc__ or "").split())


def as_problem(request: AnyRequest, error: Exception) -> Response[Problem]:
    """Answer a program."""
    problem = log_if_ours(request, error)
    return Response(
        problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=_HEADERS.get(problem.status, {})
    )


def log_if_ours(request: AnyRequest, error: Exception) -> Problem:
    """Say what an error is; one of the hub's own making goes into its log."""
    problem = problem_of(error)
    if problem.status >= 500:  # noqa: PLR2004
        ours = None if problem.status == 503 else error  # noqa: PLR2004  that the database is away is no riddle
        log.error(
            "request.failed", path=without_secret(request.url.path), error=type(error).__name__, exc_info=ours
        )
    return problem


def without_secret(path: str) -> str:
    """Write a path for the log, which must let nobody in."""
    return _SECRET_PART.sub(r"/\1/…", path)


def _reasons(error: ValidationException) -> list[dict[str, Any]]:
    given: Any = error.extra
    if not isinstance(given, list):
        return []
    items = cast("list[Any]", given)
    return [msgspec.to_builtins(item, str_keys=True) for item in items if isinstance(item, dict)]
