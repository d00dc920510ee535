"""Password guesses are throttled; users end their own sessions, and administrators all."""

import re
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import select, update

from ultraviolet.clock import utc_now
from ultraviolet.db.tables.accounts import sign_in_links, users
from ultraviolet.hub.accounts import sessions


def sign_in(edge: Any, name: str, password: str, **headers: str) -> Any:
    form = edge.send("GET", "/sign-in").text
    given = {"name": name, "password": password, "next": "/account"}
    given |= {"csrf": re.findall(r'name="csrf" value="(\w*)"', form)[0]}
    return edge.send("POST", "/sign-in", data=given, headers=headers)


def store_cheap_hash(edge: Any) -> None:
    """Set the password of all users to “correct horse”, with a hash that is quick to verify."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("correct horse")
    edge.hub.database.write_now(lambda c: c.execute(update(users).values(password_hash=quick)))


def test_session_is_rotated_listed_and_ended(signed_in: Any) -> None:
    cookies = signed_in.client.cookies
    first = cookies["ultraviolet_session"]
    wanted = {"password": "correct horse", "repeated": "correct horse"}
    differs = signed_in.submit("/account/password", **wanted | {"repeated": "correct hoarse"})
    assert differs.status_code == 422
    assert "The two new passwords differ" in differs.text
    signed_in.hub.database.write_now(sessions.create_session, 1)
    assert signed_in.send("GET", "/account").text.count('id="session-') == 2
    assert signed_in.submit("/account/password", **wanted).status_code == 303
    assert signed_in.send("GET", "/account").text.count('id="session-') == 1, "only this browser"

    assert (
        sign_in(signed_in, "ada", "correct horse", **{"user-agent": "<b>Firefox</b>"}).status_code
        == 303
    )
    second = cookies["ultraviolet_session"]
    assert sign_in(signed_in, "ada", "correct horse", **{"user-agent": "Safari"}).status_code == 303
    third = cookies["ultraviolet_session"]
    assert len({first, second, third}) == 3
    page = signed_in.send("GET", "/account").text
    assert "Safari" in page
    assert "Firefox" not in page, "the session before was not ended when the browser got a new one"

    cookies.clear()
    assert (
        sign_in(signed_in, "ada", "correct horse", **{"user-agent": "<b>Firefox</b>"}).status_code
        == 303
    )
    page = signed_in.send("GET", "/account").text
    assert "&lt;b&gt;Firefox&lt;/b&gt;" in page
    (other,) = re.findall(r'id="session-(\d+)">\s*<td>\s*<span[^>]*>Safari<', page)
    assert signed_in.submit(f"/account/sessions/{other}/end").status_code == 303
    assert "Safari" not in signed_in.send("GET", "/account").text

    wrong = signed_in.submit(
        "/account/password", now="wrong horse", password="battery staple", repeated="battery staple"
    )
    assert wrong.status_code == 422
    assert "current password" in wrong.text


def test_administrator_ends_sessions_of_other_users(edge: Any, signed_in: Any) -> None:
    edge.api("POST", "/users", {"name": "bob", "role": "viewer"})
    edge.api("PATCH", "/users/bob/password", {"password": "correct horse"})
    admin = edge.client.cookies["ultraviolet_session"]
    edge.client.cookies.clear()
    assert sign_in(edge, "bob", "correct horse").status_code == 303
    bob = edge.client.cookies["ultraviolet_session"]
    assert edge.send("GET", "/settings/users/1/sessions").status_code == 403
    edge.client.cookies.set("ultraviolet_session", admin)
    assert "End session" in edge.send("GET", "/settings/users/2/sessions").text
    assert [one["way"] for one in edge.get("/users/bob/sessions")["items"]] == ["password"]
    assert edge.submit("/settings/users/2/sessions/end").status_code == 303
    assert edge.get("/users/bob/sessions")["items"] == []
    edge.client.cookies.set("ultraviolet_session", bob)
    assert edge.send("GET", "/account").status_code == 303


def test_password_guesses_are_throttled(signed_in: Any) -> None:
    store_cheap_hash(signed_in)
    signed_in.client.cookies.clear()
    answers = [sign_in(signed_in, "ada", "wrong horse").status_code for _ in range(6)]
    assert answers == [401] * 5 + [429]
    refused = sign_in(signed_in, "ada", "correct horse")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "20")
    assert "Too many failed attempts" in refused.text
    assert sign_in(signed_in, "bob", "wrong horse").status_code == 401, (
        "another name waits for nobody"
    )


def test_guesses_of_the_current_password_share_the_sign_in_limit(signed_in: Any) -> None:
    store_cheap_hash(signed_in)
    sign_in(signed_in, "ada", "correct horse")
    guess = {"now": "wrong horse", "password": "battery staple", "repeated": "battery staple"}
    answers = [signed_in.submit("/account/password", **guess) for _ in range(6)]
    assert [422] * 5 + [429] == [answer.status_code for answer in answers]
    assert ("20", True) == (
        answers[-1].headers["retry-after"],
        "Too many failed attempts" in answers[-1].text,
    )
    assert 429 == sign_in(signed_in, "ada", "correct horse").status_code


def test_invitation_lasts_a_week_is_used_once_and_is_replaced(edge: Any, signed_in: Any) -> None:
    def invited(action: str, **sent: str) -> str:
        page = signed_in.create(action, **sent)
        return re.findall(r"/sign-in/(uvl_[\w-]+)", page)[0]

    first = invited("/settings/users", name="bob", role="viewer")
    second = invited("/settings/users/2/link")
    with edge.hub.database.engine.begin() as connection:
        [expires] = connection.execute(select(sign_in_links.c.expires_at)).scalars()
    left = datetime.fromisoformat(expires) - utc_now()
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)
    redeem = edge.hub.database.write_now
    assert redeem(sessions.redeem_link, first) is None, "the second link replaced it"
    assert redeem(sessions.redeem_link, second)
    assert redeem(sessions.redeem_link, second) is None
