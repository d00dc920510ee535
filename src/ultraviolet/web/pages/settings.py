"""Pages: people, API keys and versions."""

from typing import Any, Literal
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from ultraviolet import clock
from ultraviolet.errors import InvalidError
from ultraviolet.hub.accounts import api_keys, passwords, sessions
from ultraviolet.hub.accounts import users as accounts_users
from ultraviolet.hub.accounts.users import Role
from ultraviolet.hub.hub import Hub
from ultraviolet.web.middleware.auth import ADMIN, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.forms.form_values import confirm, number_in
from ultraviolet.web.pages.one_time import OneTimeSecret, find_secret, redirect_with_secret
from ultraviolet.web.pages.templating import GivenRenderer

_Done = Literal["", "role", "password", "revoked"]
"""What the last form of the page did, for the message about it."""


@get("/settings", guards=ADMIN)
async def show_people(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    done: FromQuery[_Done] = "",
    person: FromQuery[int] = 0,
) -> Response[str]:
    """List people, their roles and their last sign-in, after the result of the last form."""
    people = await hub.database.read(accounts_users.list_users)
    return render.page(
        request,
        "people.html",
        secret=find_secret(request, hub, caller.name, "sign_in_link"),
        users=people,
        done=done,
        changed=next((user for user in people if user.id == person), None),
        invited=await hub.database.read(sessions.list_open_links),
        form_page="/settings",  # without the result of the form before
        signed_in=await hub.database.read(sessions.count_sessions),
    )


@get("/settings/keys", guards=ADMIN)
async def show_keys(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """List the API keys."""
    return render.page(
        request,
        "keys.html",
        secret=find_secret(request, hub, caller.name, "api_key"),
        keys=await hub.database.read(api_keys.list_keys),
        now=clock.now_rfc3339(),
    )


@post("/settings/users/{user_id:int}/role", guards=ADMIN)
async def change_role(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, user_id: FromPath[int]
) -> Redirect:
    """Change the role of a person."""
    role = _role((await request.form()).get("role"))
    await hub.database.write(accounts_users.set_role, caller.name, user_id, role)
    return _back("role", user_id)


@post("/settings/users", guards=ADMIN)
async def add_user(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Add a person, and create the link for the first sign-in."""
    sent = await request.form()
    name, role = str(sent.get("name", "")), _role(sent.get("role"))
    user = await hub.database.write(accounts_users.create_user, caller.name, name, role)
    return await _invite(request, hub, caller.name, user)


@post("/settings/users/{user_id:int}/link", guards=ADMIN)
async def make_link(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, user_id: FromPath[int]
) -> Redirect:
    """Create another sign-in link for a person."""
    user = await hub.database.read(accounts_users.get_user, user_id)
    return await _invite(request, hub, caller.name, user)


async def _invite(
    request: AnyRequest, hub: Hub, caller: str, user: accounts_users.User
) -> Redirect:
    token = await hub.database.write(sessions.create_invitation, user.id, caller)
    link = OneTimeSecret(
        "sign_in_link",
        f"Invitation link for {user.name}",
        f"{hub.public_url}/sign-in/{token}",
        user.id,
        "Send it to this person. It works once, within 7 days. Another link replaces it.",
    )
    return redirect_with_secret(request, hub, caller, "/settings", link)


@post("/settings/users/{user_id:int}/link/revoke", guards=ADMIN)
async def revoke_link(hub: GivenHub, caller: GivenCaller, user_id: FromPath[int]) -> Redirect:
    """Make the sign-in links of a person invalid."""
    await hub.database.write(sessions.revoke_links, caller.name, user_id)
    return _back("revoked", user_id)


@post("/settings/users/{user_id:int}/remove", guards=ADMIN)
async def remove_user(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, user_id: FromPath[int]
) -> Redirect:
    """Remove a person."""
    user = await hub.database.read(accounts_users.get_user, user_id)
    confirm(await request.form(), user.name, "The person was not removed.")
    await hub.database.write(accounts_users.remove_user, caller.name, user_id)
    return Redirect("/settings", status_code=303)


@post("/settings/password", guards=ADMIN)
async def set_password(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Set a person's password."""
    sent = await request.form()
    user_id, password = number_in(sent, "user"), str(sent.get("password", ""))
    await hub.database.write(passwords.set_password, caller.name, user_id, password)
    return _back("password", user_id)


@post("/settings/keys", guards=ADMIN)
async def make_key(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Create an API key."""
    sent = await request.form()
    name, role = str(sent.get("name", "")), _role(sent.get("role"))
    day = str(sent.get("expires_at", "")).strip()
    expires = f"{day}T23:59:59Z" if day else None
    key, token = await hub.database.write(api_keys.create_key, caller.name, name, role, expires)
    secret = OneTimeSecret("api_key", f"API key {key.name}", token, key.id)
    return redirect_with_secret(request, hub, caller.name, "/settings/keys", secret)


@post("/settings/keys/{key_id:int}/revoke", guards=ADMIN)
async def revoke_key(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, key_id: FromPath[int]
) -> Redirect:
    """Revoke a key."""
    key = await hub.database.read(api_keys.get_key, key_id)
    confirm(await request.form(), key.name, "The key still works.")
    await hub.database.write(api_keys.revoke_key, caller.name, key_id)
    return Redirect("/settings/keys", status_code=303)


def _role(given: Any) -> Role:
    match given:
        case "viewer" | "operator" | "admin":
            return given
        case _:
            raise InvalidError("Select a role: viewer, operator or admin.", field="role")


def _back(done: _Done, user_id: int) -> Redirect:
    return Redirect(f"/settings?{urlencode({'done': done, 'person': user_id})}", status_code=303)
