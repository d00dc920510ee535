"""The pages: what people see, rendered on the server and kept live by one stream of changes."""

from urllib.parse import urlencode

from litestar import Response, Router
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from ultraviolet.errors import UltravioletError
from ultraviolet.web.gate import AnyRequest
from ultraviolet.web.guard import SignInGuard
from ultraviolet.web.pages import (
    account,
    alerts,
    drift,
    events,
    fetches,
    integrations,
    objects,
    overview,
    provider,
    retention,
    search,
    set_up,
    settings,
    shell,
    sign_in,
    verifications,
    webhooks,
)
from ultraviolet.web.pages.errors import advice
from ultraviolet.web.pages.render import Renderer
from ultraviolet.web.problems import log_if_ours


def router(render: Renderer, sign_ins: SignInGuard) -> Router:
    """Gather the pages."""
    handlers = [
        *overview.HANDLERS,
        *sign_in.HANDLERS,
        *provider.HANDLERS,
        *integrations.HANDLERS,
        *webhooks.HANDLERS,
        *set_up.HANDLERS,
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
        *shell.HANDLERS,
    ]
    given = {
        "render": Provide(lambda: render, sync_to_thread=False),
        "sign_ins": Provide(lambda: sign_ins, sync_to_thread=False),
    }
    return Router("/", route_handlers=handlers, dependencies=given)


def as_page(request: AnyRequest, error: Exception, render: Renderer) -> Response[str] | Redirect:
    """Answer an error to a person; one who is not signed in is asked to, and then goes on."""
    problem = log_if_ours(request, error)
    if problem.status == 401:  # noqa: PLR2004
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        wanted = (
            f"?{urlencode({'next_page': here})}" if request.method == "GET" and here != "/" else ""
        )
        return Redirect(f"/sign-in{wanted}", status_code=303)
    back = shell.came_from(request) if request.method == "POST" else ""
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
