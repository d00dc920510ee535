"""Concurrent requests have the same results as sequential ones, on both databases."""

import asyncio
from typing import Any

import httpx
from tests.web.conftest import ADMIN_KEY

_MANY = 8


def at_once(edge: Any, *asked: tuple[str, str, Any], **headers: str) -> list[int]:
    """Send all requests concurrently; return the sorted statuses."""
    given = {"authorization": f"Bearer {ADMIN_KEY}", "accept": "application/json", **headers}

    async def ask() -> list[httpx.Response]:
        return await asyncio.gather(
            *(
                edge.client.request(method, f"/api/v1{path}", json=body, headers=given)
                for method, path, body in asked
            )
        )

    return sorted(answer.status_code for answer in edge.runner.run(ask()))


def test_only_one_of_concurrent_changes_with_an_etag_succeeds(
    edge: Any, integration: dict[str, Any]
) -> None:
    tag = edge.api("GET", "/integrations/1").headers["etag"]
    changes = [("PATCH", "/integrations/1", {"requests_per_second": 30 + n}) for n in range(_MANY)]
    assert [200] + [412] * (_MANY - 1) == at_once(edge, *changes, **{"if-match": tag})


def test_concurrent_changes_of_different_fields_are_kept(
    edge: Any, integration: dict[str, Any]
) -> None:
    changes = {
        "requests_per_second": 30,
        "incremental_schedule": "*/7 * * * *",
        "full_schedule": "7 7 * * *",
    }
    at_once(edge, *(("PATCH", "/integrations/1", {name: value}) for name, value in changes.items()))
    assert changes == {name: edge.get("/integrations/1")[name] for name in changes}


def test_concurrent_deletions_keep_one_administrator(edge: Any) -> None:
    for _ in range(10):
        for name in ("ada", "bob"):
            edge.api("POST", "/users", {"name": name, "role": "admin"})
        assert [204, 409] == at_once(
            edge, ("DELETE", "/users/ada", None), ("DELETE", "/users/bob", None)
        )
        assert 1 == len(edge.get("/users")["items"])


def test_concurrent_rotations_rotate_a_url_once(edge: Any, integration: dict[str, Any]) -> None:
    url = edge.api("POST", "/integrations/1/webhook-urls").json()
    rotations = [("POST", f"/webhook-urls/{url['id']}/rotate", None)] * _MANY
    assert [201] + [409] * (_MANY - 1) == at_once(edge, *rotations)


def test_concurrent_requests_use_a_name_once(edge: Any, integration: dict[str, Any]) -> None:
    new = {"name": "second", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    new |= {"client_id": "client", "client_secret": "secret"}
    for path, body in (("/users", {"name": "bob"}), ("/integrations", new)):
        assert [201] + [409] * (_MANY - 1) == at_once(edge, *([("POST", path, body)] * _MANY))
    edge.api("POST", "/integrations", {**new, "name": "third"})
    named = [("PATCH", f"/integrations/{name}", {"name": "fourth"}) for name in ("second", "third")]
    assert [200, 409] == at_once(edge, *named)


def test_concurrent_saves_create_one_view(edge: Any) -> None:
    view = {"resource": "parts", "name": "mine", "query": "q=a"}
    saves = [("POST", "/saved-views", view)] * _MANY
    assert [201] + [409] * (_MANY - 1) == at_once(edge, *saves)
    other = edge.api("POST", "/saved-views", {**view, "name": "other"}).json()
    assert (
        409
        == edge.api("PUT", f"/saved-views/{other['id']}", {"name": "mine", "query": ""}).status_code
    )
    assert ["mine", "other"] == [one["name"] for one in edge.get("/saved-views")["items"]]
