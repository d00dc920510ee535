"""Errors: pages for browsers, JSON for API clients."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions.responses import (
    create_exception_response,  # pyright: ignore[reportUnknownVariableType]
)

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.local_ion.control.api import error_response
from ultraviolet.local_ion.http.pages.parameters import describe_invalid
from ultraviolet.local_ion.http.pages.templating import Renderer
from ultraviolet.local_ion.http.state import AppState

AnyRequest = Request[Any, Any, Any]
log = structlog.get_logger()

_MESSAGES = {
    400: "The address or the form is not valid.",
    401: "This address needs an access token. The pages and the query runner need none.",
    403: "The local ION does not allow this request.",
    404: "The local ION has no page with this address.",
    405: "This address does not accept this kind of request.",
    413: "The request is too large.",
    422: "Correct the address, or open another page.",
    500: "The local ION failed. Its log contains the error.",
}
"""Messages for errors whose own detail only repeats the status."""
_HEADINGS = {
    400: "The request is not valid",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    413: "Too large",
    422: "The address or the form is not valid",
    500: "Error in the local ION",
}
_INTERNAL_ERROR = 500


def is_browser(request: AnyRequest) -> bool:
    """Return whether the client asks for pages."""
    return "text/html" in request.headers.get("accept", "")


def create_error_handler(state: AppState) -> Callable[[AnyRequest, Exception], Response[Any]]:
    """Return the handler of all errors of requests."""
    render = Renderer(state)

    def handle_error(request: AnyRequest, error: Exception) -> Response[Any]:
        if isinstance(error, ValidationException) and (text := describe_invalid(request, error)):
            error = InvalidError(text)
        known = isinstance(error, HTTPException | UltravioletError)
        if not known:
            log.error("local_ion.request_failed", path=request.scope["path"], exc_info=error)
        if not is_browser(request):
            if isinstance(error, UltravioletError):
                return error_response(request, error)
            return cast("Response[Any]", create_exception_response(request, error))
        status, message, headers = _INTERNAL_ERROR, "", dict[str, str]()
        if isinstance(error, HTTPException):
            status, headers = error.status_code, dict(error.headers or {})
            message = "" if error.detail == HTTPStatus(status).phrase else error.detail
        elif isinstance(error, UltravioletError):
            status, message = error.status, error.explanation
        page = render.page(
            "error.html",
            "",
            status=status,
            number=status,
            heading=_HEADINGS.get(status, HTTPStatus(status).phrase),
            message=message if status < _INTERNAL_ERROR or known else _MESSAGES[_INTERNAL_ERROR],
            explanation=_MESSAGES.get(status, ""),
        )
        page.headers.update({n: value for n, value in headers.items() if n.lower() == "allow"})
        return page

    return handle_error
