"""HEAD returns the status and headers of GET, without a body."""

from typing import Any

from tests.web.test_secret_exposure import addresses

MOVING = ("x-request-id", "date", "set-cookie", "content-length", "etag", "ratelimit")
"""Headers that differ from one answer to the next; a page shows how long ago something was."""


def test_head_equals_get_without_its_body(
    signed_in: Any, integration: dict[str, Any], wait: Any
) -> None:
    differ = {}
    wait(lambda: signed_in.send("GET", "/fetches/1").is_success, 30, "the first fetch began")
    paths = [*addresses(signed_in), "/static/app.css", "/nothing", "/api/v1/nothing"]
    for path in paths:
        head, whole = signed_in.send("HEAD", path), signed_in.send("GET", path)
        assert head.content == b"", path
        if settled(head) != settled(whole):
            differ[path] = settled(head), settled(whole)
    assert differ == {}
    assert len(paths) > 50


def test_head_of_a_stream_ends(signed_in: Any, integration: dict[str, Any]) -> None:
    for path in ("/live", f"/api/v1/changes/stream?integration={integration['id']}"):
        answer = signed_in.send("HEAD", path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")


def test_allow_header_of_get_routes_contains_head(signed_in: Any) -> None:
    answer = signed_in.send("DELETE", "/livez")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "HEAD" in signed_in.send("OPTIONS", "/livez").headers["allow"]
    assert (
        signed_in.send("HEAD", "/sign-out").status_code
        == signed_in.send("GET", "/sign-out").status_code
    )


def settled(answer: Any) -> Any:
    headers = {name: value for name, value in answer.headers.items() if name not in MOVING}
    return answer.status_code, headers
