"""Sessions are seen and ended by those they belong to and by administrators; the audit log cannot be rewritten."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.hub.accounts import sessions, users
from ultraviolet.hub.accounts.sessions import ClientInfo
from ultraviolet.hub.core import audit


def test_sessions_are_listed_and_ended(engine: Engine) -> None:
    with engine.begin() as connection:
        kim = users.create_user(connection, "setup", "Kim", "viewer")
        lee = users.create_user(connection, "setup", "Lee", "viewer")
        first = sessions.create_session(
            connection, kim.id, "password", ClientInfo("Firefox", "10.0.0.1")
        )
        second = sessions.create_session(
            connection, kim.id, "link", ClientInfo("Safari", "10.0.0.2")
        )
        third = sessions.create_session(connection, kim.id, "provider")
        sessions.create_session(connection, lee.id)
        found = sessions.list_sessions(connection, kim.id)
        assert {(one.browser, one.source, one.way) for one in found} == {
            ("Firefox", "10.0.0.1", "password"),
            ("Safari", "10.0.0.2", "link"),
            ("", "", "provider"),
        }
        assert min(found, key=lambda one: one.expires_at).way == "provider"
        assert sessions.count_sessions(connection) == {kim.id: 3, lee.id: 1}
        known = sessions.get_session_owner(connection, first)
        assert known
        with pytest.raises(NotFoundError):
            sessions.end_session(connection, "Lee", lee.id, known[1])
        sessions.end_session(connection, "Kim", kim.id, known[1])
        assert sessions.get_session_actor(connection, first) is None
        second_id = (sessions.get_session_owner(connection, second) or (kim, 0))[1]
        assert sessions.end_all_sessions(connection, "Kim", kim.id, but=second_id) == 1
        assert sessions.get_session_actor(connection, third) is None
        assert sessions.get_session_actor(connection, second) is not None
        actions = [entry.action for entry in audit.list_recent(connection, limit=2)]
        assert actions == ["session.end_all", "session.end"]


def test_nobody_is_called_like_an_api_key(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(InvalidError, match="key:"):
        users.create_user(connection, "setup", "key:ci", "viewer")


@pytest.mark.parametrize(
    "change", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"]
)
def test_the_database_refuses_to_rewrite_the_audit_log(engine: Engine, change: str) -> None:
    with engine.begin() as connection:
        audit.record(connection, "Kim", "key.create", "ci")
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(text(change))
    with engine.connect() as connection:
        assert [entry.actor for entry in audit.list_recent(connection)] == ["Kim"]
