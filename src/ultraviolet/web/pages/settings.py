"""Pages: people, API keys, audit log and versions."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from ultraviolet import clock
from ultraviolet.errors import InvalidError
from ultraviolet.hub.accounts import api_keys, passwords, sessions
from ultraviolet.hub.accounts import users as accounts_users
from ultraviolet.hub.accounts.users import Role
from ultraviolet.hub.core import audit
from ultraviolet.hub.hub import Hub
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.about import about
from ultraviolet.web.pages.templating import GivenRenderer, Renderer, confirm, number_in

ADMIN = [require_role("admin")]
_SHOWN = 100


class Shown(msgspec.Struct, frozen=True):
    """A secret, shown once."""

    title: str
    text: str


@get("/settings", guards=ADMIN, include_in_schema=False)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show people and keys."""
    return await _page(request, hub, render, None)


@get("/settings/audit", guards=ADMIN, include_in_schema=False)
async def show_audit(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, cursor: FromQuery[str | None] = None
) -> Response[str]:
    """Show the audit log, newest first."""
    before = number(cursor)
    found = await hub.database.read(audit.list_recent, before, _SHOWN + 1)
    page = page_of(found, _SHOWN, lambda entry: entry.seq)
    return render.page(request, "audit.html", entries=page.items, next=page.next)


@get("/settings/about", guards=ADMIN, include_in_schema=False)
async def show_about(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show versions and licences."""
    return render.page(request, "about.html", about=about(hub))


@post("/settings/users/{user_id:int}/role", guards=ADMIN, include_in_schema=False)
async def change_role(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, user_id: FromPath[int]
) -> Redirect:
    """Change the role of a person."""
    role = _role((await request.form()).get("role"))
    await hub.database.write(accounts_users.set_role, caller.name, user_id, role)
    return _back()


@post("/settings/users", guards=ADMIN, include_in_schema=False)
async def add_user(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Add a person."""
    sent = await request.form()
    name, role = str(sent.get("name", "")), _role(sent.get("role"))
    await hub.database.write(accounts_users.create_user, caller.name, name, role)
    return _back()


@post("/settings/users/{user_id:int}/link", guards=ADMIN, include_in_schema=False)
async def make_link(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    user_id: FromPath[int],
) -> Response[str]:
    """Create a sign-in link and show it once."""
    user = await hub.database.read(accounts_users.get_user, user_id)
    token = await hub.database.write(sessions.create_sign_in_link, user_id, caller.name)
    shown = Shown(
        f"Sign-in link for {user.name}, valid for 15 minutes", f"{hub.public_url}/sign-in/{token}"
    )
    return await _page(request, hub, render, shown)


@post("/settings/users/{user_id:int}/remove", guards=ADMIN, include_in_schema=False)
async def remove_user(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, user_id: FromPath[int]
) -> Redirect:
    """Remove a person."""
    user = await hub.database.read(accounts_users.get_user, user_id)
    confirm(await request.form(), user.name, "The person was not removed.")
    await hub.database.write(accounts_users.remove_user, caller.name, user_id)
    return _back()


@post("/settings/password", guards=ADMIN, include_in_schema=False)
async def set_password(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Set a person's password."""
    sent = await request.form()
    user_id, password = number_in(sent, "user"), str(sent.get("password", ""))
    await hub.database.write(passwords.set_password, caller.name, user_id, password)
    return _back()


@post("/settings/keys", guards=ADMIN, include_in_schema=False)
async def make_key(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """Make an API key and show it once."""
    sent = await request.form()
    name, role = str(sent.get("name", "")), _role(sent.get("role"))
    day = str(sent.get("expires", "")).strip()
    expires = f"{day}T23:59:59Z" if day else None
    key, token = await hub.database.write(api_keys.create_key, caller.name, name, role, expires)
    return await _page(request, hub, render, Shown(f"API key {key.name}", token))


@post("/settings/keys/{key_id:int}/revoke", guards=ADMIN, include_in_schema=False)
async def revoke_key(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, key_id: FromPath[int]
) -> Redirect:
    """Revoke a key."""
    key = await hub.database.read(api_keys.get_key, key_id)
    confirm(await request.form(), key.name, "The key still works.")
    await hub.database.write(api_keys.revoke_key, caller.name, key_id)
    return _back()


async def _page(
    request: AnyRequest, hub: Hub, render: Renderer, shown: Shown | None
) -> Response[str]:
    users = await hub.database.read(accounts_users.list_users)
    keys = await hub.database.read(api_keys.list_keys)
    signed_in = await hub.database.read(sessions.count_sessions)
    context: dict[str, Any] = {
        "users": users,
        "keys": keys,
        "signed_in": signed_in,
        "now": clock.now_rfc3339(),
    }
    return render.page(request, "settings.html", shown=shown, **context)


def _role(given: Any) -> Role:
    match given:
        case "viewer" | "operator" | "admin":
            return given
        case _:
            raise InvalidError("Select a role: viewer, operator or admin.")


def _back() -> Redirect:
    return Redirect("/settings", status_code=303)


HANDLERS = [
    show,
    show_audit,
    show_about,
    add_user,
    change_role,
    make_link,
    remove_user,
    set_password,
    make_key,
    revoke_key,
]
