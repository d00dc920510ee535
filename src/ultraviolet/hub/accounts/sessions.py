"""Sessions: where people are signed in, seen by them and by administrators, and ended by either."""

import msgspec
from sqlalchemy import Connection, delete, func, select, update

from ultraviolet import clock
from ultraviolet.db.tables.accounts import sessions
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.accounts import users
from ultraviolet.hub.accounts.users import SignInMethod, User
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import hash_token


class Session(msgspec.Struct, frozen=True):
    """One browser in which a person is signed in, without its token."""

    id: int
    user_id: int
    way: SignInMethod
    browser: str
    source: str
    created_at: str
    last_used_at: str
    expires_at: str


def list_sessions(connection: Connection, user_id: int) -> list[Session]:
    """Read the sessions of a person, the one used last first; raises NotFoundError for an unknown person."""
    users.get_user(connection, user_id)
    query = select(sessions).where(
        sessions.c.user_id == user_id, sessions.c.expires_at >= clock.now_rfc3339()
    )
    found = connection.execute(query.order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc()))
    return [
        Session(**{name: row[name] for name in Session.__struct_fields__})
        for row in found.mappings()
    ]


def count_sessions(connection: Connection) -> dict[int, int]:
    """Count the sessions of each person who has any."""
    query = select(sessions.c.user_id, func.count()).where(
        sessions.c.expires_at >= clock.now_rfc3339()
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(sessions.c.user_id))}


def session_owner(connection: Connection, token: str) -> tuple[User, int] | None:
    """Return whose session a token is, and its number."""
    query = select(sessions.c.user_id, sessions.c.id).where(
        sessions.c.token_hash == hash_token(token), sessions.c.expires_at >= clock.now_rfc3339()
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else (users.get_user(connection, row.user_id), row.id)


def touch_session(connection: Connection, token: str) -> None:
    """Note that a session was used now."""
    used = update(sessions).where(sessions.c.token_hash == hash_token(token))
    connection.execute(used.values(last_used_at=clock.now_rfc3339()))


def end_session(connection: Connection, actor: str, user_id: int, session_id: int) -> None:
    """Sign a person out in one browser; raises NotFoundError where it is not theirs."""
    ended = delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id)
    if not connection.execute(ended).rowcount:
        raise NotFoundError(f"There is no session {session_id}; it may have ended already")
    audit.record(connection, actor, "session.end", users.get_user(connection, user_id).name)


def end_all_sessions(
    connection: Connection, actor: str, user_id: int, but: int | None = None
) -> int:
    """Sign a person out everywhere, but in the session that is to stay; tells how many ended."""
    ended = delete(sessions).where(sessions.c.user_id == user_id)
    if but is not None:
        ended = ended.where(sessions.c.id != but)
    count = connection.execute(ended).rowcount
    name = users.get_user(connection, user_id).name
    audit.record(connection, actor, "session.end_all", name, {"ended": count})
    return count
