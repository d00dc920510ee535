"""One-time sign-in links, and sessions of signed-in browsers."""

from datetime import timedelta
from typing import Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from ultraviolet import clock
from ultraviolet.db.sql import as_struct
from ultraviolet.db.tables.accounts import sessions, sign_in_links, users
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.accounts.users import Actor, User, get_user, user_identity
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import hash_token, new_token

SignInMethod = Literal["link", "password", "provider"]
LINK_LIFETIME = timedelta(minutes=15)
INVITATION_LIFETIME = timedelta(days=7)
SESSION_LIFETIME = timedelta(days=14)
PROVIDER_SESSION_LIFETIME = timedelta(hours=12)
"""Shorter, so that access removed at the provider ends here within half a day."""
_MAX_BROWSER_CHARACTERS = 200


class ClientInfo(msgspec.Struct, frozen=True):
    """The browser and address of a sign-in, as far as the request contains them."""

    browser: str = ""
    source: str = ""


UNKNOWN_CLIENT = ClientInfo()


class Session(msgspec.Struct, frozen=True):
    """A browser in which a user is signed in, without its token."""

    id: int
    user_id: int
    way: SignInMethod
    browser: str
    source: str
    created_at: str
    last_used_at: str
    expires_at: str


def create_sign_in_link(
    connection: Connection,
    user_id: int,
    actor: str = "hub",
    lifetime: timedelta = LINK_LIFETIME,
) -> str:
    """Return a token that signs a user in once, within its lifetime."""
    token = new_token("uvl")
    now = clock.utc_now()
    expired = sign_in_links.c.expires_at < clock.format_rfc3339(now)
    connection.execute(delete(sign_in_links).where(expired))
    expires_at = clock.format_rfc3339(now + lifetime)
    values = {"token_hash": hash_token(token), "user_id": user_id, "expires_at": expires_at}
    connection.execute(insert(sign_in_links).values(**values))
    audit.record(connection, actor, "user.make_link", get_user(connection, user_id).name)
    return token


def create_invitation(connection: Connection, user_id: int, actor: str) -> str:
    """Return a token that signs a user in once, within 7 days, and replaces earlier links."""
    connection.execute(delete(sign_in_links).where(sign_in_links.c.user_id == user_id))
    return create_sign_in_link(connection, user_id, actor, INVITATION_LIFETIME)


def list_open_links(connection: Connection) -> dict[int, str]:
    """Return when the last valid sign-in link of each user with one expires, by user id."""
    link = sign_in_links.c
    query = select(link.user_id, func.max(link.expires_at)).group_by(link.user_id)
    is_valid = link.expires_at >= clock.now_rfc3339()
    return {row[0]: row[1] for row in connection.execute(query.where(is_valid))}


def revoke_links(connection: Connection, actor: str, user_id: int) -> None:
    """Make the sign-in links of a user invalid; raise NotFoundError."""
    name = get_user(connection, user_id).name
    statement = delete(sign_in_links).where(sign_in_links.c.user_id == user_id)
    if connection.execute(statement).rowcount:
        audit.record(connection, actor, "user.revoke_links", name)


def redeem_link(
    connection: Connection, token: str, client: ClientInfo = UNKNOWN_CLIENT
) -> str | None:
    """Exchange a one-time link for a session token; None if it is used, expired or unknown."""
    link = sign_in_links.c
    statement = delete(sign_in_links).where(
        link.token_hash == hash_token(token), link.expires_at >= clock.now_rfc3339()
    )
    user_id = connection.execute(statement.returning(link.user_id)).scalar_one_or_none()
    return None if user_id is None else create_session(connection, user_id, "link", client)


def create_session(
    connection: Connection,
    user_id: int,
    method: SignInMethod = "password",
    client: ClientInfo = UNKNOWN_CLIENT,
) -> str:
    """Sign a user in; return the session token."""
    token, moment = new_token("uvs"), clock.utc_now()
    now = clock.format_rfc3339(moment)
    lifetime = PROVIDER_SESSION_LIFETIME if method == "provider" else SESSION_LIFETIME
    values = {
        "token_hash": hash_token(token),
        "user_id": user_id,
        "way": method,
        "browser": client.browser[:_MAX_BROWSER_CHARACTERS],
        "source": client.source,
        "created_at": now,
        "last_used_at": now,
        "expires_at": clock.format_rfc3339(moment + lifetime),
    }
    connection.execute(delete(sessions).where(sessions.c.expires_at < now))
    connection.execute(insert(sessions).values(**values))
    connection.execute(update(users).where(users.c.id == user_id).values(last_sign_in_at=now))
    name = get_user(connection, user_id).name
    detail = {"way": method, "source": client.source}
    audit.record(connection, name, "session.begin", name, detail)
    return token


def get_session_actor(connection: Connection, token: str) -> Actor | None:
    """Return the actor of a session; None if it is unknown or expired."""
    row = connection.execute(
        select(users.c.id, users.c.name, users.c.role)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(
            sessions.c.token_hash == hash_token(token), sessions.c.expires_at >= clock.now_rfc3339()
        )
    ).one_or_none()
    return None if row is None else Actor(row.name, row.role, user_identity(row.id))


def get_session_owner(connection: Connection, token: str) -> tuple[User, int] | None:
    """Return the user and the id of a session; None if it is unknown or expired."""
    query = select(sessions.c.user_id, sessions.c.id).where(
        sessions.c.token_hash == hash_token(token), sessions.c.expires_at >= clock.now_rfc3339()
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (get_user(connection, row.user_id), row.id)


def list_sessions(connection: Connection, user_id: int) -> list[Session]:
    """Return a user's sessions, most recently used first; raise NotFoundError."""
    get_user(connection, user_id)
    query = select(sessions).where(
        sessions.c.user_id == user_id, sessions.c.expires_at >= clock.now_rfc3339()
    )
    rows = connection.execute(query.order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc()))
    return [as_struct(Session, row) for row in rows.mappings()]


def count_sessions(connection: Connection) -> dict[int, int]:
    """Return the number of sessions by user id."""
    query = select(sessions.c.user_id, func.count()).where(
        sessions.c.expires_at >= clock.now_rfc3339()
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(sessions.c.user_id))}


def touch_session(connection: Connection, token: str) -> None:
    """Record that a session was used now."""
    statement = update(sessions).where(sessions.c.token_hash == hash_token(token))
    connection.execute(statement.values(last_used_at=clock.now_rfc3339()))


def sign_out(connection: Connection, token: str) -> None:
    """End a session; ignore an unknown one."""
    statement = delete(sessions).where(sessions.c.token_hash == hash_token(token))
    user_id = connection.execute(statement.returning(sessions.c.user_id)).scalar_one_or_none()
    if user_id is not None:
        name = get_user(connection, user_id).name
        audit.record(connection, name, "session.end", name)


def end_session(connection: Connection, actor: str, user_id: int, session_id: int) -> None:
    """End one session of a user; raise NotFoundError for an unknown or another user's session."""
    statement = delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id)
    if not connection.execute(statement).rowcount:
        raise NotFoundError(f"Unknown session {session_id}; it may have ended already")
    audit.record(connection, actor, "session.end", get_user(connection, user_id).name)


def end_all_sessions(
    connection: Connection, actor: str, user_id: int, but: int | None = None
) -> int:
    """End all sessions of a user, except the session with the id `but`; return their number."""
    statement = delete(sessions).where(sessions.c.user_id == user_id)
    if but is not None:
        statement = statement.where(sessions.c.id != but)
    count = connection.execute(statement).rowcount
    name = get_user(connection, user_id).name
    audit.record(connection, actor, "session.end_all", name, {"ended": count})
    return count
