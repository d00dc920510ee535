"""Users, links, sessions and keys let in exactly whom they should."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, select, update

from ultraviolet.db.tables.accounts import api_keys, sessions, sign_in_links, users
from ultraviolet.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ultraviolet.hub.accounts import api_keys as accounts_api_keys
from ultraviolet.hub.accounts import passwords, saved_views
from ultraviolet.hub.accounts import sessions as accounts_sessions
from ultraviolet.hub.accounts import users as accounts_users
from ultraviolet.hub.core import audit, idempotency
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.idempotency import KeyedRequest, StoredResponse

PAST = "2020-01-01T00:00:00.000000+00:00"


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        yield connection


def test_roles_include_the_ones_below() -> None:
    operator = accounts_users.Actor("kim", "operator", "user:1")
    assert [operator.may(role) for role in accounts_users.ROLES] == [True, True, False]
    accounts_users.require_role(operator, "viewer")
    with pytest.raises(ForbiddenError, match="admin"):
        accounts_users.require_role(operator, "admin")


def test_a_link_signs_in_once(connection: Connection) -> None:
    user = accounts_users.create_user(connection, "setup", " Kim ", "admin")
    link = accounts_sessions.create_sign_in_link(connection, user.id)
    session = accounts_sessions.redeem_link(connection, link)
    assert session is not None
    assert accounts_sessions.redeem_link(connection, link) is None
    assert accounts_sessions.get_session_actor(connection, session) == accounts_users.Actor(
        "Kim", "admin", f"user:{user.id}"
    )
    assert accounts_users.find_user(connection, "Kim").last_sign_in_at is not None
    accounts_sessions.sign_out(connection, session)
    assert accounts_sessions.get_session_actor(connection, session) is None


def test_links_and_sessions_expire(connection: Connection) -> None:
    user = accounts_users.create_user(connection, "setup", "Kim", "admin")
    link, session = (
        accounts_sessions.create_sign_in_link(connection, user.id),
        accounts_sessions.create_session(connection, user.id),
    )
    connection.execute(update(sign_in_links).values(expires_at=PAST))
    connection.execute(update(sessions).values(expires_at=PAST))
    assert accounts_sessions.redeem_link(connection, link) is None
    assert accounts_sessions.get_session_actor(connection, session) is None


def test_a_password_signs_in_and_ends_earlier_sessions(connection: Connection) -> None:
    user = accounts_users.create_user(connection, "setup", "Kim", "viewer")
    earlier = accounts_sessions.create_session(connection, user.id)
    assert accounts_sessions.sign_in(connection, "Kim", "correct horse") is None
    with pytest.raises(InvalidError, match="characters"):
        passwords.set_password(connection, "Kim", user.id, "short")
    passwords.set_password(connection, "Kim", user.id, "correct horse")
    assert accounts_sessions.get_session_actor(connection, earlier) is None
    assert accounts_sessions.sign_in(connection, "Kim", "wrong horse") is None
    assert accounts_sessions.sign_in(connection, "nobody", "correct horse") is None
    session = accounts_sessions.sign_in(connection, "Kim", "correct horse")
    assert session is not None
    assert accounts_sessions.get_session_actor(connection, session) == accounts_users.Actor(
        "Kim", "viewer", f"user:{user.id}"
    )
    assert "correct horse" not in str(connection.execute(select(users)).mappings().all())


def test_how_long_a_refusal_takes_tells_no_names(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a name that is not known one hash is looked at, as for a known one, and none is made."""
    passwords.check_password(connection, "nobody", "wrong horse")
    hashed: list[str] = []
    monkeypatch.setattr(
        accounts_users.PasswordHasher, "hash", lambda _, password: hashed.append(password)
    )
    assert None is passwords.check_password(connection, "nobody", "wrong horse")
    assert [] == hashed


def test_a_user_is_not_called_by_a_number(connection: Connection) -> None:
    with pytest.raises(InvalidError, match="just a number"):
        accounts_users.create_user(connection, "setup", " 12 ", "admin")


def test_users_are_unique_and_the_last_administrator_stays(connection: Connection) -> None:
    kim = accounts_users.create_user(connection, "setup", "Kim", "admin")
    lee = accounts_users.create_user(connection, "Kim", "Lee", "viewer")
    with pytest.raises(ConflictError, match="already"):
        accounts_users.create_user(connection, "Kim", "Lee", "admin")
    with pytest.raises(ConflictError, match="last administrator"):
        accounts_users.remove_user(connection, "Kim", kim.id)
    session = accounts_sessions.create_session(connection, lee.id)
    accounts_users.remove_user(connection, "Kim", lee.id)
    assert accounts_sessions.get_session_actor(connection, session) is None
    assert [user.name for user in accounts_users.list_users(connection)] == ["Kim"]
    with pytest.raises(NotFoundError):
        accounts_users.find_user(connection, "Lee")


def test_nothing_of_somebody_who_was_removed_is_left_to_the_next_of_their_name(
    connection: Connection,
) -> None:
    secrets = SecretBox.from_text("a key of sixteen characters")
    accounts_users.create_user(connection, "setup", "Kim", "admin")
    lee = accounts_users.create_user(connection, "Kim", "Lee", "admin")
    saved_views.create_view(connection, "Lee", "parts", "plans", "q=secret")
    actor = accounts_sessions.get_session_actor(
        connection, accounts_sessions.create_session(connection, lee.id)
    )
    assert actor is not None
    asked = KeyedRequest(actor.identity, "k1", b"request")
    idempotency.begin(connection, secrets, asked)
    idempotency.finish(connection, secrets, asked, StoredResponse(201, b"{}"))
    accounts_users.remove_user(connection, "Kim", lee.id)
    again = accounts_users.create_user(connection, "Kim", "Lee", "viewer")
    actor = accounts_sessions.get_session_actor(
        connection, accounts_sessions.create_session(connection, again.id)
    )
    assert actor is not None
    assert [] == saved_views.list_views(connection, "Lee")
    assert None is idempotency.begin(
        connection, secrets, KeyedRequest(actor.identity, "k1", b"request")
    )


def test_a_key_works_until_it_is_revoked_or_expires(connection: Connection) -> None:
    key, token = accounts_api_keys.create_key(connection, "Kim", "ci", "operator")
    actor = accounts_api_keys.get_key_actor(connection, token)
    assert actor is not None
    assert (actor.name, actor.role) == ("key:ci", "operator")
    accounts_api_keys.touch_key(connection, token)
    assert accounts_api_keys.list_keys(connection)[0].last_used_at is not None
    assert accounts_api_keys.revoke_key(connection, "Kim", key.id).revoked_at is not None
    assert accounts_api_keys.get_key_actor(connection, token) is None
    _, expired = accounts_api_keys.create_key(
        connection, "Kim", "old", "viewer", expires_at="2020-01-01T00:00:00Z"
    )
    assert accounts_api_keys.get_key_actor(connection, expired) is None
    assert accounts_api_keys.get_key_actor(connection, "uvk_guess") is None
    with pytest.raises(NotFoundError):
        accounts_api_keys.revoke_key(connection, "Kim", 99)


def test_a_key_is_kept_as_a_hash_and_its_making_is_in_the_audit_log(connection: Connection) -> None:
    _, token = accounts_api_keys.create_key(connection, "Kim", "ci", "operator")
    assert token not in str(connection.execute(select(api_keys)).mappings().all())
    [entry] = audit.list_recent(connection)
    assert (entry.actor, entry.action, entry.subject) == ("Kim", "key.create", "ci")
    assert audit.list_recent(connection, before=entry.seq) == []


def test_a_key_from_the_environment_replaces_the_one_before(connection: Connection) -> None:
    accounts_api_keys.set_key(connection, "environment", "admin", "first")
    first = accounts_api_keys.set_key(connection, "environment", "admin", "first")
    accounts_api_keys.set_key(connection, "environment", "admin", "second")
    assert accounts_api_keys.get_key_actor(connection, "first") is None
    second = accounts_api_keys.get_key_actor(connection, "second")
    assert second is not None
    assert (second.name, second.role) == ("key:environment", "admin")
    assert first.name == "environment"
    accounts_api_keys.delete_key(connection, "environment")
    assert accounts_api_keys.list_keys(connection) == []


@pytest.mark.parametrize("role", ["owner", ""])
def test_unknown_roles_and_times_are_refused(connection: Connection, role: str) -> None:
    with pytest.raises(InvalidError, match="role"):
        accounts_api_keys.create_key(connection, "Kim", "ci", role)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="time"):
        accounts_api_keys.create_key(connection, "Kim", "ci", "viewer", expires_at="tomorrow")
