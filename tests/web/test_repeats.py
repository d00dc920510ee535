"""What all of the API passes through: repeats that are done once, ETags, and limits."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update
from tests.web.conftest import ADMIN_KEY

from ultraviolet.hub.settings import Settings
from ultraviolet.mirror.tables import idempotency_keys
from ultraviolet.web.limits import WINDOW, Limits


def ask(edge: Any, method: str, path: str, body: Any = None, key: str = ADMIN_KEY, **headers: str) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given |= {"authorization": f"Bearer {key}", "accept": "application/json"}
    return edge.send(method, f"/api/v1{path}", json=body, headers=given)


def test_a_repeated_post_is_done_once(edge: Any) -> None:
    wanted = {"name": "dashboard", "role": "viewer"}
    first = ask(edge, "POST", "/keys", wanted, idempotency_key="k1")
    again = ask(edge, "POST", "/keys", wanted, idempotency_key='"k1"')
    assert (201, 201) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    assert (None, "true") == tuple(one.headers.get("idempotent-replayed") for one in (first, again))
    assert 1 == [one["name"] for one in edge.get("/keys")["items"]].count("dashboard")


def test_a_secret_shown_once_is_not_kept_in_plain(edge: Any) -> None:
    token = ask(edge, "POST", "/keys", {"name": "a"}, idempotency_key="k1").json()["token"]
    with edge.hub.store.engine.connect() as connection:
        row = connection.execute(select(idempotency_keys)).mappings().one()
    assert token.encode() not in bytes(row["answer"])
    assert token in edge.hub.secrets.open(bytes(row["answer"]))


def test_a_key_names_one_request_of_one_caller(edge: Any) -> None:
    ask(edge, "POST", "/keys", {"name": "a"}, idempotency_key="k1")
    other = ask(edge, "POST", "/keys", {"name": "b"}, idempotency_key="k1")
    assert other.status_code == 422
    assert other.json()["type"].endswith("/idempotency-key-reused")
    admin = ask(edge, "POST", "/keys", {"name": "boss", "role": "admin"}).json()["token"]
    assert ask(edge, "POST", "/keys", {"name": "b"}, key=admin, idempotency_key="k1").status_code == 201
    assert ask(edge, "POST", "/keys", {"name": "b"}, idempotency_key="k" * 256).status_code == 422


def test_what_was_refused_may_be_tried_again(edge: Any) -> None:
    assert ask(edge, "POST", "/users", {"name": " "}, idempotency_key="k1").status_code == 422
    assert ask(edge, "POST", "/users", {"name": "bob"}, idempotency_key="k1").status_code == 201


def test_two_at_the_same_time_are_done_once(edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes while the first is under way, is told so, and has its answer later."""
    going, write = asyncio.Event(), edge.hub.store.write

    async def slow(work: Any) -> Any:
        if "create_user" in getattr(work, "__qualname__", ""):
            await going.wait()
        return await write(work)

    monkeypatch.setattr(edge.hub.store, "write", slow)

    async def both() -> tuple[Any, Any, Any]:
        def post() -> Any:
            headers = {"authorization": f"Bearer {ADMIN_KEY}", "idempotency-key": "k1"}
            return edge.client.post("/api/v1/users", json={"name": "bob"}, headers=headers)

        done, waiting = await asyncio.wait(
            [asyncio.create_task(post()) for _ in range(2)], return_when=asyncio.FIRST_COMPLETED
        )
        going.set()
        return await waiting.pop(), done.pop().result(), await post()

    first, second, third = edge.runner.run(both())
    assert (201, 409, 201) == (first.status_code, second.status_code, third.status_code)
    assert second.json()["type"].endswith("/under-way")
    assert first.json() == third.json()


def test_what_a_dead_process_left_is_begun_again(edge: Any) -> None:
    ask(edge, "POST", "/users", {"name": "bob"}, idempotency_key="k1")
    left = {"alive_until": "2026-01-01T00:00:00.000000+00:00", "answer": None}
    edge.hub.store.write_now(lambda c: c.execute(update(idempotency_keys).values(**left)))
    assert (
        ask(edge, "POST", "/users", {"name": "bob"}, idempotency_key="k1").status_code == 409
    )  # it was done
    left = {"expires_at": "2026-01-01T00:00:00.000000+00:00"}
    ask(edge, "POST", "/users", {"name": "eve"}, idempotency_key="k2")
    edge.hub.store.write_now(lambda c: c.execute(update(idempotency_keys).values(**left)))
    assert ask(edge, "POST", "/users", {"name": "cy"}, idempotency_key="k2").status_code == 201


@pytest.mark.parametrize("path", ["/integrations/plant", "/users/bob", "/keys/{key}", "/views/{view}"])
def test_no_change_overwrites_what_was_not_seen(edge: Any, integration: dict[str, Any], path: str) -> None:
    edge.api("POST", "/users", {"name": "bob"})
    view = edge.api("POST", "/views", {"resource": "parts", "name": "mine", "query": "q=a"}).json()["id"]
    path = path.format(key=edge.api("POST", "/keys", {"name": "k"}).json()["id"], view=view)
    change = {
        "/integrations": ("PATCH", {"requests_per_second": 7}),
        "/users": ("PATCH", {"role": "operator"}),
        "/views": ("PUT", {"name": "mine", "query": "q=b"}),
    }.get(path[: path.index("/", 1)])

    seen = ask(edge, "GET", path)
    tag = seen.headers["etag"]
    kept = ask(edge, "GET", path, if_none_match=f'"other", W/{tag}')
    assert (304, b"", tag) == (kept.status_code, kept.content, kept.headers["etag"])
    if change:
        method, body = change
        done = ask(edge, method, path, body, if_match=tag)
        assert done.status_code == 200, done.text
        assert done.headers["etag"] == ask(edge, "GET", path).headers["etag"] != tag
        late = ask(edge, method, path, body, if_match=tag)
        assert (412, "/precondition-failed") == (late.status_code, late.json()["type"][-20:])
        assert ask(edge, "GET", path, if_none_match=tag).status_code == 200
    assert ask(edge, "DELETE", path, if_match='"other"').status_code == 412
    assert ask(edge, "DELETE", path, if_match="*").status_code in (200, 204)


def test_everyone_is_told_how_many_requests_are_left(edge: Any) -> None:
    left = ask(edge, "GET", "/me").headers["ratelimit"]
    assert '"requests";q=6000;w=60' == ask(edge, "GET", "/me").headers["ratelimit-policy"]
    assert left.startswith('"requests";r=5999;t=')
    assert "ratelimit" not in edge.send("GET", "/livez").headers


def test_a_limit_is_each_ones_own_and_ends() -> None:
    now = 0.0
    limits = Limits(2, lambda: now)
    assert [1, 0, -1] == [limits.take("a").requests for _ in range(3)]
    assert 1 == limits.take("b").requests
    now = 59.5
    assert (-2, 1) == msgspec.structs.astuple(limits.take("a"))
    now = float(WINDOW)
    assert (1, 60) == msgspec.structs.astuple(limits.take("a"))


class TestLimited:
    @pytest.fixture
    def hub_settings(self) -> dict[str, Any]:
        return {"api_rate_limit": 2}

    def test_who_asks_too_often_is_told_when_to_go_on(self, edge: Any) -> None:
        key = ask(edge, "POST", "/keys", {"name": "script"}).json()["token"]
        assert [200, 200, 429] == [ask(edge, "GET", "/me", key=key).status_code for _ in range(3)]
        refused = ask(edge, "GET", "/me", key=key)
        assert refused.json()["type"].endswith("/too-many-requests")
        assert 0 < int(refused.headers["retry-after"]) <= WINDOW
        assert '"requests";r=0;t=' in refused.headers["ratelimit"]
        assert ask(edge, "GET", "/me").status_code == 200


def test_the_setting_is_a_number() -> None:
    def read(value: str) -> int:
        given = {"ULTRAVIOLET_API_RATE_LIMIT": value}
        return Settings.from_environment(data=Path(), public_url="", environment=given).api_rate_limit

    assert (7, 0, 6000) == (read("7"), read("0"), read(""))
    with pytest.raises(Exception, match="whole number"):
        read("-1")
