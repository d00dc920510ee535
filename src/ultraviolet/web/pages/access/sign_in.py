"""Pages: sign in by a one-time link or a password, and sign out."""

import structlog
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from ultraviolet.errors import InvalidError, UnauthenticatedError
from ultraviolet.hub.accounts import passwords, sessions
from ultraviolet.hub.accounts.sessions import ClientInfo
from ultraviolet.hub.hub import Hub
from ultraviolet.web.http.return_paths import local_path_or_root
from ultraviolet.web.middleware.auth import COOKIE, AnyRequest, GivenHub, is_secure, session_cookie
from ultraviolet.web.middleware.throttle import GivenSignInGuard, SignInThrottle, TooManyTriesError
from ultraviolet.web.pages.templating import GivenRenderer, Renderer

log = structlog.get_logger()


class WrongPasswordError(InvalidError):
    """Name and password do not match. An administrator can create a one-time link for you."""

    status = UnauthenticatedError.status
    exit_code = UnauthenticatedError.exit_code
    field = "password"


@get("/sign-in")
async def form(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, next_page: FromQuery[str] = "/"
) -> Response[str]:
    """Ask for name and password, or offer the provider."""
    return sign_in_page(request, hub, render, goal=next_page)


@post("/sign-in")
async def sign_in(request: AnyRequest, hub: GivenHub, sign_ins: GivenSignInGuard) -> Redirect:
    """Check a password; the slow part runs beside other reads, not on the writer."""
    sent = await request.form()
    name, password, goal = (str(sent.get(field, "")) for field in ("name", "password", "next"))
    place = place_of(request, sign_ins)
    if not sign_ins.may_try(place.source, name):
        raise TooManyTriesError
    user = await hub.database.read(passwords.check_password, name, password)
    if user is None:
        sign_ins.failed(place.source, name)
        log.warning("sign_in.refused", source=place.source, way="password")
        raise WrongPasswordError
    session = await hub.database.write(sessions.create_session, user, "password", place)
    return await signed_in(request, hub, session, goal)


@get("/sign-in/{token:str}")
async def link(request: AnyRequest, render: GivenRenderer, token: FromPath[str]) -> Response[str]:
    """Show a button, so that a programme that only looks at links does not use this one up."""
    return render.page(request, "sign_in_link.html", token=token)


@post("/sign-in/{token:str}")
async def redeem(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    sign_ins: GivenSignInGuard,
    token: FromPath[str],
) -> Response[str] | Redirect:
    """Exchange the link for a session."""
    place = place_of(request, sign_ins)
    if not sign_ins.may_try(place.source, ""):
        raise TooManyTriesError
    session = await hub.database.write(sessions.redeem_link, token, place)
    if session is None:
        sign_ins.failed(place.source, "")
        log.warning("sign_in.refused", source=place.source, way="link")
        failed = "This link was already used, was replaced or has expired. Ask an administrator for a new one."
        return sign_in_page(request, hub, render, failed, 401)
    return await signed_in(request, hub, session, "/")


@post("/sign-out")
async def sign_out(request: AnyRequest, hub: GivenHub) -> Redirect:
    """End the session here and in the browser."""
    session = request.cookies.get(COOKIE, "")
    await hub.database.write(sessions.sign_out, session)
    answer = Redirect("/sign-in", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


def sign_in_page(
    request: AnyRequest,
    hub: Hub,
    render: Renderer,
    failed: str = "",
    status: int = 200,
    goal: str = "/",
) -> Response[str]:
    """Return the sign-in page, with the error of the last attempt."""
    provider = hub.settings.oidc_name if hub.provider else ""
    given = {"next": local_path_or_root(goal), "failed": failed, "provider": provider}
    return render.page(request, "sign_in.html", status=status, **given)


def place_of(request: AnyRequest, sign_ins: SignInThrottle) -> ClientInfo:
    """Return where someone signs in from."""
    peer = request.client.host if request.client else ""
    source = sign_ins.source(peer, dict(request.headers.items()))
    return ClientInfo(request.headers.get("user-agent", ""), source)


async def signed_in(request: AnyRequest, hub: Hub, session: str, goal: str) -> Redirect:
    """Start a new session and end the previous one of the browser."""
    before = request.cookies.get(COOKIE)
    if before:
        await hub.database.write(sessions.sign_out, before)
    cookie = session_cookie(session, secure=is_secure(request, hub.public_url))
    return Redirect(local_path_or_root(goal), status_code=303, cookies=[cookie])
