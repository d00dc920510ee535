"""The pages: what people see, rendered on the server and kept live by one stream of changes."""

from litestar import Response, Router
from litestar.di import Provide
from litestar.response import Redirect

from ultraviolet.web.gate import AnyRequest
from ultraviolet.web.pages import (
    access,
    events,
    fetches,
    integrations,
    objects,
    overview,
    set_up,
    sign_in,
    webhooks,
)
from ultraviolet.web.pages.render import Renderer
from ultraviolet.web.problems import log_if_ours


def router(render: Renderer) -> Router:
    """Gather the pages."""
    handlers = [
        *overview.HANDLERS,
        *sign_in.HANDLERS,
        *integrations.HANDLERS,
        *webhooks.HANDLERS,
        *set_up.HANDLERS,
        *events.HANDLERS,
        *objects.HANDLERS,
        *fetches.HANDLERS,
        *access.HANDLERS,
    ]
    return Router(
        "/", route_handlers=handlers, dependencies={"render": Provide(lambda: render, sync_to_thread=False)}
    )


def as_page(request: AnyRequest, error: Exception, render: Renderer) -> Response[str] | Redirect:
    """Answer an error to a person; one who is not signed in is asked to."""
    problem = log_if_ours(request, error)
    if problem.status == 401:  # noqa: PLR2004
        return Redirect("/sign-in", status_code=303)
    return render.page(request, "error.html", status=problem.status, problem=problem)
