"""Access: users, one-time sign-in links, sessions and API keys, and what each role may do.

Functions that look someone up only read; checking a password is slow on purpose and belongs on a reader
(`check_password`), the session it earns is written after it (`begin_session`).
"""

from datetime import timedelta
from functools import lru_cache
from typing import Literal, cast

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, insert, select, update

from ultraviolet import clock
from ultraviolet.db.locks import for_update, lock
from ultraviolet.db.sql import insert_new
from ultraviolet.db.tables.accounts import api_keys, sessions, sign_in_links, users
from ultraviolet.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.core import audit, idempotency
from ultraviolet.hub.core.encryption import hash_token, new_token
from ultraviolet.hub.core.validation import check_characters, check_name
from ultraviolet.text import did_you_mean

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
SignInMethod = Literal["link", "password", "provider"]
"""How someone signed in."""
LINK_LIFETIME = timedelta(minutes=15)
SESSION_LIFETIME = timedelta(days=14)
PROVIDER_SESSION_LIFETIME = timedelta(hours=12)
"""Shorter, so that what the provider took away ends here within half a day."""
_LONGEST_BROWSER = 200
_SHORTEST_PASSWORD = 10
KEY_PREFIX = "key:"
"""How API keys are called where people and keys are named side by side."""


class Actor(msgspec.Struct, frozen=True):
    """Who is asking, and as what."""

    name: str
    role: Role
    identity: str
    """Which person or key it is; no other ever has the same, whatever they are called."""

    def may(self, role: Role) -> bool:
        """Return whether this actor may do what `role` may do."""
        return ROLES.index(self.role) >= ROLES.index(role)


class User(msgspec.Struct, frozen=True):
    """A person who signs in."""

    id: int
    name: str
    role: Role
    created_at: str
    last_sign_in_at: str | None
    issuer: str | None = None
    """The single sign-on provider that knows them."""
    provider_email: str | None = None
    """Who first comes from the provider with this verified address becomes this person."""


class ApiKey(msgspec.Struct, frozen=True):
    """A key for automation, without its secret."""

    id: int
    name: str
    role: Role
    last_four: str
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class ClientInfo(msgspec.Struct, frozen=True):
    """Where someone signs in from, as far as their request tells."""

    browser: str = ""
    source: str = ""


def require(actor: Actor, role: Role) -> None:
    """Raise ForbiddenError unless `actor` may do what `role` may do."""
    if not actor.may(role):
        raise ForbiddenError(f"This needs the role {role}; {actor.name} is {actor.role}")


# ── users ──


def create_user(connection: Connection, actor: str, name: str, role: Role) -> User:
    """Add a person, who signs in by a one-time link until a password is set."""
    if not name.strip() or name.strip().startswith(KEY_PREFIX):
        raise InvalidError(
            f"A user needs a name, which does not begin with {KEY_PREFIX}", field="name"
        )
    check_name(name.strip())
    row = (name.strip(), _role(role), clock.now_rfc3339())
    if not insert_new(connection, "users", ("name", "role", "created_at"), ("name",), [row]):
        raise ConflictError(f"There is already a user named {name.strip()}")
    audit.record(connection, actor, "user.create", name.strip(), {"role": role})
    return find_user(connection, name.strip())


def get_user(connection: Connection, user_id: int) -> User:
    """Read one user; raises NotFoundError."""
    row = _user_row(connection, users.c.id == user_id)
    if row is None:
        raise NotFoundError(f"There is no user {user_id}")
    return _user(row)


def find_user(connection: Connection, id_or_name: str, *, to_change: bool = False) -> User:
    """Read one user by name or number; raises NotFoundError.

    Nobody else changes one `to_change` before the transaction ends.
    """
    if to_change:
        lock(connection, "people")
    row = _user_row(connection, users.c.name == id_or_name, to_change=to_change)
    if row is None and id_or_name.isdecimal():
        row = _user_row(connection, users.c.id == int(id_or_name), to_change=to_change)
    if row is not None:
        return _user(row)
    near = did_you_mean(id_or_name, connection.execute(select(users.c.name)).scalars())
    raise NotFoundError(f"There is no user {id_or_name}.{near}")


def list_users(connection: Connection) -> list[User]:
    """Read all users by name."""
    return [
        _user(row) for row in connection.execute(select(users).order_by(users.c.name)).mappings()
    ]


def remove_user(connection: Connection, actor: str, user_id: int) -> None:
    """Remove a person with what was theirs, and sign them out everywhere; the last administrator stays."""
    lock(connection, "people")
    user = get_user(connection, user_id)
    _leave_an_admin(connection, user)
    connection.execute(delete(users).where(users.c.id == user_id))
    saved_views.delete_all_views(connection, user.name)
    idempotency.forget(connection, _identity(user_id))
    audit.record(connection, actor, "user.remove", user.name)


def set_role(connection: Connection, actor: str, user_id: int, role: Role) -> User:
    """Let a person do more or less from now on; the last administrator stays one."""
    lock(connection, "people")
    user = get_user(connection, user_id)
    if user.role != _role(role):
        _leave_an_admin(connection, user)
        connection.execute(update(users).where(users.c.id == user_id).values(role=role))
        audit.record(connection, actor, "user.set_role", user.name, {"from": user.role, "to": role})
    return get_user(connection, user_id)


def _leave_an_admin(connection: Connection, but: User) -> None:
    count = select(func.count()).select_from(users).where(users.c.role == "admin")
    if but.role == "admin" and connection.execute(count).scalar_one() == 1:
        raise ConflictError(f"{but.name} is the last administrator; make another one first")


def set_password(connection: Connection, actor: str, user_id: int, password: str) -> None:
    """Let this user sign in by a password; other sessions of theirs end.

    Who comes from a provider gets none: it would let them in after the provider took them away.
    """
    if len(password) < _SHORTEST_PASSWORD:
        raise InvalidError(
            f"A password has {_SHORTEST_PASSWORD} characters or more", field="password"
        )
    user = get_user(connection, user_id)
    if user.issuer:
        raise ConflictError(
            f"{user.name} signs in with {user.issuer} and has no password here; untie them from it first"
        )
    hashed = PasswordHasher().hash(password)
    connection.execute(update(users).where(users.c.id == user_id).values(password_hash=hashed))
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
    audit.record(connection, actor, "user.set_password", user.name)


# ── sign-in links and sessions ──


def create_sign_in_link(connection: Connection, user_id: int, actor: str = "hub") -> str:
    """Make a token that signs this user in once, within 15 minutes."""
    token = new_token("uvl")
    values = {"token_hash": hash_token(token), "user_id": user_id, "expires_at": _in(LINK_LIFETIME)}
    connection.execute(
        delete(sign_in_links).where(sign_in_links.c.expires_at < clock.now_rfc3339())
    )
    connection.execute(insert(sign_in_links).values(**values))
    audit.record(connection, actor, "user.make_link", get_user(connection, user_id).name)
    return token


def redeem_link(connection: Connection, token: str, place: ClientInfo = ClientInfo()) -> str | None:  # noqa: B008  frozen
    """Trade a one-time link for a session token; None when it was used, has expired or never was."""
    used = connection.execute(
        delete(sign_in_links)
        .where(
            sign_in_links.c.token_hash == hash_token(token),
            sign_in_links.c.expires_at >= clock.now_rfc3339(),
        )
        .returning(sign_in_links.c.user_id)
    ).scalar_one_or_none()
    return None if used is None else create_session(connection, used, "link", place)


def has_password(connection: Connection, user_id: int) -> bool:
    """Return whether someone can sign in by a password."""
    held = select(users.c.password_hash).where(users.c.id == user_id, users.c.issuer.is_(None))
    return connection.execute(held).scalar_one_or_none() is not None


def check_password(connection: Connection, name: str, password: str) -> int | None:
    """Return the id of the user whose password this is; takes as long for unknown names as for known ones."""
    row, nobodys = _user_row(connection, users.c.name == name), _nobodys_hash()
    hashed = row["password_hash"] if row and not row["issuer"] else None
    try:
        PasswordHasher().verify(hashed or nobodys, password)
    except (VerificationError, InvalidHashError):
        return None
    return cast("int", row["id"]) if row and hashed else None


@lru_cache(1)
def _nobodys_hash() -> str:
    """Hash what is looked at for names that have no password; once, as that takes as long as looking."""
    return PasswordHasher().hash("nobody has this password")


def create_session(
    connection: Connection,
    user_id: int,
    way: SignInMethod = "password",
    place: ClientInfo = ClientInfo(),  # noqa: B008  frozen
) -> str:
    """Sign a user in and give the session token."""
    token, now = new_token("uvs"), clock.now_rfc3339()
    values = {
        "token_hash": hash_token(token),
        "user_id": user_id,
        "created_at": now,
        "last_used_at": now,
    }
    values |= {"way": way, "browser": place.browser[:_LONGEST_BROWSER], "source": place.source}
    values |= {
        "expires_at": _in(PROVIDER_SESSION_LIFETIME if way == "provider" else SESSION_LIFETIME)
    }
    connection.execute(delete(sessions).where(sessions.c.expires_at < now))
    connection.execute(insert(sessions).values(**values))
    connection.execute(update(users).where(users.c.id == user_id).values(last_sign_in_at=now))
    name = get_user(connection, user_id).name
    audit.record(connection, name, "session.begin", name, {"way": way, "source": place.source})
    return token


def sign_in(connection: Connection, name: str, password: str) -> str | None:
    """Check a password and give a session token, or None."""
    user_id = check_password(connection, name, password)
    return None if user_id is None else create_session(connection, user_id, "password")


def actor_of_session(connection: Connection, token: str) -> Actor | None:
    """Return who a session token belongs to, or None."""
    row = connection.execute(
        select(users.c.id, users.c.name, users.c.role)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(
            sessions.c.token_hash == hash_token(token), sessions.c.expires_at >= clock.now_rfc3339()
        )
    ).one_or_none()
    return None if row is None else Actor(row.name, row.role, _identity(row.id))


def sign_out(connection: Connection, token: str) -> None:
    """End a session; an unknown one is ended already."""
    ended = (
        delete(sessions)
        .where(sessions.c.token_hash == hash_token(token))
        .returning(sessions.c.user_id)
    )
    user_id = connection.execute(ended).scalar_one_or_none()
    if user_id is not None:
        name = get_user(connection, user_id).name
        audit.record(connection, name, "session.end", name)


# ── API keys ──


def create_key(
    connection: Connection, actor: str, name: str, role: Role, expires_at: str | None = None
) -> tuple[ApiKey, str]:
    """Make a key for automation; its token is returned here and never again."""
    if not name.strip():
        raise InvalidError("A key needs a name that says what it is for", field="name")
    check_characters(name.strip())
    token = new_token("uvk")
    key = _insert_key(connection, name.strip(), _role(role), token, _moment(expires_at))
    audit.record(connection, actor, "key.create", key.name, {"id": key.id, "role": role})
    return key, token


def set_key(connection: Connection, name: str, role: Role, token: str) -> ApiKey:
    """Make `token` the one key of this name, as a setting or a starting process asks for."""
    connection.execute(
        delete(api_keys).where(api_keys.c.name == name, api_keys.c.key_hash != hash_token(token))
    )
    held = (
        connection.execute(select(api_keys).where(api_keys.c.key_hash == hash_token(token)))
        .mappings()
        .one_or_none()
    )
    return _key(held) if held else _insert_key(connection, name, role, token, None)


def delete_key(connection: Connection, name: str) -> None:
    """Forget the key that `set_key` made under this name."""
    connection.execute(delete(api_keys).where(api_keys.c.name == name))


def forget_key(connection: Connection, token: str) -> None:
    """Forget a key whose use is over; one that another process put in its place stays."""
    connection.execute(delete(api_keys).where(api_keys.c.key_hash == hash_token(token)))


def actor_of_key(connection: Connection, token: str) -> Actor | None:
    """Return who an API key stands for; None when it is unknown, revoked or has expired."""
    row = (
        connection.execute(select(api_keys).where(api_keys.c.key_hash == hash_token(token)))
        .mappings()
        .one_or_none()
    )
    if (
        row is None
        or row["revoked_at"]
        or (row["expires_at"] and row["expires_at"] < clock.now_rfc3339())
    ):
        return None
    return Actor(
        f"{KEY_PREFIX}{row['name']}", row["role"], f"{KEY_PREFIX}{hash_token(token).hex()}"
    )


def touch_key(connection: Connection, token: str) -> None:
    """Note that a key was used now."""
    used = update(api_keys).where(api_keys.c.key_hash == hash_token(token))
    connection.execute(used.values(last_used_at=clock.now_rfc3339()))


def list_keys(connection: Connection) -> list[ApiKey]:
    """Read all keys, newest first."""
    return [
        _key(row)
        for row in connection.execute(select(api_keys).order_by(api_keys.c.id.desc())).mappings()
    ]


def get_key(connection: Connection, key_id: int, *, to_change: bool = False) -> ApiKey:
    """Read one key; raises NotFoundError. Nobody else changes one `to_change` before the transaction ends."""
    query = select(api_keys).where(api_keys.c.id == key_id)
    row = connection.execute(for_update(query, to_change=to_change)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no API key {key_id}")
    return _key(row)


def revoke_key(connection: Connection, actor: str, key_id: int) -> ApiKey:
    """End a key at once and for good; raises NotFoundError."""
    ended = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    if connection.execute(ended.values(revoked_at=clock.now_rfc3339())).rowcount:
        audit.record(connection, actor, "key.revoke", str(key_id))
    return get_key(connection, key_id)


def _insert_key(
    connection: Connection, name: str, role: Role, token: str, expires_at: str | None
) -> ApiKey:
    values = {"name": name, "role": role, "key_hash": hash_token(token), "last_four": token[-4:]}
    made = (
        insert(api_keys)
        .values(**values, created_at=clock.now_rfc3339(), expires_at=expires_at)
        .returning(api_keys)
    )
    return _key(connection.execute(made).mappings().one())


def _user_row(
    connection: Connection, which: ColumnElement[bool], *, to_change: bool = False
) -> RowMapping | None:
    query = select(users).where(which)
    return connection.execute(for_update(query, to_change=to_change)).mappings().one_or_none()


def _identity(user_id: int) -> str:
    return f"user:{user_id}"


def _user(row: RowMapping) -> User:
    return User(**{name: row[name] for name in User.__struct_fields__})


def _key(row: RowMapping) -> ApiKey:
    return ApiKey(**{name: row[name] for name in ApiKey.__struct_fields__})


def _role(role: str) -> Role:
    if role not in ROLES:
        raise InvalidError(f"{role} is not a role: use {', '.join(ROLES)}", field="role")
    return role


def _moment(value: str | None) -> str | None:
    try:
        return None if value is None else clock.normalize_rfc3339(value)
    except ValueError as error:
        raise InvalidError(
            f"{value} is not a time such as 2027-01-31T12:00:00Z", field="expires_at"
        ) from error


def _in(span: timedelta) -> str:
    return clock.format_rfc3339(clock.utc_now() + span)
