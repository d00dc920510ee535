"""User passwords, hashed with Argon2."""

from functools import lru_cache
from typing import cast

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, select, update

from ultraviolet.db.tables.accounts import sessions, users
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.hub.accounts.users import get_user
from ultraviolet.hub.core import audit

_MIN_PASSWORD_CHARACTERS = 10


def set_password(
    connection: Connection, actor: str, user_id: int, password: str, keep: int | None = None
) -> None:
    """Set a user's password and end their sessions, except the one with the id `keep`.

    Raise ConflictError for a user linked to a provider: a password would bypass the provider.
    """
    if len(password) < _MIN_PASSWORD_CHARACTERS:
        raise InvalidError(
            f"A password needs at least {_MIN_PASSWORD_CHARACTERS} characters", field="password"
        )
    user = get_user(connection, user_id)
    if user.issuer:
        raise ConflictError(
            f"{user.name} signs in with {user.issuer} and cannot have a password here;"
            " unlink the user from the provider first"
        )
    password_hash = PasswordHasher().hash(password)
    connection.execute(
        update(users).where(users.c.id == user_id).values(password_hash=password_hash)
    )
    ended = delete(sessions).where(sessions.c.user_id == user_id)
    connection.execute(ended if keep is None else ended.where(sessions.c.id != keep))
    audit.record(connection, actor, "user.set_password", user.name)


def has_password(connection: Connection, user_id: int) -> bool:
    """Return whether a user can sign in with a password."""
    query = select(users.c.password_hash).where(users.c.id == user_id, users.c.issuer.is_(None))
    return connection.execute(query).scalar_one_or_none() is not None


def check_password(connection: Connection, name: str, password: str) -> int | None:
    """Return the id of the user with this name and password, or None.

    This is slow by design: call it with a read connection, and create the session afterwards. An
    unknown name takes as long as a known one.
    """
    query = select(users.c.id, users.c.password_hash).where(
        users.c.name == name, users.c.issuer.is_(None)
    )
    row, placeholder = connection.execute(query).one_or_none(), _placeholder_hash()
    password_hash = row.password_hash if row else None
    try:
        PasswordHasher().verify(password_hash or placeholder, password)
    except (VerificationError, InvalidHashError):
        return None
    return cast("int", row.id) if row and password_hash else None


@lru_cache(1)
def _placeholder_hash() -> str:
    """Return the hash to verify for names without a password; computed once."""
    return PasswordHasher().hash("no user has this password")
