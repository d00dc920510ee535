"""Addresses of missing things are answered with 404, never with an internal error."""

import re
from typing import Any

from ultraviolet.web.app import create_routes

EXISTING = {"name": "parts", "resource": "parts", "integration": "1", "integration_id": "1"}
STREAMS = ("/live", "/api/v1/changes/stream")
QUERIES = ("", "?integration=1", "?integration=99")


def test_every_get_route_answers_for_missing_things(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    asked = 0
    for route in create_routes("", "pages").routes:
        if "GET" not in route.methods or route.path.startswith((*STREAMS, "/static", "/sign-in")):
            continue
        for missing in ("99999", "abc"):
            path = re.sub(
                r"\{(\w+):?\w*\}",
                lambda part, missing=missing: EXISTING.get(part.group(1), missing),
                route.path,
            )
            for query in QUERIES:
                answer = signed_in.send("GET", path + query)
                assert answer.status_code < 500, (path + query, answer.text[:300])
                asked += 1
            if path == route.path:
                break
    assert asked > 300


def test_missing_object_is_not_found_with_and_without_its_integration(
    signed_in: Any, integration: dict[str, Any]
) -> None:
    for path in ("/objects/parts/99999", "/objects/parts/abc"):
        for query in (
            "",
            "?integration=1",
            "?integration=1&version=3",
            "?integration=1&at=2026-01-01T00:00:00Z",
        ):
            assert signed_in.send("GET", path + query).status_code == 404, path + query
            at = query.partition("&")[0]
            assert signed_in.api("GET", path + at).status_code == 404, path + at
