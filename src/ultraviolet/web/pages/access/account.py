"""Pages: where someone is signed in, and their own password; an administrator sees the same of others."""

from typing import Any

import structlog
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.hub.accounts import passwords, sessions, sso, users
from ultraviolet.hub.accounts.users import User
from ultraviolet.web.middleware.auth import ADMIN, COOKIE, VIEWER, AnyRequest, GivenHub
from ultraviolet.web.middleware.throttle import GivenSignInGuard, TooManyTriesError
from ultraviolet.web.pages.access.sign_in import place_of
from ultraviolet.web.pages.templating import GivenRenderer

log = structlog.get_logger()


@get("/account", guards=VIEWER)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show one's own sessions."""

    def read(connection: Connection) -> dict[str, Any]:
        user, current = _own(connection, request)
        has_password = passwords.has_password(connection, user.id)
        found = sessions.list_sessions(connection, user.id)
        return {"user": user, "current": current, "sessions": found, "has_password": has_password}

    context = await hub.database.read(read)
    return render.page(request, "account.html", own=True, here="/account", **context)


@post("/account/sessions/{session_id:int}/end", guards=VIEWER)
async def end(request: AnyRequest, hub: GivenHub, session_id: FromPath[int]) -> Redirect:
    """Sign out in one browser."""

    def write(connection: Connection) -> None:
        user, _ = _own(connection, request)
        sessions.end_session(connection, user.name, user.id, session_id)

    await hub.database.write(write)
    return Redirect("/account", status_code=303)


@post("/account/sessions/end", guards=VIEWER)
async def end_others(request: AnyRequest, hub: GivenHub) -> Redirect:
    """Sign out everywhere but here."""

    def write(connection: Connection) -> None:
        user, current = _own(connection, request)
        sessions.end_all_sessions(connection, user.name, user.id, but=current)

    await hub.database.write(write)
    return Redirect("/account", status_code=303)


@post("/account/password", guards=VIEWER)
async def set_password(request: AnyRequest, hub: GivenHub, sign_ins: GivenSignInGuard) -> Redirect:
    """Set one's own password; who has one already enters it, as often as at the sign-in. All other sessions end."""
    sent = await request.form()
    now, wanted = str(sent.get("now", "")), str(sent.get("password", ""))
    if wanted != str(sent.get("repeated", "")):
        message = "The two new passwords differ. Your password is unchanged."
        raise InvalidError(message, field="repeated")
    user, current = await hub.database.read(_own, request)
    source = place_of(request, sign_ins).source
    if not sign_ins.may_try(source, user.name):
        raise TooManyTriesError

    def is_right(connection: Connection) -> bool:
        held = passwords.has_password(connection, user.id)
        return not held or passwords.check_password(connection, user.name, now) == user.id

    if not await hub.database.read(is_right):
        sign_ins.failed(source, user.name)
        log.warning("sign_in.refused", source=source, way="password")
        message = "The current password is incorrect. Your password is unchanged."
        raise InvalidError(message, field="now")
    await hub.database.write(passwords.set_password, user.name, user.id, wanted, current)
    return Redirect("/account", status_code=303)


@get("/settings/users/{user_id:int}/sessions", guards=ADMIN)
async def show_of(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, user_id: FromPath[int]
) -> Response[str]:
    """Show where a person is signed in."""

    def read(connection: Connection) -> dict[str, Any]:
        known = sessions.get_session_owner(connection, request.cookies.get(COOKIE, ""))
        user, found = (
            users.get_user(connection, user_id),
            sessions.list_sessions(connection, user_id),
        )
        return {
            "user": user,
            "current": known[1] if known else 0,
            "sessions": found,
            "has_password": False,
        }

    context = await hub.database.read(read)
    context |= {"provider": hub.settings.oidc_name if hub.provider else ""}
    return render.page(
        request, "account.html", own=False, here=f"/settings/users/{user_id}", **context
    )


@post("/settings/users/{user_id:int}/sessions/{session_id:int}/end", guards=ADMIN)
async def end_of(
    request: AnyRequest, hub: GivenHub, user_id: FromPath[int], session_id: FromPath[int]
) -> Redirect:
    """Sign a person out in one browser."""
    actor = _name(request)
    await hub.database.write(sessions.end_session, actor, user_id, session_id)
    return Redirect(f"/settings/users/{user_id}/sessions", status_code=303)


@post("/settings/users/{user_id:int}/sessions/end", guards=ADMIN)
async def end_all_of(request: AnyRequest, hub: GivenHub, user_id: FromPath[int]) -> Redirect:
    """Sign a person out everywhere."""
    actor = _name(request)
    await hub.database.write(sessions.end_all_sessions, actor, user_id)
    return Redirect(f"/settings/users/{user_id}/sessions", status_code=303)


@post("/settings/users/{user_id:int}/provider", guards=ADMIN)
async def await_from_provider(
    request: AnyRequest, hub: GivenHub, user_id: FromPath[int]
) -> Redirect:
    """Set or remove the address with which a user signs in through the provider."""
    actor, email = _name(request), str((await request.form()).get("email", "")).strip() or None
    await hub.database.write(sso.set_provider_email, actor, user_id, email)
    return Redirect(f"/settings/users/{user_id}/sessions", status_code=303)


def _name(request: AnyRequest) -> str:
    assert request.user
    return request.user.name


def _own(connection: Connection, request: AnyRequest) -> tuple[User, int]:
    known = sessions.get_session_owner(connection, request.cookies.get(COOKIE, ""))
    if known is None:
        raise NotFoundError("API keys have no account. Sign in as a person to see your sessions.")
    return known
