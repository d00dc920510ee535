"""The pages: what people see, rendered on the server and kept live by one stream of changes."""

from urllib.parse import urlencode

from litestar import Response, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from ultraviolet.errors import UltravioletError
from ultraviolet.web.http.problem_details import log_server_error
from ultraviolet.web.middleware.auth import AnyRequest
from ultraviolet.web.middleware.throttle import SignInThrottle
from ultraviolet.web.pages import (
    account,
    alerts,
    drift,
    events,
    fetches,
    integrations,
    objects,
    overview,
    retention,
    search,
    settings,
    setup_guide,
    sign_in,
    sso,
    theme,
    verifications,
    webhook_urls,
)
from ultraviolet.web.pages.error_page import advice
from ultraviolet.web.pages.templating import Renderer


def router(render: Renderer, sign_ins: SignInThrottle) -> Router:
    """Gather the pages."""
    handlers = [
        *overview.HANDLERS,
        *sign_in.HANDLERS,
        *sso.HANDLERS,
        *integrations.HANDLERS,
        *webhook_urls.HANDLERS,
        *setup_guide.HANDLERS,
        *events.HANDLERS,
        *objects.HANDLERS,
        *fetches.HANDLERS,
        *drift.HANDLERS,
        *verifications.HANDLERS,
        *search.HANDLERS,
        *settings.HANDLERS,
        *retention.HANDLERS,
        *alerts.HANDLERS,
        *account.HANDLERS,
        *theme.HANDLERS,
    ]
    given = {
        "render": Provide(lambda: render, sync_to_thread=False),
        "sign_ins": Provide(lambda: sign_ins, sync_to_thread=False),
    }
    return Router("/", route_handlers=handlers, dependencies=given)


def as_page(request: AnyRequest, error: Exception, render: Renderer) -> Response[str] | Redirect:
    """Answer an error to a person; one who is not signed in is asked to, and then goes on."""
    problem = log_server_error(request, error)
    if problem.status == 401:  # noqa: PLR2004
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        wanted = (
            f"?{urlencode({'next_page': here})}" if request.method == "GET" and here != "/" else ""
        )
        return Redirect(f"/sign-in{wanted}", status_code=303)
    back = theme.referring_path(request) if request.method == "POST" else ""
    page = render.page(
        request,
        "error.html",
        status=problem.status,
        problem=problem,
        advice=advice(problem),
        back=back,
    )
    if isinstance(error, UltravioletError | HTTPException):
        page.headers.update(error.headers or {})
    if problem.status == 503:  # noqa: PLR2004
        page.headers["Retry-After"] = "5"
        if request.method == "GET":
            page.headers["Refresh"] = "5"  # it comes back by itself
    return page
