"""API: authentication, roles, validation and pagination."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.web.conftest import ADMIN_KEY

from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Finding
from ultraviolet.web.http.pagination import encode


def test_openapi_describes_every_route(edge: Any) -> None:
    described = edge.send("GET", "/api/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert {"/api/v1/integrations", "/api/v1/objects/{resource}/{object_id}/history"} <= set(
        described["paths"]
    )
    assert not [path for path in described["paths"] if not path.startswith("/api/v1/")]


def test_unauthenticated_request_gets_a_problem(edge: Any) -> None:
    answer = edge.send("GET", "/api/v1/me", headers={"accept": "application/json"})
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["type"].endswith("#unauthenticated")
    assert edge.api("GET", "/me", key="uvk_wrong").status_code == 401


def test_viewer_key_reads_but_cannot_create_keys(edge: Any) -> None:
    made = edge.api("POST", "/api-keys", {"name": "dashboard", "role": "viewer"})
    assert made.status_code == 201
    key = made.json()["token"]
    assert edge.api("GET", "/me", key=key).json() == {"name": "key:dashboard", "role": "viewer"}
    assert edge.api("GET", "/integrations", key=key).status_code == 200
    assert (
        edge.api("POST", "/api-keys", {"name": "more", "role": "admin"}, key=key).status_code == 403
    )
    assert key not in edge.api("GET", "/api-keys").text
    assert edge.api("DELETE", f"/api-keys/{made.json()['id']}").status_code == 200
    assert edge.api("GET", "/me", key=key).status_code == 401


def test_integration_is_listed_changed_paused_and_deleted(
    edge: Any, integration: dict[str, Any]
) -> None:
    assert "secret-of-ion" not in str(integration)
    assert edge.get("/integrations") == {"items": [integration], "next": None}
    assert edge.get("/integrations/plant")["id"] == integration["id"]
    assert edge.api("POST", "/integrations", {"name": "x"}).status_code == 422
    assert (
        edge.api("PATCH", "/integrations/plant", {"requests_per_second": 5}).json()[
            "requests_per_second"
        ]
        == 5
    )
    assert edge.api("POST", "/integrations/plant/pause").json()["paused"] is True
    assert edge.get("/status")["integrations"][0]["state"] == "paused"
    assert edge.api("DELETE", "/integrations/plant").status_code == 204
    assert edge.api("GET", "/integrations/plant").status_code == 404


def test_unknown_object_or_path_is_a_404_problem(
    edge: Any, integration: dict[str, Any], subtests: pytest.Subtests
) -> None:
    for path in ("/events/1", "/fetches/99", "/objects/parts/1", "/objects/nonsense", "/nowhere"):
        with subtests.test(path=path):
            answer = edge.api("GET", path)
            assert answer.status_code == 404
            assert answer.json()["type"].endswith("#not-found")
            assert answer.json()["detail"]


def test_lists_of_an_empty_hub_are_empty(edge: Any, integration: dict[str, Any]) -> None:
    here = f"/integrations/{integration['id']}"
    for path in (
        "/events",
        "/objects",
        "/objects/PurchaseOrder",
        f"{here}/drift/samples",
        f"{here}/verifications",
        "/users",
    ):
        assert edge.get(path)["items"] == [], path
    assert edge.get(f"{here}/freshness")["summary"]["objects"] == 0
    assert edge.get("/audit?limit=1")["items"][0]["action"] == "integration.create"
    assert edge.api("GET", "/events?cursor=!").status_code == 422


LONG = "1" * 4400
"""A number with more digits than Python reads."""


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/events?cursor={encode(LONG)}",
        f"/api/v1/changes?cursor={encode(f'1 {LONG} a b')}",
        f"/api/v1/integrations/{LONG}",
        f"/api/v1/users/{LONG}",
        f"/events?integration={LONG}",
        f"/objects/parts/1?version={LONG}",
        f"/verifications?integration={LONG}",
    ],
    ids=lambda path: path[:30],
)
def test_number_out_of_range_is_refused(
    signed_in: Any, keep: Callable[..., None], path: str
) -> None:
    keep("parts", {"id": 1})
    headers = {"authorization": f"Bearer {ADMIN_KEY}", "accept": "application/json"}
    answer = signed_in.send("GET", path, headers=headers if path.startswith("/api") else {})
    assert answer.status_code == 422
    assert "The number is out of range" in answer.text


@pytest.mark.parametrize(
    "path", ["/objects/parts/%00", "/objects/parts?q=%00", "/integrations/%00"]
)
def test_nul_character_is_not_reported_as_a_number(
    edge: Any, keep: Callable[..., None], path: str
) -> None:
    keep("parts", {"id": 1})
    answer = edge.api("GET", path)
    assert answer.status_code in (200, 404, 422)
    assert "number is larger" not in answer.text


def test_webhook_url_is_shown_once(edge: Any, integration: dict[str, Any]) -> None:
    minted = edge.api("POST", f"/integrations/{integration['id']}/webhook-urls", {"name": "Violet"})
    assert minted.status_code == 201
    url = minted.json()["url"]
    assert url.startswith("http://hub.test/hooks/")
    listed = edge.get(f"/integrations/{integration['id']}/webhook-urls")["items"]
    assert [one["last_four"] for one in listed] == [url[-4:]]
    assert url.rsplit("/", 1)[1] not in str(listed)


def test_paused_integration_refuses_a_fetch(edge: Any, integration: dict[str, Any]) -> None:
    edge.api("POST", "/integrations/plant/pause")
    refused = edge.api("POST", "/integrations/plant/fetches", {"mode": "full"})
    assert (409, True) == (refused.status_code, "resume it" in refused.json()["detail"])
    assert "fetch.start" not in [entry["action"] for entry in edge.get("/audit")["items"]]


def test_findings_are_listed_in_pages(edge: Any, integration: dict[str, Any]) -> None:
    def find(*subjects: int) -> None:
        found = [Finding("gap", "warning", "says", "next", subject=str(n)) for n in subjects]
        edge.hub.database.write_now(finding_store.save_findings, integration["id"], ["gap"], found)

    find(1, 2, 3, 4, 5)
    find(1, 2, 3)
    page, seen = edge.get("/integrations/plant/findings?limit=2"), []
    while True:
        seen += [one["subject"] for one in page["items"]]
        if page["next"] is None:
            break
        page = edge.get(f"/integrations/plant/findings?limit=2&cursor={page['next']}")
    assert ["3", "2", "1", "5", "4"] == seen
    assert 422 == edge.api("GET", "/integrations/plant/findings?cursor=bm9uZQ").status_code


def test_fetch_starts_with_waiting_steps(edge: Any, integration: dict[str, Any]) -> None:
    made = edge.api("POST", f"/integrations/{integration['id']}/fetches", {"mode": "full"}).json()
    assert (made["mode"], made["state"]) == ("full", "running")
    assert {step["state"] for step in edge.get(f"/fetches/{made['id']}")["steps"]} <= {"waiting"}
