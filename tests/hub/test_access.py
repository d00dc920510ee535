"""Users, links, sessions and keys let in exactly whom they should."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, select, update

from ultraviolet.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ultraviolet.hub import access, audit, idempotency, saved_views
from ultraviolet.hub.idempotency import Answer, Asked
from ultraviolet.hub.secrets import Secrets
from ultraviolet.mirror.tables import api_keys, sessions, sign_in_links, users

PAST = "2020-01-01T00:00:00.000000+00:00"


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        yield connection


def test_roles_include_the_ones_below() -> None:
    operator = access.Actor("kim", "operator", "user:1")
    assert [operator.may(role) for role in access.ROLES] == [True, True, False]
    access.require(operator, "viewer")
    with pytest.raises(ForbiddenError, match="admin"):
        access.require(operator, "admin")


def test_a_link_signs_in_once(connection: Connection) -> None:
    user = access.create_user(connection, "setup", " Kim ", "admin")
    link = access.create_sign_in_link(connection, user.id)
    session = access.redeem_link(connection, link)
    assert session is not None
    assert access.redeem_link(connection, link) is None
    assert access.actor_of_session(connection, session) == access.Actor(
        "Kim", "admin", f"user:{user.id}"
    )
    assert access.find_user(connection, "Kim").last_sign_in_at is not None
    access.sign_out(connection, session)
    assert access.actor_of_session(connection, session) is None


def test_links_and_sessions_expire(connection: Connection) -> None:
    user = access.create_user(connection, "setup", "Kim", "admin")
    link, session = (
        access.create_sign_in_link(connection, user.id),
        access.begin_session(connection, user.id),
    )
    connection.execute(update(sign_in_links).values(expires_at=PAST))
    connection.execute(update(sessions).values(expires_at=PAST))
    assert access.redeem_link(connection, link) is None
    assert access.actor_of_session(connection, session) is None


def test_a_password_signs_in_and_ends_earlier_sessions(connection: Connection) -> None:
    user = access.create_user(connection, "setup", "Kim", "viewer")
    earlier = access.begin_session(connection, user.id)
    assert access.sign_in(connection, "Kim", "correct horse") is None
    with pytest.raises(InvalidError, match="characters"):
        access.set_password(connection, "Kim", user.id, "short")
    access.set_password(connection, "Kim", user.id, "correct horse")
    assert access.actor_of_session(connection, earlier) is None
    assert access.sign_in(connection, "Kim", "wrong horse") is None
    assert access.sign_in(connection, "nobody", "correct horse") is None
    session = access.sign_in(connection, "Kim", "correct horse")
    assert session is not None
    assert access.actor_of_session(connection, session) == access.Actor(
        "Kim", "viewer", f"user:{user.id}"
    )
    assert "correct horse" not in str(connection.execute(select(users)).mappings().all())


def test_how_long_a_refusal_takes_tells_no_names(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a name that is not known one hash is looked at, as for a known one, and none is made."""
    access.check_password(connection, "nobody", "wrong horse")
    hashed: list[str] = []
    monkeypatch.setattr(access.PasswordHasher, "hash", lambda _, password: hashed.append(password))
    assert None is access.check_password(connection, "nobody", "wrong horse")
    assert [] == hashed


def test_a_user_is_not_called_by_a_number(connection: Connection) -> None:
    with pytest.raises(InvalidError, match="just a number"):
        access.create_user(connection, "setup", " 12 ", "admin")


def test_users_are_unique_and_the_last_administrator_stays(connection: Connection) -> None:
    kim = access.create_user(connection, "setup", "Kim", "admin")
    lee = access.create_user(connection, "Kim", "Lee", "viewer")
    with pytest.raises(ConflictError, match="already"):
        access.create_user(connection, "Kim", "Lee", "admin")
    with pytest.raises(ConflictError, match="last administrator"):
        access.remove_user(connection, "Kim", kim.id)
    session = access.begin_session(connection, lee.id)
    access.remove_user(connection, "Kim", lee.id)
    assert access.actor_of_session(connection, session) is None
    assert [user.name for user in access.list_users(connection)] == ["Kim"]
    with pytest.raises(NotFoundError):
        access.find_user(connection, "Lee")


def test_nothing_of_somebody_who_was_removed_is_left_to_the_next_of_their_name(
    connection: Connection,
) -> None:
    secrets = Secrets.from_text("a key of sixteen characters")
    access.create_user(connection, "setup", "Kim", "admin")
    lee = access.create_user(connection, "Kim", "Lee", "admin")
    saved_views.save(connection, "Lee", "parts", "plans", "q=secret")
    actor = access.actor_of_session(connection, access.begin_session(connection, lee.id))
    assert actor is not None
    asked = Asked(actor.identity, "k1", b"request")
    idempotency.begin(connection, secrets, asked)
    idempotency.finish(connection, secrets, asked, Answer(201, b"{}"))
    access.remove_user(connection, "Kim", lee.id)
    again = access.create_user(connection, "Kim", "Lee", "viewer")
    actor = access.actor_of_session(connection, access.begin_session(connection, again.id))
    assert actor is not None
    assert [] == saved_views.list_(connection, "Lee")
    assert None is idempotency.begin(connection, secrets, Asked(actor.identity, "k1", b"request"))


def test_a_key_works_until_it_is_revoked_or_expires(connection: Connection) -> None:
    key, token = access.create_key(connection, "Kim", "ci", "operator")
    actor = access.actor_of_key(connection, token)
    assert actor is not None
    assert (actor.name, actor.role) == ("key:ci", "operator")
    access.touch_key(connection, token)
    assert access.list_keys(connection)[0].last_used_at is not None
    assert access.revoke_key(connection, "Kim", key.id).revoked_at is not None
    assert access.actor_of_key(connection, token) is None
    _, expired = access.create_key(
        connection, "Kim", "old", "viewer", expires_at="2020-01-01T00:00:00Z"
    )
    assert access.actor_of_key(connection, expired) is None
    assert access.actor_of_key(connection, "uvk_guess") is None
    with pytest.raises(NotFoundError):
        access.revoke_key(connection, "Kim", 99)


def test_a_key_is_kept_as_a_hash_and_its_making_is_in_the_audit_log(connection: Connection) -> None:
    _, token = access.create_key(connection, "Kim", "ci", "operator")
    assert token not in str(connection.execute(select(api_keys)).mappings().all())
    [entry] = audit.recent(connection)
    assert (entry.actor, entry.action, entry.subject) == ("Kim", "key.create", "ci")
    assert audit.recent(connection, before=entry.seq) == []


def test_a_key_from_the_environment_replaces_the_one_before(connection: Connection) -> None:
    access.set_key(connection, "environment", "admin", "first")
    first = access.set_key(connection, "environment", "admin", "first")
    access.set_key(connection, "environment", "admin", "second")
    assert access.actor_of_key(connection, "first") is None
    second = access.actor_of_key(connection, "second")
    assert second is not None
    assert (second.name, second.role) == ("key:environment", "admin")
    assert first.name == "environment"
    access.drop_key(connection, "environment")
    assert access.list_keys(connection) == []


@pytest.mark.parametrize("role", ["owner", ""])
def test_unknown_roles_and_times_are_refused(connection: Connection, role: str) -> None:
    with pytest.raises(InvalidError, match="role"):
        access.create_key(connection, "Kim", "ci", role)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="time"):
        access.create_key(connection, "Kim", "ci", "viewer", expires_at="tomorrow")
