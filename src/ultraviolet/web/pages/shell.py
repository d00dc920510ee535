"""The shell around all pages: the switch between light and dark."""

from urllib.parse import urlsplit

from litestar import post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from ultraviolet.errors import InvalidError
from ultraviolet.web.gate import AnyRequest, at_least
from ultraviolet.web.pages.render import THEME_COOKIE, THEMES


@post("/theme", guards=[at_least("viewer")], include_in_schema=False)
async def choose_theme(request: AnyRequest) -> Redirect:
    """Keep the scheme someone chose, in their browser, and go back to where they were."""
    chosen = str((await request.form()).get("theme", ""))
    if chosen not in THEMES:
        raise InvalidError("Choose light or dark.")
    came_from = urlsplit(request.headers.get("referer", ""))
    goal = came_from.path if came_from.netloc == request.url.netloc else "/"
    kept = Cookie(key=THEME_COOKIE, value=chosen, path="/", max_age=31_536_000, samesite="lax", httponly=True)
    return Redirect(goal or "/", status_code=303, cookies=[kept])


HANDLERS = [choose_theme]
