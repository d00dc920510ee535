"""The pages: what people see, rendered on the server and kept live by one stream of changes."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, cast
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException, NotFoundException
from litestar.response import Redirect

from ultraviolet.errors import NotFoundError, UltravioletError
from ultraviolet.web.http.asgi import Receive, Scope, Send
from ultraviolet.web.http.handlers import handlers_of
from ultraviolet.web.http.params import REJECT_UNKNOWN, IntegrationRequiredError
from ultraviolet.web.http.problem_details import Problem, log_server_error
from ultraviolet.web.http.return_paths import referring_path
from ultraviolet.web.middleware.auth import AnyRequest, Caller, known_caller
from ultraviolet.web.pages import (
    about,
    alerts,
    audit,
    drift,
    fetches,
    navigation,
    one_time,
    overview,
    palette,
    retention,
    search,
    settings,
    setup_guide,
    theme,
    verifications,
    webhook_urls,
)
from ultraviolet.web.pages.access import account, sign_in, sso
from ultraviolet.web.pages.documentation import api_reference, routes
from ultraviolet.web.pages.events import detail, listing, replay
from ultraviolet.web.pages.forms.rejected_page import IS_PAGE, page_with_errors
from ultraviolet.web.pages.integration_choice import page_addresses
from ultraviolet.web.pages.integrations import changes, sandbox, tabs
from ultraviolet.web.pages.integrations import listing as integration_list
from ultraviolet.web.pages.navigation import Entry, current_address, visible_groups
from ultraviolet.web.pages.objects import filter_builder, record, table, views
from ultraviolet.web.pages.templating import Renderer

Authenticate: TypeAlias = Callable[[AnyRequest], Awaitable[Caller | None]]
"""Find the caller of a request."""


class Advice(msgspec.Struct, frozen=True):
    """The title of an error page, and what to do next."""

    title: str
    text: str


_MODULES = (
    overview,
    sign_in,
    sso,
    integration_list,
    tabs,
    changes,
    sandbox,
    webhook_urls,
    setup_guide,
    listing,
    detail,
    replay,
    table,
    filter_builder,
    views,
    record,
    fetches,
    drift,
    verifications,
    search,
    palette,
    navigation,
    one_time,
    settings,
    audit,
    retention,
    alerts,
    account,
    theme,
    about,
    routes,
    api_reference,
)
_BY_STATUS = {
    403: Advice(
        "Access denied", "Ask an administrator of this hub for a role with more permissions."
    ),
    405: Advice("Method not allowed", "Use the buttons of the page."),
    409: Advice("Conflict", "Your changes were not saved. Go back, reload the page and try again."),
    413: Advice("Request too large", "Your changes were not saved. Send less data at once."),
    422: Advice(
        "Couldn't save – check the fields",
        "Your changes were not saved. Go back, correct the fields and try again.",
    ),
    429: Advice("Too many requests", "Wait a moment, then try again."),
    503: Advice(
        "Temporarily unavailable",
        "No acknowledged delivery is lost, and ION repeats the others. "
        "Check the disk and the database of the hub. This page reloads automatically.",
    ),
}


def _advice(error: Exception, problem: Problem, method: str) -> Advice:
    """Return the title and the next step for a problem; a NotFoundError has its own next step."""
    if isinstance(error, NotFoundError):
        return Advice(f"{error.subject} not found" if error.subject else "Page not found", "")
    if isinstance(error, NotFoundException):
        return Advice("This page does not exist", "Check the address, or search for the object.")
    if problem.status == 422 and method == "GET":  # noqa: PLR2004
        return Advice("Invalid address", "Correct the address of the page, or start from a link.")
    known = _BY_STATUS.get(problem.status)
    if known:
        return known
    if problem.status >= 500:  # noqa: PLR2004
        return Advice(
            "Internal error",
            "The hub still receives deliveries, and stored data is safe. "
            "Reload the page. If the error persists, check the hub's log.",
        )
    return Advice(problem.title, "Go back and try again.")


def _section(request: AnyRequest) -> Entry | None:
    """Return the page that a wrong address means, if the caller may open it.

    It is the list of a missing object, or the page whose name is the address, such as `/syncs`.
    """
    here, caller = current_address(request.url.path), known_caller(request)
    entries = [entry for group in visible_groups(caller) for entry in group.entries]
    word = request.url.path.strip("/").lower()
    named = next((one for one in entries if one.name.lower() == word), None)
    return next((one for one in entries if one.address == here != request.url.path), named)


def router(render: Renderer) -> Router:
    """Return the router of all pages."""
    return Router(
        "/",
        route_handlers=handlers_of(*_MODULES),
        dependencies={"render": Provide(lambda: render, sync_to_thread=False)},
        include_in_schema=False,
        opt={REJECT_UNKNOWN: True, IS_PAGE: True},
    )


class UnknownAddress(Response[str]):
    """The error page of an address without a route, for which no caller was authenticated yet."""

    def __init__(
        self, request: AnyRequest, page: Callable[[], Response[str]], authenticate: Authenticate
    ) -> None:
        super().__init__("", status_code=404)
        self._request, self._page, self._authenticate = request, page, authenticate

    def to_asgi_response(  # pyright: ignore[reportUnknownParameterType]
        self, *given: Any, **options: Any
    ) -> Any:
        """Return an application that sends the page to the signed-in person."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            with suppress(UltravioletError):  # without the database, the page has no navigation
                scope["user"] = await self._authenticate(self._request)
            page = cast("Any", self._page()).to_asgi_response(*given, **options)
            await page(scope, receive, send)

        return answer


def as_page(
    request: AnyRequest, error: Exception, render: Renderer, authenticate: Authenticate
) -> Response[str] | Redirect:
    """Return the page of a rejected form or address, the error page, or a redirect.

    It redirects to the page of one integration, or to the sign-in page.
    """
    if isinstance(error, IntegrationRequiredError) and request.method == "GET":
        choices = page_addresses(request, error)
        if len(choices) == 1:
            return Redirect(choices[0][0], status_code=303)
        return render.page(request, "which_integration.html", choices=choices)
    problem = log_server_error(request, error)
    page = partial(_error_page, request, error, problem, render)
    if rejected := page_with_errors(request, error, problem, render.root, page):
        return rejected
    if problem.status == 401:  # noqa: PLR2004
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        wanted = (
            f"?{urlencode({'next_page': here})}" if request.method == "GET" and here != "/" else ""
        )
        return Redirect(f"/sign-in{wanted}", status_code=303)
    if isinstance(error, NotFoundException) and "user" not in request.scope:
        return UnknownAddress(request, page, authenticate)
    return page()


def _error_page(
    request: AnyRequest, error: Exception, problem: Problem, render: Renderer
) -> Response[str]:
    back = referring_path(request) if request.method == "POST" else ""
    page = render.page(
        request,
        "error.html",
        status=problem.status,
        problem=problem,
        unknown_address=isinstance(error, NotFoundException),
        advice=_advice(error, problem, request.method),
        back=back,
        section=_section(request),
    )
    if isinstance(error, UltravioletError | HTTPException):
        page.headers.update(error.headers or {})
    if problem.status == 503:  # noqa: PLR2004
        page.headers["Retry-After"] = "5"
        if request.method == "GET":
            page.headers["Refresh"] = "5"
    return page
