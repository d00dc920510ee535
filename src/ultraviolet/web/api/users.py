"""API: who may use this hub (users, API keys), who is asking, and what everyone did."""

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub.accounts import api_keys, passwords, sessions, sso, users
from ultraviolet.hub.accounts.api_keys import ApiKey
from ultraviolet.hub.accounts.sessions import Session
from ultraviolet.hub.accounts.users import Role, User
from ultraviolet.hub.core import audit
from ultraviolet.web.http.pagination import Cursor, Limit, Page, full_page, number, page_of
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.middleware.etags import IfMatch, check_if_match


class Me(msgspec.Struct):
    """The one who is asking."""

    name: str
    role: Role


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    """A person to add."""

    name: str
    role: Role = "viewer"


class UserChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be different about a person."""

    role: Role


class Password(msgspec.Struct, forbid_unknown_fields=True):
    """A new password."""

    password: str


class ExpectedUser(msgspec.Struct, forbid_unknown_fields=True):
    """How the single sign-on provider will name a person."""

    email: str | None


class SignInLink(msgspec.Struct):
    """A link that signs a person in once, within 15 minutes."""

    url: str


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """A key to make."""

    name: str
    role: Role = "viewer"
    expires_at: str | None = None


class CreatedKey(msgspec.Struct):
    """A new key; `token` is shown here and never again."""

    id: int
    name: str
    role: Role
    token: str
    expires_at: str | None


@get("/me", guards=[require_role("viewer")], tags=["access"])
async def get_me(caller: GivenCaller) -> Me:
    """Return who is asking."""
    return Me(caller.actor.name, caller.actor.role)


@get("/users", guards=[require_role("admin")], tags=["access"])
async def list_users(hub: GivenHub) -> Page[User]:
    """List the people who may sign in."""
    return full_page(await hub.database.read(users.list_users))


@post("/users", guards=[require_role("admin")], tags=["access"])
async def create_user(hub: GivenHub, caller: GivenCaller, data: JSONBody[NewUser]) -> User:
    """Add a person; send them a sign-in link next."""
    return await hub.database.write(users.create_user, caller.name, data.name, data.role)


@get("/users/{user:str}", guards=[require_role("admin")], tags=["access"])
async def get_user(hub: GivenHub, user: FromPath[str]) -> User:
    """Read one person, by number or name."""
    return await hub.database.read(users.find_user, user)


@patch("/users/{user:str}", guards=[require_role("admin")], tags=["access"])
async def update_user(
    hub: GivenHub,
    caller: GivenCaller,
    user: FromPath[str],
    data: JSONBody[UserChanges],
    if_match: IfMatch = None,
) -> User:
    """Let a person do more or less from now on."""

    def write(connection: Connection) -> User:
        found = users.find_user(connection, user, to_change=True)
        check_if_match(if_match, found)
        return users.set_role(connection, caller.name, found.id, data.role)

    return await hub.database.write(write)


@delete("/users/{user:str}", guards=[require_role("admin")], tags=["access"])
async def delete_user(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], if_match: IfMatch = None
) -> None:
    """Remove a person, by number or name, and sign them out everywhere."""

    def write(connection: Connection) -> None:
        found = users.find_user(connection, user, to_change=True)
        check_if_match(if_match, found)
        users.remove_user(connection, caller.name, found.id)

    await hub.database.write(write)


@post("/users/{user:str}/sign-in-links", guards=[require_role("admin")], tags=["access"])
async def create_sign_in_link(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str]
) -> SignInLink:
    """Make a link that signs this person in once, within 15 minutes."""
    token = await hub.database.write(
        lambda c: sessions.create_sign_in_link(c, users.find_user(c, user).id, caller.name)
    )
    return SignInLink(f"{hub.public_url}/sign-in/{token}")


@patch(
    "/users/{user:str}/password", guards=[require_role("admin")], status_code=204, tags=["access"]
)
async def set_password(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], data: JSONBody[Password]
) -> None:
    """Set a person's password; their sessions end."""
    await hub.database.write(
        lambda c: passwords.set_password(c, caller.name, users.find_user(c, user).id, data.password)
    )


@patch("/users/{user:str}/provider", guards=[require_role("admin")], tags=["access"])
async def expect_user(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], data: JSONBody[ExpectedUser]
) -> User:
    """Say with which verified e-mail address this person will come from the single sign-on provider; null unties them."""
    return await hub.database.write(
        lambda c: sso.set_provider_email(c, caller.name, users.find_user(c, user).id, data.email)
    )


@get("/users/{user:str}/sessions", guards=[require_role("admin")], tags=["access"])
async def list_sessions(hub: GivenHub, user: FromPath[str]) -> Page[Session]:
    """List where a person is signed in, the session used last first."""
    return full_page(
        await hub.database.read(lambda c: sessions.list_sessions(c, users.find_user(c, user).id))
    )


@delete("/users/{user:str}/sessions", guards=[require_role("admin")], tags=["access"])
async def end_sessions(hub: GivenHub, caller: GivenCaller, user: FromPath[str]) -> None:
    """Sign a person out everywhere."""
    await hub.database.write(
        lambda c: sessions.end_all_sessions(c, caller.name, users.find_user(c, user).id)
    )


@delete(
    "/users/{user:str}/sessions/{session_id:int}", guards=[require_role("admin")], tags=["access"]
)
async def end_session(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], session_id: FromPath[int]
) -> None:
    """Sign a person out in one browser."""
    await hub.database.write(
        lambda c: sessions.end_session(c, caller.name, users.find_user(c, user).id, session_id)
    )


@get("/keys", guards=[require_role("admin")], tags=["access"])
async def list_keys(hub: GivenHub) -> Page[ApiKey]:
    """List API keys, without their secrets."""
    return full_page(await hub.database.read(api_keys.list_keys))


@post("/keys", guards=[require_role("admin")], tags=["access"])
async def create_key(hub: GivenHub, caller: GivenCaller, data: JSONBody[NewKey]) -> CreatedKey:
    """Make an API key; this answer alone carries its token."""
    key, token = await hub.database.write(
        api_keys.create_key, caller.name, data.name, data.role, data.expires_at
    )
    return CreatedKey(key.id, key.name, key.role, token, key.expires_at)


@get("/keys/{key_id:int}", guards=[require_role("admin")], tags=["access"])
async def get_key(hub: GivenHub, key_id: FromPath[int]) -> ApiKey:
    """Read one API key, without its secret."""
    return await hub.database.read(api_keys.get_key, key_id)


@delete("/keys/{key_id:int}", guards=[require_role("admin")], tags=["access"], status_code=200)
async def revoke_key(
    hub: GivenHub, caller: GivenCaller, key_id: FromPath[int], if_match: IfMatch = None
) -> ApiKey:
    """End a key at once and for good."""

    def write(connection: Connection) -> ApiKey:
        check_if_match(if_match, api_keys.get_key(connection, key_id, to_change=True))
        return api_keys.revoke_key(connection, caller.name, key_id)

    return await hub.database.write(write)


@get("/audit", guards=[require_role("admin")], tags=["access"])
async def list_audit(
    hub: GivenHub, cursor: Cursor = None, limit: Limit = 100
) -> Page[audit.AuditEntry]:
    """List what anyone did, newest first."""
    before = number(cursor)
    entries = await hub.database.read(audit.list_recent, before, limit + 1)
    return page_of(entries, limit, lambda entry: entry.seq)


HANDLERS = [
    get_me,
    list_users,
    create_user,
    get_user,
    update_user,
    delete_user,
    create_sign_in_link,
    set_password,
    expect_user,
    list_sessions,
    end_sessions,
    end_session,
    list_keys,
    create_key,
    get_key,
    revoke_key,
    list_audit,
]
