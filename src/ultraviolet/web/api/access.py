"""API: who may use this hub (users, API keys), who is asking, and what everyone did."""

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub import access, audit, provider_people, sessions
from ultraviolet.hub.access import ApiKey, Role, User
from ultraviolet.hub.sessions import Session
from ultraviolet.web.api.paging import Cursor, Limit, Page, number, part, whole
from ultraviolet.web.etags import IfMatch, unchanged
from ultraviolet.web.gate import GivenCaller, GivenHub, at_least


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


class ComingFrom(msgspec.Struct, forbid_unknown_fields=True):
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


class MadeKey(msgspec.Struct):
    """A new key; `token` is shown here and never again."""

    id: int
    name: str
    role: Role
    token: str
    expires_at: str | None


@get("/me", guards=[at_least("viewer")], tags=["access"])
async def get_me(caller: GivenCaller) -> Me:
    """Tell who is asking."""
    return Me(caller.actor.name, caller.actor.role)


@get("/users", guards=[at_least("admin")], tags=["access"])
async def list_users(hub: GivenHub) -> Page[User]:
    """List the people who may sign in."""
    return whole(await hub.store.read(access.list_users))


@post("/users", guards=[at_least("admin")], tags=["access"])
async def create_user(hub: GivenHub, caller: GivenCaller, data: JSONBody[NewUser]) -> User:
    """Add a person; send them a sign-in link next."""
    return await hub.store.write(lambda c: access.create_user(c, caller.name, data.name, data.role))


@get("/users/{user:str}", guards=[at_least("admin")], tags=["access"])
async def get_user(hub: GivenHub, user: FromPath[str]) -> User:
    """Read one person, by number or name."""
    return await hub.store.read(lambda c: access.find_user(c, user))


@patch("/users/{user:str}", guards=[at_least("admin")], tags=["access"])
async def edit_user(
    hub: GivenHub,
    caller: GivenCaller,
    user: FromPath[str],
    data: JSONBody[UserChanges],
    if_match: IfMatch = None,
) -> User:
    """Let a person do more or less from now on."""

    def write(connection: Connection) -> User:
        found = access.find_user(connection, user, to_change=True)
        unchanged(if_match, found)
        return access.set_role(connection, caller.name, found.id, data.role)

    return await hub.store.write(write)


@delete("/users/{user:str}", guards=[at_least("admin")], tags=["access"])
async def remove_user(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], if_match: IfMatch = None
) -> None:
    """Remove a person, by number or name, and sign them out everywhere."""

    def write(connection: Connection) -> None:
        found = access.find_user(connection, user, to_change=True)
        unchanged(if_match, found)
        access.remove_user(connection, caller.name, found.id)

    await hub.store.write(write)


@post("/users/{user:str}/sign-in-links", guards=[at_least("admin")], tags=["access"])
async def create_sign_in_link(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str]
) -> SignInLink:
    """Make a link that signs this person in once, within 15 minutes."""
    token = await hub.store.write(
        lambda c: access.create_sign_in_link(c, access.find_user(c, user).id, caller.name)
    )
    return SignInLink(f"{hub.public_url}/sign-in/{token}")


@patch("/users/{user:str}/password", guards=[at_least("admin")], status_code=204, tags=["access"])
async def set_password(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], data: JSONBody[Password]
) -> None:
    """Set a person's password; their sessions end."""
    await hub.store.write(
        lambda c: access.set_password(c, caller.name, access.find_user(c, user).id, data.password)
    )


@patch("/users/{user:str}/provider", guards=[at_least("admin")], tags=["access"])
async def await_from_provider(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], data: JSONBody[ComingFrom]
) -> User:
    """Say with which verified e-mail address this person will come from the single sign-on provider; null unties them."""
    return await hub.store.write(
        lambda c: provider_people.await_from_provider(
            c, caller.name, access.find_user(c, user).id, data.email
        )
    )


@get("/users/{user:str}/sessions", guards=[at_least("admin")], tags=["access"])
async def list_sessions(hub: GivenHub, user: FromPath[str]) -> Page[Session]:
    """List where a person is signed in, the session used last first."""
    return whole(await hub.store.read(lambda c: sessions.of_user(c, access.find_user(c, user).id)))


@delete("/users/{user:str}/sessions", guards=[at_least("admin")], tags=["access"])
async def end_sessions(hub: GivenHub, caller: GivenCaller, user: FromPath[str]) -> None:
    """Sign a person out everywhere."""
    await hub.store.write(lambda c: sessions.end_all(c, caller.name, access.find_user(c, user).id))


@delete("/users/{user:str}/sessions/{session_id:int}", guards=[at_least("admin")], tags=["access"])
async def end_session(
    hub: GivenHub, caller: GivenCaller, user: FromPath[str], session_id: FromPath[int]
) -> None:
    """Sign a person out in one browser."""
    await hub.store.write(
        lambda c: sessions.end(c, caller.name, access.find_user(c, user).id, session_id)
    )


@get("/keys", guards=[at_least("admin")], tags=["access"])
async def list_keys(hub: GivenHub) -> Page[ApiKey]:
    """List API keys, without their secrets."""
    return whole(await hub.store.read(access.list_keys))


@post("/keys", guards=[at_least("admin")], tags=["access"])
async def create_key(hub: GivenHub, caller: GivenCaller, data: JSONBody[NewKey]) -> MadeKey:
    """Make an API key; this answer alone carries its token."""
    key, token = await hub.store.write(
        lambda c: access.create_key(c, caller.name, data.name, data.role, data.expires_at)
    )
    return MadeKey(key.id, key.name, key.role, token, key.expires_at)


@get("/keys/{key_id:int}", guards=[at_least("admin")], tags=["access"])
async def get_key(hub: GivenHub, key_id: FromPath[int]) -> ApiKey:
    """Read one API key, without its secret."""
    return await hub.store.read(lambda c: access.get_key(c, key_id))


@delete("/keys/{key_id:int}", guards=[at_least("admin")], tags=["access"], status_code=200)
async def revoke_key(
    hub: GivenHub, caller: GivenCaller, key_id: FromPath[int], if_match: IfMatch = None
) -> ApiKey:
    """End a key at once and for good."""

    def write(connection: Connection) -> ApiKey:
        unchanged(if_match, access.get_key(connection, key_id, to_change=True))
        return access.revoke_key(connection, caller.name, key_id)

    return await hub.store.write(write)


@get("/audit", guards=[at_least("admin")], tags=["access"])
async def list_audit(
    hub: GivenHub, cursor: Cursor = None, limit: Limit = 100
) -> Page[audit.AuditEntry]:
    """List what anyone did, newest first."""
    before = number(cursor)
    entries = await hub.store.read(lambda c: audit.recent(c, before, limit + 1))
    return part(entries, limit, lambda entry: entry.seq)


HANDLERS = [
    get_me,
    list_users,
    create_user,
    get_user,
    edit_user,
    remove_user,
    create_sign_in_link,
    set_password,
    await_from_provider,
    list_sessions,
    end_sessions,
    end_session,
    list_keys,
    create_key,
    get_key,
    revoke_key,
    list_audit,
]
