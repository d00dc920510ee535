"""A repeated POST with an idempotency key is executed once, on both databases."""

import asyncio
import re
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.web.conftest import ADMIN_KEY

from ultraviolet.db.tables.accounts import idempotency_keys
from ultraviolet.hub.core import idempotency
from ultraviolet.hub.core.idempotency import KeyedRequest, StoredResponse


def ask(
    edge: Any, method: str, path: str, body: Any = None, key: str = ADMIN_KEY, **headers: str
) -> Any:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    given |= {"authorization": f"Bearer {key}", "accept": "application/json"}
    return edge.send(method, f"/api/v1{path}", json=body, headers=given)


def test_repeated_post_is_executed_once(edge: Any) -> None:
    wanted = {"name": "dashboard", "role": "viewer"}
    first = ask(edge, "POST", "/api-keys", wanted, idempotency_key="k1")
    again = ask(edge, "POST", "/api-keys", wanted, idempotency_key='"k1"')
    assert (201, 201) == (first.status_code, again.status_code)
    assert first.json() == again.json()
    assert (None, "true") == tuple(one.headers.get("idempotent-replayed") for one in (first, again))
    assert 1 == [one["name"] for one in edge.get("/api-keys")["items"]].count("dashboard")


def test_stored_response_is_encrypted(edge: Any) -> None:
    token = ask(edge, "POST", "/api-keys", {"name": "a"}, idempotency_key="k1").json()["token"]
    with edge.hub.database.engine.connect() as connection:
        row = connection.execute(select(idempotency_keys)).mappings().one()
    assert token.encode() not in bytes(row["answer"])
    assert token in edge.hub.secrets.decrypt(bytes(row["answer"]))


def test_key_belongs_to_one_request_of_one_caller(edge: Any) -> None:
    ask(edge, "POST", "/api-keys", {"name": "a"}, idempotency_key="k1")
    other = ask(edge, "POST", "/api-keys", {"name": "b"}, idempotency_key="k1")
    assert other.status_code == 422
    assert other.json()["type"].endswith("#idempotency-key-reused")
    admin = ask(edge, "POST", "/api-keys", {"name": "boss", "role": "admin"}).json()["token"]
    assert (
        ask(edge, "POST", "/api-keys", {"name": "b"}, key=admin, idempotency_key="k1").status_code
        == 201
    )
    assert (
        ask(edge, "POST", "/api-keys", {"name": "b"}, idempotency_key="k" * 256).status_code == 422
    )


def test_lost_permission_hides_the_stored_response(signed_in: Any) -> None:
    signed_in.api("POST", "/users", {"name": "boss", "role": "admin"})
    found = re.search(r'name="csrf" value="(\w+)"', signed_in.send("GET", "/").text)
    assert found

    def make_key() -> Any:
        headers = {"accept": "application/json", "x-csrf-token": found[1], "idempotency-key": "k1"}
        return signed_in.send(
            "POST", "/api/v1/api-keys", json={"name": "a", "role": "admin"}, headers=headers
        )

    assert make_key().status_code == 201
    signed_in.api("PATCH", "/users/ada", {"role": "viewer"})
    refused = make_key()
    assert refused.status_code == 403
    assert "token" not in refused.text


def test_rejected_request_can_be_retried_with_the_same_key(edge: Any) -> None:
    assert ask(edge, "POST", "/users", {"name": " "}, idempotency_key="k1").status_code == 422
    assert ask(edge, "POST", "/users", {"name": "bob"}, idempotency_key="k1").status_code == 201


def test_concurrent_requests_with_one_key_are_executed_once(
    edge: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request is refused during the first, and gets its response later."""
    going, write = asyncio.Event(), edge.hub.database.write

    async def slow(work: Any, *arguments: Any, **options: Any) -> Any:
        if "create_user" in getattr(work, "__qualname__", ""):
            await going.wait()
        return await write(work, *arguments, **options)

    monkeypatch.setattr(edge.hub.database, "write", slow)

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
    assert second.json()["type"].endswith("#in-progress")
    assert first.json() == third.json()


def test_late_renewal_keeps_the_response(edge: Any) -> None:
    asked, answer = KeyedRequest("key:a", "k1", b"request"), StoredResponse(201, b"{}")
    database, secrets = edge.hub.database, edge.hub.secrets
    database.write_now(idempotency.begin, secrets, asked)
    database.write_now(idempotency.finish, secrets, asked, answer)
    database.write_now(idempotency.renew, asked)
    assert answer == database.write_now(idempotency.begin, secrets, asked)


def test_abandoned_or_expired_request_is_executed_again(edge: Any) -> None:
    ask(edge, "POST", "/users", {"name": "bob"}, idempotency_key="k1")
    left = {"alive_until": "2026-01-01T00:00:00.000000+00:00", "answer": None}
    edge.hub.database.write_now(lambda c: c.execute(update(idempotency_keys).values(**left)))
    assert (
        ask(edge, "POST", "/users", {"name": "bob"}, idempotency_key="k1").status_code == 409
    )  # it was done
    left = {"expires_at": "2026-01-01T00:00:00.000000+00:00"}
    ask(edge, "POST", "/users", {"name": "eve"}, idempotency_key="k2")
    edge.hub.database.write_now(lambda c: c.execute(update(idempotency_keys).values(**left)))
    assert ask(edge, "POST", "/users", {"name": "cy"}, idempotency_key="k2").status_code == 201
