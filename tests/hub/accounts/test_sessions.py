"""Sign-in links and sessions: use, expiry, listing and ending."""

import pytest
from sqlalchemy import Connection, update

from ultraviolet.db.tables.accounts import sessions as sessions_table
from ultraviolet.db.tables.accounts import sign_in_links
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.accounts import sessions, users
from ultraviolet.hub.accounts.sessions import ClientInfo
from ultraviolet.hub.accounts.users import Actor
from ultraviolet.hub.core import audit

PAST = "2020-01-01T00:00:00.000000+00:00"


def test_link_signs_in_once(connection: Connection) -> None:
    user = users.create_user(connection, "setup", " Kim ", "admin")
    link = sessions.create_sign_in_link(connection, user.id)
    session = sessions.redeem_link(connection, link)
    assert session is not None
    assert sessions.redeem_link(connection, link) is None
    actor = Actor("Kim", "admin", f"user:{user.id}")
    assert sessions.get_session_actor(connection, session) == actor
    assert users.find_user(connection, "Kim").last_sign_in_at is not None
    sessions.sign_out(connection, session)
    assert sessions.get_session_actor(connection, session) is None


def test_links_and_sessions_expire(connection: Connection) -> None:
    user = users.create_user(connection, "setup", "Kim", "admin")
    link = sessions.create_sign_in_link(connection, user.id)
    session = sessions.create_session(connection, user.id)
    connection.execute(update(sign_in_links).values(expires_at=PAST))
    connection.execute(update(sessions_table).values(expires_at=PAST))
    assert sessions.redeem_link(connection, link) is None
    assert sessions.get_session_actor(connection, session) is None


def test_sessions_are_listed_and_ended(connection: Connection) -> None:
    kim = users.create_user(connection, "setup", "Kim", "viewer")
    lee = users.create_user(connection, "setup", "Lee", "viewer")
    firefox, safari = ClientInfo("Firefox", "10.0.0.1"), ClientInfo("Safari", "10.0.0.2")
    first = sessions.create_session(connection, kim.id, "password", firefox)
    second = sessions.create_session(connection, kim.id, "link", safari)
    third = sessions.create_session(connection, kim.id, "provider")
    sessions.create_session(connection, lee.id)
    found = sessions.list_sessions(connection, kim.id)
    assert {(session.browser, session.source, session.way) for session in found} == {
        ("Firefox", "10.0.0.1", "password"),
        ("Safari", "10.0.0.2", "link"),
        ("", "", "provider"),
    }
    assert min(found, key=lambda session: session.expires_at).way == "provider"
    assert sessions.count_sessions(connection) == {kim.id: 3, lee.id: 1}

    owner = sessions.get_session_owner(connection, first)
    assert owner
    with pytest.raises(NotFoundError):
        sessions.end_session(connection, "Lee", lee.id, owner[1])
    sessions.end_session(connection, "Kim", kim.id, owner[1])
    assert sessions.get_session_actor(connection, first) is None
    second_id = (sessions.get_session_owner(connection, second) or (kim, 0))[1]
    assert sessions.end_all_sessions(connection, "Kim", kim.id, but=second_id) == 1
    assert sessions.get_session_actor(connection, third) is None
    assert sessions.get_session_actor(connection, second) is not None
    actions = [entry.action for entry in audit.list_recent(connection, limit=2)]
    assert actions == ["session.end_all", "session.end"]
