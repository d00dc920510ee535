"""The webhook endpoint: accepted deliveries, and uniform responses to unknown URLs."""

import json
from typing import Any

import pytest

BODY = {
    "event_id": 7,
    "subscription_id": 1,
    "resource": "purchase_orders",
    "action": "UPDATE",
    "id": 17,
    "timestamp": "2026-11-23T23:40:50.123456+00:00",
    "changes": {"status": {"old": "draft", "new": "ordered"}},
}


@pytest.fixture
def url(edge: Any, integration: dict[str, Any]) -> dict[str, Any]:
    return edge.api("POST", f"/integrations/{integration['id']}/webhook-urls").json()


def test_repeated_delivery_is_one_event(edge: Any, url: dict[str, Any]) -> None:
    for _ in range(2):
        answer = edge.send("POST", url["url"], content=json.dumps(BODY))
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    (event,) = edge.get("/events")["items"]
    assert (event["resource"], event["object_id"], event["deliveries"]) == (
        "purchase_orders",
        "17",
        2,
    )
    assert json.loads(edge.get(f"/events/{event['seq']}")["body"]) == BODY


def test_unknown_malformed_and_revoked_urls_get_equal_responses(
    edge: Any, url: dict[str, Any]
) -> None:
    edge.api("DELETE", f"/webhook-urls/{url['id']}")
    paths = [url["url"], "/hooks/uvh_unknown", "/hooks/", "/hooks/a/b?c=d", "/hooks/%00%ff"]
    answers = [edge.send("POST", path, content=b"{}") for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({(answer.content, tuple(answer.headers.items())) for answer in answers}) == 1


def test_only_post_is_allowed(edge: Any, url: dict[str, Any]) -> None:
    answer = edge.send("GET", url["url"])
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_too_large_body_is_refused_and_not_stored(edge: Any, url: dict[str, Any]) -> None:
    assert edge.send("POST", url["url"], content=b"x" * (1024 * 1024 + 1)).status_code == 413
    assert edge.get("/events")["items"] == []


def test_invalid_body_is_stored(edge: Any, url: dict[str, Any]) -> None:
    assert edge.send("POST", url["url"], content=b"\xff not json").status_code == 200
    assert len(edge.get("/events")["items"]) == 1
