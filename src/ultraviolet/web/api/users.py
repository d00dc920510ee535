"""API: users, their sessions, and API keys."""

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub.accounts import api_keys, passwords, sessions, sso, users
from ultraviolet.hub.accounts.api_keys import ApiKey
from ultraviolet.hub.accounts.sessions import Session
from ultraviolet.hub.accounts.users import Role, User
from ultraviolet.web.http.pagination import Cursor, Limit, Page, part_of
from ultraviolet.web.middleware.auth import ADMIN, VIEWER, GivenCaller, GivenHub
from ultraviolet.web.middleware.etags import IfMatch, check_if_match

TAGS = ["access"]


class Me(msgspec.Struct):
    """The caller."""

    name: str
    role: Role


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A user to create."""

    name: str
    role: Role = "viewer"


class UserChanges(msgspec.Struct, forbid_unknown_fields=True):
    """The new role of a user."""

    role: Role


class Password(msgspec.Struct, forbid_unknown_fields=True):
    """A new password."""

    password: str


class SsoEmail(msgspec.Struct, forbid_unknown_fields=True):
    """The verified e-mail address of a user at the single sign-on provider."""

    email: str | None


class SignInLink(msgspec.Struct):
    """A sign-in link, valid once and for 15 minutes."""

    url: str


class NewApiKey(msgspec.Struct, forbid_unknown_fields=True):
    """An API key to create."""

    name: str
    role: Role = "viewer"
    expires_at: str | None = None


class CreatedApiKey(msgspec.Struct):
    """A new API key, which is shown only once, as `token`."""

    id: int
    name: str
    role: Role
    token: str
    expires_at: str | None


@get("/me", guards=VIEWER)
async def get_me(caller: GivenCaller) -> Me:
    """Get caller.

    Returns the name and role of the caller.
    """
    return Me(caller.actor.name, caller.actor.role)


@get("/users", guards=ADMIN)
async def list_users(hub: GivenHub, cursor: Cursor = None, limit: Limit = 1000) -> Page[User]:
    """List users.

    Lists the people who can sign in.
    """
    return part_of(await hub.database.read(users.list_users), cursor, limit)


@post("/users", guards=ADMIN)
async def create_user(hub: GivenHub, caller: GivenCaller, data: JSONBody[NewUser]) -> User:
    """Create user.

    Send them a sign-in link next.
    """
    return await hub.database.write(users.create_user, caller.name, data.name, data.role)


@get("/users/{user:str}", guards=ADMIN)
async def get_user(hub: GivenHub, user: FromPath[str]) -> User:
    """Get user.

    By id or name.
    """
    return await hub.database.read(users.find_user, user)


@patch("/users/{user:str}", guards=ADMIN)
async def update_user(
    hub: GivenHub,
    caller: GivenCaller,
    user: FromPath[str],
    data: JSONBody[UserChanges],
    if_match: IfMatch = None,
) -> User:
    """Update user role."""

    def write(connection: Connection) -> User:
        found = users.find_user(connection, user, to_change=True)
        check_if_match(if_match, found)
        return users.set_role(connection, caller.name, found.id, data.role)

    return await hub.database.write(write)


@delete("/users/{user:str}", guards=ADMIN)
async def delete_user(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], if_match: IfMatch = None
) -> None:
    """Delete user.

    Their sessions end.
    """

    def write(connection: Connection) -> None:
        found = users.find_user(connection, user, to_change=True)
        check_if_match(if_match, found)
        users.remove_user(connection, caller.name, found.id)

    await hub.database.write(write)


@post("/users/{user:str}/sign-in-links", guards=ADMIN)
async def create_sign_in_link(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str]
) -> SignInLink:
    """Create sign-in link.

    It is valid once and for 15 minutes.
    """
    token = await hub.database.write(
        lambda c: sessions.create_sign_in_link(c, users.find_user(c, user).id, caller.name)
    )
    return SignInLink(f"{hub.public_url}/sign-in/{token}")


@patch("/users/{user:str}/password", guards=ADMIN, status_code=204)
async def update_user_password(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], data: JSONBody[Password]
) -> None:
    """Set user password.

    The sessions of the user end.
    """
    await hub.database.write(
        lambda c: passwords.set_password(c, caller.name, users.find_user(c, user).id, data.password)
    )


@patch("/users/{user:str}/sso", guards=ADMIN)
async def update_user_sso(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], data: JSONBody[SsoEmail]
) -> User:
    """Link user to single sign-on.

    The user signs in at the provider with this verified e-mail address; null removes the link.
    """
    return await hub.database.write(
        lambda c: sso.set_provider_email(c, caller.name, users.find_user(c, user).id, data.email)
    )


@get("/users/{user:str}/sessions", guards=ADMIN)
async def list_user_sessions(
    hub: GivenHub, user: FromPath[str], cursor: Cursor = None, limit: Limit = 1000
) -> Page[Session]:
    """List user sessions.

    Last used first.
    """
    return part_of(
        await hub.database.read(lambda c: sessions.list_sessions(c, users.find_user(c, user).id)),
        cursor,
        limit,
    )


@delete("/users/{user:str}/sessions", guards=ADMIN)
async def delete_user_sessions(hub: GivenHub, caller: GivenCaller, user: FromPath[str]) -> None:
    """End all user sessions.

    Signs the user out in all browsers.
    """
    await hub.database.write(
        lambda c: sessions.end_all_sessions(c, caller.name, users.find_user(c, user).id)
    )


@delete("/users/{user:str}/sessions/{session_id:int}", guards=ADMIN)
async def delete_user_session(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], session_id: FromPath[int]
) -> None:
    """End user session.

    Signs the user out in one browser.
    """
    await hub.database.write(
        lambda c: sessions.end_session(c, caller.name, users.find_user(c, user).id, session_id)
    )


@get("/api-keys", guards=ADMIN)
async def list_api_keys(hub: GivenHub, cursor: Cursor = None, limit: Limit = 1000) -> Page[ApiKey]:
    """List API keys.

    Secrets are not included.
    """
    return part_of(await hub.database.read(api_keys.list_keys), cursor, limit)


@post("/api-keys", guards=ADMIN)
async def create_api_key(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[NewApiKey]
) -> CreatedApiKey:
    """Create API key.

    Only this response contains the API key itself, as `token`.
    """
    key, token = await hub.database.write(
        api_keys.create_key, caller.name, data.name, data.role, data.expires_at
    )
    return CreatedApiKey(key.id, key.name, key.role, token, key.expires_at)


@get("/api-keys/{key_id:int}", guards=ADMIN)
async def get_api_key(hub: GivenHub, key_id: FromPath[int]) -> ApiKey:
    """Get API key.

    The secret is not included.
    """
    return await hub.database.read(api_keys.get_key, key_id)


@delete("/api-keys/{key_id:int}", guards=ADMIN, status_code=200)
async def revoke_api_key(
    hub: GivenHub, caller: GivenCaller, key_id: FromPath[int], if_match: IfMatch = None
) -> ApiKey:
    """Revoke API key.

    It stops working immediately and permanently.
    """

    def write(connection: Connection) -> ApiKey:
        check_if_match(if_match, api_keys.get_key(connection, key_id, to_change=True))
        return api_keys.revoke_key(connection, caller.name, key_id)

    return await hub.database.write(write)
