"""Users, and the permissions of each role."""

from typing import Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, delete, func, select, update

from ultraviolet import clock
from ultraviolet.db.locks import for_update, lock
from ultraviolet.db.sql import as_struct, insert_new
from ultraviolet.db.tables.accounts import users
from ultraviolet.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.core import audit, idempotency
from ultraviolet.hub.core.validation import check_name
from ultraviolet.text import did_you_mean

Role = Literal["viewer", "operator", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "admin")
KEY_PREFIX = "key:"
"""Prefix of API keys where users and keys are listed together."""
COMMAND_LINE = "command line on "
"""Prefix of the names of API keys that the hub creates for its own command line, before the host."""


class Actor(msgspec.Struct, frozen=True):
    """The user or API key that makes a request, with its role."""

    name: str
    role: Role
    identity: str
    """Identifier of the user or key, unique and never reused, independent of the name."""

    def may(self, role: Role) -> bool:
        """Return whether this actor has the permissions of `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)


class User(msgspec.Struct, frozen=True):
    """A person who signs in."""

    id: int
    name: str
    role: Role
    created_at: str
    last_sign_in_at: str | None
    issuer: str | None = None
    """The single sign-on provider this user is linked to."""
    provider_email: str | None = None
    """The verified address that links a provider's account to this user at its first sign-in."""


def require_role(actor: Actor, role: Role) -> None:
    """Raise ForbiddenError unless `actor` has the permissions of `role`."""
    if not actor.may(role):
        raise ForbiddenError(f"This needs the role {role}; {actor.name} is {actor.role}")


def create_user(connection: Connection, actor: str, name: str, role: Role) -> User:
    """Create a user, who signs in with a one-time link until a password is set."""
    name = name.strip()
    if not name or name.startswith(KEY_PREFIX):
        raise InvalidError(
            f"A user needs a name, which must not start with {KEY_PREFIX}", field="name"
        )
    check_name(name)
    row = (name, check_role(role), clock.now_rfc3339())
    if not insert_new(connection, "users", ("name", "role", "created_at"), ("name",), [row]):
        raise ConflictError(f"There is already a user named {name}", field="name")
    audit.record(connection, actor, "user.create", name, {"role": role})
    return find_user(connection, name)


def get_user(connection: Connection, user_id: int) -> User:
    """Return a user by id; raise NotFoundError."""
    row = _select_row(connection, users.c.id == user_id)
    if row is None:
        raise NotFoundError(f"Unknown user {user_id}")
    return as_struct(User, row)


def find_user(connection: Connection, id_or_name: str, *, to_change: bool = False) -> User:
    """Return a user by name or id; raise NotFoundError.

    With `to_change`, lock the users until the transaction ends.
    """
    if to_change:
        lock(connection, "people")
    row = _select_row(connection, users.c.name == id_or_name, to_change=to_change)
    if row is None and id_or_name.isdecimal():
        row = _select_row(connection, users.c.id == int(id_or_name), to_change=to_change)
    if row is not None:
        return as_struct(User, row)
    suggestion = did_you_mean(id_or_name, connection.execute(select(users.c.name)).scalars())
    raise NotFoundError(f"Unknown user {id_or_name}.{suggestion}")


def list_users(connection: Connection) -> list[User]:
    """Return all users, ordered by name."""
    query = select(users).order_by(users.c.name)
    return [as_struct(User, row) for row in connection.execute(query).mappings()]


def remove_user(connection: Connection, actor: str, user_id: int) -> None:
    """Delete a user with their sessions and private views; raise ConflictError for the last admin."""
    lock(connection, "people")
    user = get_user(connection, user_id)
    _require_another_admin(connection, user)
    connection.execute(delete(users).where(users.c.id == user_id))
    saved_views.remove_owner(connection, user.name)
    idempotency.delete_owner(connection, user_identity(user_id))
    audit.record(connection, actor, "user.remove", user.name)


def set_role(connection: Connection, actor: str, user_id: int, role: Role) -> User:
    """Change a user's role; raise ConflictError for the last administrator."""
    lock(connection, "people")
    user = get_user(connection, user_id)
    if user.role != check_role(role):
        _require_another_admin(connection, user)
        connection.execute(update(users).where(users.c.id == user_id).values(role=role))
        audit.record(connection, actor, "user.set_role", user.name, {"from": user.role, "to": role})
    return get_user(connection, user_id)


def user_identity(user_id: int) -> str:
    """Return the identifier of a user among actors."""
    return f"user:{user_id}"


def check_role(role: str) -> Role:
    """Return a role; raise InvalidError for an unknown one."""
    if role not in ROLES:
        raise InvalidError(f"{role} is not a role: use {', '.join(ROLES)}", field="role")
    return role


def _require_another_admin(connection: Connection, user: User) -> None:
    count = select(func.count()).select_from(users).where(users.c.role == "admin")
    if user.role == "admin" and connection.execute(count).scalar_one() == 1:
        message = f"{user.name} is the last administrator; make another user admin first"
        raise ConflictError(message, field="role")


def _select_row(
    connection: Connection, condition: ColumnElement[bool], *, to_change: bool = False
) -> RowMapping | None:
    query = select(users).where(condition)
    return connection.execute(for_update(query, to_change=to_change)).mappings().one_or_none()
