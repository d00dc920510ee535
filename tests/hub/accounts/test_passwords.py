"""Passwords: sign-in, refusals, and equal time for unknown names."""

import pytest
from sqlalchemy import Connection, select

from ultraviolet.db.tables.accounts import users as users_table
from ultraviolet.errors import InvalidError
from ultraviolet.hub.accounts import passwords, sessions, users
from ultraviolet.hub.accounts.users import Actor


def test_password_signs_in_and_ends_earlier_sessions(connection: Connection) -> None:
    user = users.create_user(connection, "setup", "Kim", "viewer")
    earlier = sessions.create_session(connection, user.id)
    assert not passwords.has_password(connection, user.id)
    assert passwords.check_password(connection, "Kim", "correct horse") is None
    with pytest.raises(InvalidError, match="characters"):
        passwords.set_password(connection, "Kim", user.id, "short")

    passwords.set_password(connection, "Kim", user.id, "correct horse")

    assert passwords.has_password(connection, user.id)
    assert sessions.get_session_actor(connection, earlier) is None
    assert passwords.check_password(connection, "Kim", "wrong horse") is None
    assert passwords.check_password(connection, "nobody", "correct horse") is None
    assert passwords.check_password(connection, "Kim", "correct horse") == user.id
    session = sessions.create_session(connection, user.id)
    actor = Actor("Kim", "viewer", f"user:{user.id}")
    assert sessions.get_session_actor(connection, session) == actor
    assert "correct horse" not in str(connection.execute(select(users_table)).mappings().all())


def test_unknown_and_known_names_are_refused_in_equal_time(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown name costs one verification, as a known one does, and no hashing."""
    passwords.check_password(connection, "nobody", "wrong horse")
    hashed: list[str] = []
    monkeypatch.setattr(
        passwords.PasswordHasher, "hash", lambda _, password: hashed.append(password)
    )
    assert passwords.check_password(connection, "nobody", "wrong horse") is None
    assert [] == hashed
