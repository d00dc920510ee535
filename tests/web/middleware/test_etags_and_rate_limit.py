"""ETags, conditional requests and the rate limit of the API."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.web.middleware.test_idempotency import ask

from ultraviolet.hub.core.settings import Settings
from ultraviolet.web.middleware.rate_limit import WINDOW_SECONDS, RateLimiter


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.mark.parametrize(
    "path", ["/integrations/plant", "/users/bob", "/api-keys/{key}", "/saved-views/{view}"]
)
def test_change_with_an_outdated_etag_is_rejected(
    edge: Any, integration: dict[str, Any], path: str
) -> None:
    edge.api("POST", "/users", {"name": "bob"})
    view = edge.api(
        "POST", "/saved-views", {"resource": "parts", "name": "mine", "query": "q=a"}
    ).json()["id"]
    path = path.format(key=edge.api("POST", "/api-keys", {"name": "k"}).json()["id"], view=view)
    change = {
        "/integrations": ("PATCH", {"requests_per_second": 7}),
        "/users": ("PATCH", {"role": "operator"}),
        "/saved-views": ("PUT", {"name": "mine", "query": "q=b"}),
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
        assert (412, "#precondition-failed") == (late.status_code, late.json()["type"][-20:])
        assert ask(edge, "GET", path, if_none_match=tag).status_code == 200
    assert ask(edge, "DELETE", path, if_match='"other"').status_code == 412
    assert ask(edge, "DELETE", path, if_match="*").status_code in (200, 204)


def test_use_of_a_key_does_not_change_its_etag(edge: Any) -> None:
    made = edge.api("POST", "/api-keys", {"name": "k", "role": "admin"}).json()
    path = f"/api-keys/{made['id']}"
    tag = ask(edge, "GET", path).headers["etag"]
    assert ask(edge, "GET", "/me", key=made["token"]).status_code == 200
    assert ask(edge, "GET", path, if_none_match=tag).json()["last_used_at"]
    assert ask(edge, "DELETE", path, if_match=tag).status_code == 200
    assert ask(edge, "DELETE", path, if_match=tag).status_code == 412, "it was revoked since"


def test_responses_state_the_remaining_requests(edge: Any) -> None:
    left = ask(edge, "GET", "/me").headers["ratelimit"]
    assert '"requests";q=6000;w=60' == ask(edge, "GET", "/me").headers["ratelimit-policy"]
    assert left.startswith('"requests";r=5999;t=')
    assert "ratelimit" not in edge.send("GET", "/livez").headers


def test_limit_is_per_client_and_resets_after_the_window() -> None:
    now = 0.0
    limits = RateLimiter(2, lambda: now)
    assert [1, 0, -1] == [limits.take("a").requests for _ in range(3)]
    assert 1 == limits.take("b").requests
    now = 59.5
    assert (-2, 1) == msgspec.structs.astuple(limits.take("a"))
    now = float(WINDOW_SECONDS)
    assert (1, 60) == msgspec.structs.astuple(limits.take("a"))


class TestLimited:
    @pytest.fixture
    def hub_settings(self) -> dict[str, Any]:
        return {"api_rate_limit": 2}

    def test_exceeded_limit_returns_429_with_retry_after(self, edge: Any) -> None:
        key = ask(edge, "POST", "/api-keys", {"name": "script"}).json()["token"]
        assert [200, 200, 429] == [ask(edge, "GET", "/me", key=key).status_code for _ in range(3)]
        refused = ask(edge, "GET", "/me", key=key)
        assert refused.json()["type"].endswith("#too-many-requests")
        assert 0 < int(refused.headers["retry-after"]) <= WINDOW_SECONDS
        assert '"requests";r=0;t=' in refused.headers["ratelimit"]
        assert ask(edge, "GET", "/me").status_code == 200


def test_limit_setting_must_be_a_whole_number() -> None:
    def read(value: str) -> int:
        given = {"ULTRAVIOLET_API_RATE_LIMIT": value}
        return Settings.from_environment(
            data=Path(), public_url="", environment=given
        ).api_rate_limit

    assert (7, 0, 6000) == (read("7"), read("0"), read(""))
    with pytest.raises(Exception, match="whole number"):
        read("-1")
