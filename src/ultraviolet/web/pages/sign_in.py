"""Pages: sign in by a one-time link or a password, and sign out."""

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from ultraviolet.hub import access
from ultraviolet.web.gate import COOKIE, AnyRequest, GivenHub, session_cookie
from ultraviolet.web.pages.render import GivenRenderer


@get("/sign-in", include_in_schema=False)
async def form(request: AnyRequest, render: GivenRenderer, next_page: FromQuery[str] = "/") -> Response[str]:
    """Ask for name and password."""
    return render.page(request, "sign_in.html", next=_inside(next_page), failed="")


@post("/sign-in", include_in_schema=False)
async def sign_in(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str] | Redirect:
    """Check a password; the slow part runs beside other reads, not on the writer."""
    sent = await request.form()
    name, password, goal = (str(sent.get(field, "")) for field in ("name", "password", "next"))
    user = await hub.store.read(lambda c: access.check_password(c, name, password))
    if user is None:
        failed = "Name and password do not match. An administrator can make a one-time link instead."
        return render.page(request, "sign_in.html", status=401, next=_inside(goal), failed=failed)
    session = await hub.store.write(lambda c: access.begin_session(c, user))
    return _signed_in(request, session, _inside(goal))


@get("/sign-in/{token:str}", include_in_schema=False)
async def link(request: AnyRequest, render: GivenRenderer, token: FromPath[str]) -> Response[str]:
    """Show a button, so that a programme that only looks at links does not use this one up."""
    return render.page(request, "sign_in_link.html", token=token)


@post("/sign-in/{token:str}", include_in_schema=False)
async def redeem(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, token: FromPath[str]
) -> Response[str] | Redirect:
    """Trade the link for a session."""
    session = await hub.store.write(lambda c: access.redeem_link(c, token))
    if session is None:
        failed = "This link was used already or is older than 15 minutes."
        return render.page(request, "sign_in.html", status=401, next="/", failed=failed)
    return _signed_in(request, session, "/")


@post("/sign-out", include_in_schema=False)
async def sign_out(request: AnyRequest, hub: GivenHub) -> Redirect:
    """End the session here and in the browser."""
    session = request.cookies.get(COOKIE, "")
    await hub.store.write(lambda c: access.sign_out(c, session))
    answer = Redirect("/sign-in", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


def _signed_in(request: AnyRequest, session: str, goal: str) -> Redirect:
    return Redirect(
        goal, status_code=303, cookies=[session_cookie(session, secure=request.url.scheme == "https")]
    )


def _inside(goal: str) -> str:
    """Keep to this site: only a path may be where someone goes after signing in."""
    return goal if goal.startswith("/") and not goal.startswith(("//", "/\\")) else "/"


HANDLERS = [form, sign_in, link, redeem, sign_out]
