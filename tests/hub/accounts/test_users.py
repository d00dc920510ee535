"""Users and roles."""

import pytest
from sqlalchemy import Connection

from ultraviolet.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from ultraviolet.hub.accounts import saved_views, sessions, users
from ultraviolet.hub.accounts.users import ROLES, Actor, require_role
from ultraviolet.hub.core import idempotency
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.idempotency import KeyedRequest, StoredResponse


def test_roles_include_lower_roles() -> None:
    operator = Actor("kim", "operator", "user:1")
    assert [operator.may(role) for role in ROLES] == [True, True, False]
    require_role(operator, "viewer")
    with pytest.raises(ForbiddenError, match="admin"):
        require_role(operator, "admin")


@pytest.mark.parametrize(
    ("name", "message"),
    [(" 12 ", "just a number"), ("key:ci", "key:"), ("  ", "needs a name"), ("a/b", "slash")],
)
def test_ambiguous_name_is_refused(connection: Connection, name: str, message: str) -> None:
    with pytest.raises(InvalidError, match=message):
        users.create_user(connection, "setup", name, "admin")


def test_name_is_unique(connection: Connection) -> None:
    users.create_user(connection, "Kim", "Lee", "viewer")
    with pytest.raises(ConflictError, match="already"):
        users.create_user(connection, "Kim", "Lee", "admin")


def test_last_administrator_is_kept(connection: Connection) -> None:
    kim = users.create_user(connection, "setup", "Kim", "admin")
    with pytest.raises(ConflictError, match="last administrator"):
        users.remove_user(connection, "Kim", kim.id)
    with pytest.raises(ConflictError, match="last administrator"):
        users.set_role(connection, "Kim", kim.id, "viewer")

    lee = users.create_user(connection, "Kim", "Lee", "admin")
    assert users.set_role(connection, "Lee", kim.id, "viewer").role == "viewer"
    with pytest.raises(ConflictError, match="last administrator"):
        users.remove_user(connection, "Lee", lee.id)


def test_removed_user_is_signed_out(connection: Connection) -> None:
    users.create_user(connection, "setup", "Kim", "admin")
    lee = users.create_user(connection, "Kim", "Lee", "viewer")
    session = sessions.create_session(connection, lee.id)
    users.remove_user(connection, "Kim", lee.id)
    assert sessions.get_session_actor(connection, session) is None
    assert [user.name for user in users.list_users(connection)] == ["Kim"]
    with pytest.raises(NotFoundError):
        users.find_user(connection, "Lee")


def test_new_user_inherits_nothing_from_a_removed_user_of_the_same_name(
    connection: Connection,
) -> None:
    secrets = SecretBox.from_text("a key of sixteen characters")
    users.create_user(connection, "setup", "Kim", "admin")
    lee = users.create_user(connection, "Kim", "Lee", "admin")
    private = saved_views.ViewContent("plans", "q=secret")
    saved_views.create_view(connection, "Lee", "parts", private)
    session = sessions.create_session(connection, lee.id)
    actor = sessions.get_session_actor(connection, session)
    assert actor is not None
    request = KeyedRequest(actor.identity, "k1", b"request")
    idempotency.begin(connection, secrets, request)
    idempotency.finish(connection, secrets, request, StoredResponse(201, b"{}"))

    users.remove_user(connection, "Kim", lee.id)
    new = users.create_user(connection, "Kim", "Lee", "viewer")

    session = sessions.create_session(connection, new.id)
    actor = sessions.get_session_actor(connection, session)
    assert actor is not None
    assert [] == saved_views.list_views(connection, "Lee")
    request = KeyedRequest(actor.identity, "k1", b"request")
    assert idempotency.begin(connection, secrets, request) is None
