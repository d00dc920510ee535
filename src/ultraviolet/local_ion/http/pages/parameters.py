"""Query parameters of the pages: unknown ones and invalid values are errors."""

from collections.abc import Collection
from typing import Any, cast

from litestar import Request
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler

from ultraviolet.errors import InvalidError
from ultraviolet.text import did_you_mean

CHECKED_BY_HANDLER = "checks_parameters"
"""Option of a route whose handler checks its query parameters itself."""
READ_BY_SCRIPT = "query_parameters"
"""Option of a route: query parameters that only the script of its page reads."""

AnyRequest = Request[Any, Any, Any]


def reject_unknown_parameters(request: AnyRequest) -> None:
    """Raise InvalidError for a query parameter that the page does not have."""
    handler = cast("BaseRouteHandler", request.route_handler)
    if handler.opt.get(CHECKED_BY_HANDLER):
        return
    declared = {*handler.parsed_fn_signature.parameters} - {*request.path_params, "request"}
    check_parameters(request, {*declared, *handler.opt.get(READ_BY_SCRIPT, ())})


def check_parameters(request: AnyRequest, known: Collection[str]) -> None:
    """Raise InvalidError for a query parameter that is not one of these."""
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        names = f" Parameters: {', '.join(sorted(known))}." if known else " It has none."
        hint = did_you_mean(unknown, sorted(known)) or names
        raise InvalidError(f"“{unknown}” is not a parameter of this page.{hint}", field=unknown)


def describe_invalid(request: AnyRequest, error: ValidationException) -> str:
    """Return which query parameter has an invalid value."""
    for each in cast("list[dict[str, str]]", error.extra or []):
        name = each.get("key", "")
        if name in request.query_params:
            return f"“{request.query_params[name]}” is not a valid {name}."
    return ""
