"""The color theme that a viewer selected."""

from litestar import post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from ultraviolet.errors import InvalidError
from ultraviolet.web.http.return_paths import referring_path
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest

_COOKIE = "ultraviolet_theme"
_THEMES = ("light", "dark")
_SYSTEM_THEME = "system"
"""Follow the setting of the device."""


def theme_of(request: AnyRequest) -> str:
    """Return the selected theme; empty for the system theme."""
    chosen = request.cookies.get(_COOKIE, "")
    return chosen if chosen in _THEMES else ""


@post("/theme", guards=VIEWER)
async def choose_theme(request: AnyRequest) -> Redirect:
    """Store the selected theme in a cookie and redirect back."""
    chosen = str((await request.form()).get("theme", ""))
    if chosen not in (*_THEMES, _SYSTEM_THEME):
        raise InvalidError("Select system, light or dark.", field="theme")
    kept = Cookie(
        key=_COOKIE, value=chosen, path="/", max_age=31_536_000, samesite="lax", httponly=True
    )
    return Redirect(referring_path(request) or "/", status_code=303, cookies=[kept])
