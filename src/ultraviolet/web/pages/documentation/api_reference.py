"""The reference of the API: Scalar, served by the hub, sending requests as the signed-in user."""

from litestar import Response, get
from litestar.response import Redirect

from ultraviolet.web.middleware.auth import VIEWER, AnyRequest
from ultraviolet.web.pages.templating import GivenRenderer

ADDRESS = "/api/docs"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " font-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)
"""The policy of this page alone: as on every page, but Scalar writes its styles into the page."""


@get(ADDRESS, guards=VIEWER)
async def show(request: AnyRequest, render: GivenRenderer) -> Response[str]:
    """Show the operations of the API, with a client to try them."""
    page = render.page(request, "api_reference.html")
    page.headers["Content-Security-Policy"] = _POLICY
    return page


@get(["/redoc", "/swagger"], guards=VIEWER)
async def redirect_to_reference() -> Redirect:
    """Redirect from the usual addresses of an API reference."""
    return Redirect(ADDRESS)


@get("/openapi.json", guards=VIEWER)
async def redirect_to_document() -> Redirect:
    """Redirect from the usual address of an OpenAPI document."""
    return Redirect("/api/openapi.json")
