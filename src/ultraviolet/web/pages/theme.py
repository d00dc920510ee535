"""The color theme, and checks of local return paths."""

from urllib.parse import urlsplit

from litestar import post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from ultraviolet.errors import InvalidError
from ultraviolet.web.middleware.auth import AnyRequest, require_role
from ultraviolet.web.pages.templating import SYSTEM_THEME, THEME_COOKIE, THEMES


@post("/theme", guards=[require_role("viewer")], include_in_schema=False)
async def choose_theme(request: AnyRequest) -> Redirect:
    """Store the selected theme in a cookie and redirect back."""
    chosen = str((await request.form()).get("theme", ""))
    if chosen not in (*THEMES, SYSTEM_THEME):
        raise InvalidError("Select system, light or dark.", field="theme")
    kept = Cookie(
        key=THEME_COOKIE, value=chosen, path="/", max_age=31_536_000, samesite="lax", httponly=True
    )
    return Redirect(referring_path(request) or "/", status_code=303, cookies=[kept])


def local_path_or_root(goal: str) -> str:
    """Return a path of this site; `/` for any other target."""
    path = (
        goal.startswith("/")
        and not goal.startswith("//")
        and "\\" not in goal
        and goal.isprintable()
    )
    return goal if path else "/"


def referring_path(request: AnyRequest) -> str:
    """Return the path of the referring page if it belongs to this site."""
    page = urlsplit(request.headers.get("referer", ""))
    return local_path_or_root(page.path) if page.netloc == request.url.netloc else ""


HANDLERS = [choose_theme]
