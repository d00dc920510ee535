"""Every route rejects query parameters and body fields that it does not have."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from ultraviolet.web.pages import router as pages
from ultraviolet.web.pages.templating import Renderer

FROM_PROVIDER = "/sign-in/provider/back"
"""The page to which an identity provider redirects, with parameters of its own."""


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


def with_values(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "1", path)


def operations(edge: Any) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    document = edge.send("GET", "/api/openapi.json").json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), with_values(path), operation, document


def api_routes(edge: Any) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    return [each for each in operations(edge) if each[1].startswith("/api/v1")]


def page_routes() -> list[tuple[str, str]]:
    router = pages.router(Renderer(""))
    return [
        (method, with_values(route.path))
        for route in router.routes
        for handler in route.route_handlers  # pyright: ignore[reportAttributeAccessIssue]
        for method in sorted(handler.http_methods)
        if method in ("GET", "POST")
    ]


def test_each_api_route_rejects_an_unknown_parameter(signed_in: Any) -> None:
    routes = api_routes(signed_in)
    assert len(routes) > 50
    for method, path, _, _ in routes:
        answer = signed_in.api(method, f"{path.removeprefix('/api/v1')}?unheard_of=1")
        assert answer.status_code == 422, (method, path, answer.text)
        [problem] = answer.json()["errors"]
        assert (problem["field"], problem["source"]) == ("unheard_of", "query"), path


def test_each_api_route_suggests_a_parameter_of_similar_name(signed_in: Any) -> None:
    checked = 0
    for method, path, operation, _ in api_routes(signed_in):
        for parameter in operation.get("parameters", []):
            name = parameter.get("name", "")
            if parameter.get("in") == "query" and len(name) > 3:
                mistyped = f"{name[:-1]}{name[-1]}{name[-1]}"
                answer = signed_in.api(method, f"{path.removeprefix('/api/v1')}?{mistyped}=1")
                assert answer.status_code == 422, (method, path)
                assert f"Did you mean {name}" in answer.json()["detail"], answer.text
                checked += 1
    assert checked > 50


def test_each_api_route_rejects_an_unknown_body_field(signed_in: Any) -> None:
    checked = 0
    for method, path, operation, document in api_routes(signed_in):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        schema = content["schema"]
        options = schema.get("oneOf", schema.get("anyOf", [schema]))
        schema = next(each for each in options if "$ref" in each)
        fields = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"]
        name = max(fields, key=len)
        mistyped = f"{name}{name[-1]}"
        answer = signed_in.api(method, path.removeprefix("/api/v1"), {mistyped: 1})
        assert answer.status_code == 422, (method, path, answer.text)
        [problem] = answer.json()["errors"]
        assert (problem["field"], problem["source"]) == (mistyped, "body"), (method, path)
        assert f"Did you mean {name}" in problem["message"], (method, path)
        checked += 1
    assert checked > 10


def test_each_page_rejects_an_unknown_parameter(signed_in: Any) -> None:
    routes = page_routes()
    assert len(routes) > 50
    for method, path in routes:
        if path == FROM_PROVIDER:
            continue
        address = f"{path}?unheard_of=1"
        answer = signed_in.send("GET", address) if method == "GET" else signed_in.submit(address)
        assert answer.status_code == 422, (method, path)
        assert "“unheard_of” is not a parameter" in answer.text, (method, path)


def test_unknown_parameter_of_a_page_gets_a_suggestion(signed_in: Any) -> None:
    page = signed_in.send("GET", "/events?resourc=parts").text
    assert "Did you mean resource?" in page
    assert "<h1>Events</h1>" in page
    page = signed_in.send("GET", "/api/docs?versio=1").text
    assert "Parameters" not in page
    assert "Invalid address" in page


@pytest.mark.usefixtures("integration")
def test_parameter_that_is_a_field_points_to_the_filter(signed_in: Any) -> None:
    for name in ("status", "statuss"):
        answer = signed_in.api("GET", f"/objects/purchase_orders?{name}=ORDERED")
        assert f'use filter={{"{name}": {{"eq": "VALUE"}}}}' in answer.json()["detail"]
        page = signed_in.send("GET", f"/objects/purchase_orders?{name}=ORDERED")
        assert (page.status_code, f"use where={name}:is:VALUE" in page.text) == (422, True)


@pytest.mark.usefixtures("integration")
def test_number_is_explained_in_words(signed_in: Any) -> None:
    for given, expected in (
        ("abc", "limit must be a whole number"),
        ("0", "limit must be at least 1"),
        ("1001", "limit must be at most 1000"),
    ):
        for path in ("/objects", "/objects/parts", "/changes"):
            answer = signed_in.api("GET", f"{path}?limit={given}")
            assert (answer.status_code, answer.json()["detail"]) == (422, expected), path


def test_page_that_is_addressed_by_its_name_is_offered(signed_in: Any) -> None:
    for address, name, goal in (
        ("/syncs", "Syncs", "/fetches"),
        ("/corrections", "Corrections", "/drift"),
        ("/verify", "Verify", "/verifications"),
        ("/people", "People", "/settings"),
    ):
        page = signed_in.send("GET", address)
        assert page.status_code == 404
        assert f'href="{goal}">Open {name}</a>' in page.text


@pytest.mark.usefixtures("integration")
def test_value_outside_a_fixed_list_is_reported(signed_in: Any) -> None:
    pages = (
        ("/events?action=UPDAT", "Did you mean Update?"),
        ("/events?outcome=aplied", "Did you mean Applied?"),
        ("/events?outcome=x", "No change"),
        ("/events?resource=partz", "parts"),
        ("/fetches?mode=ful", "Did you mean Full?"),
        ("/fetches?state=don", "Did you mean Done?"),
        ("/drift?cause=lat", "Late event"),
        ("/drift?resource=partz", "parts"),
        ("/drift?days=3", "Last 14 days, Last 90 days"),
        ("/objects/parts?state=stal", "Did you mean Stale?"),
        ("/settings/audit?action=key.creat", "key.create"),
    )
    for address, hint in pages:
        answer = signed_in.send("GET", address)
        assert answer.status_code == (404 if "partz" in address else 422), address
        assert hint in answer.text, address
    routes = (
        "/events?action=UPDAT",
        "/events?outcome=aplied",
        "/events?resource=partz",
        "/integrations/1/drift?cause=lat",
        "/integrations/1/drift/samples?cause=lat",
        "/audit?action=key.creat",
        "/audit/export?action=key.creat",
    )
    for path in routes:
        answer = signed_in.api("GET", path)
        assert answer.status_code == (404 if "partz" in path else 422), path
        assert "Did you mean" in answer.json()["detail"], path
    for field, value in (("action", "UPDAT"), ("outcome", "aplied"), ("resource", "partz")):
        answer = signed_in.api("POST", "/events/replay", {field: value, "dry_run": True})
        assert "Did you mean" in answer.json()["detail"], field
    assert signed_in.api("GET", "/events?action=update&outcome=Applied").status_code == 200


@pytest.mark.usefixtures("integration")
def test_problems_name_the_part_of_the_request(signed_in: Any) -> None:
    for path, field in (
        ("/objects/parts?limit=many", "limit"),
        ("/objects/parts?cursor=1", "cursor"),
        ("/objects/parts?filter=x", "filter"),
        ("/objects/parts?sort=color", "sort"),
        ("/diffs/parts", "from"),
    ):
        [problem] = signed_in.api("GET", path).json()["errors"]
        assert (problem["field"], problem["source"]) == (field, "query"), path
    [problem] = signed_in.api("POST", "/users", {"name": 5}).json()["errors"]
    assert (problem["field"], problem["source"]) == ("name", "body")
    bad = {"authorization": "Bearer uvk_admin-key-of-the-tests", "idempotency-key": "ä" * 300}
    bad = {name: value.encode() for name, value in bad.items()}
    answer = signed_in.send("POST", "/api/v1/users", json={"name": "Bo"}, headers=bad)
    [problem] = answer.json()["errors"]
    assert (problem["field"], problem["source"]) == ("Idempotency-Key", "header")
    answer = signed_in.api("GET", "/events/many")
    assert answer.status_code in (404, 422)
    if answer.status_code == 422:
        assert answer.json()["errors"][0]["source"] == "path"


def test_every_list_has_pages(signed_in: Any) -> None:
    lists = 0
    for method, path, operation, _ in api_routes(signed_in):
        if method == "GET" and "Page" in str(operation["responses"].get("200")):
            names = {parameter.get("name") for parameter in operation.get("parameters", [])}
            assert {"limit", "cursor"} <= names, path
            lists += 1
    assert lists > 15
    for name in ("bo", "cy"):
        assert signed_in.api("POST", "/users", {"name": name}).status_code == 201
    every = signed_in.get("/users")
    first = signed_in.get("/users?limit=2")
    second = signed_in.get(f"/users?limit=2&cursor={first['next']}")
    assert (len(first["items"]), every["next"], second["next"]) == (2, None, None)
    assert first["items"] + second["items"] == every["items"]


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "source", "says"),
    [
        (
            "POST",
            "/api-keys",
            {"name": "n", "role": "boss"},
            "role",
            "body",
            "must be one of viewer",
        ),
        ("POST", "/api-keys", {"name": 5, "role": "admin"}, "name", "body", "must be text"),
        ("POST", "/api-keys", {"role": "admin"}, "name", "body", "is required"),
        ("POST", "/users", {"name": "n" * 256, "role": "admin"}, "name", "body", "at most 255"),
        (
            "POST",
            "/sql",
            {"statement": "x", "timeout_seconds": 301},
            "timeout_seconds",
            "body",
            "must be at most 300",
        ),
        ("POST", "/sql", {"statement": "x" * 100_001}, "statement", "body", "100000 characters"),
        ("GET", "/objects/parts?state=old", None, "state", "query", "must be one of fresh, stale"),
        ("GET", "/objects/parts?at=soon", None, "at", "query", "“soon” is not a valid time"),
        ("GET", "/objects/parts/1/diff", None, "from", "query", "is required"),
    ],
)
def test_invalid_values_are_explained_without_types_of_the_code(
    signed_in: Any, method: str, path: str, body: Any, field: str, source: str, says: str
) -> None:
    answer = signed_in.api(method, path, body)
    problem = answer.json()
    assert (422, "application/problem+json") == (answer.status_code, answer.headers["content-type"])
    [found] = problem["errors"]
    assert (field, source) == (found["field"], found["source"])
    assert says in found["message"]
    assert says in problem["detail"]
    assert "`" not in problem["detail"]


def test_long_values_are_not_repeated_as_a_whole(signed_in: Any) -> None:
    answer = signed_in.api("GET", f"/objects/parts?at={'x' * 5000}")
    assert answer.status_code == 422
    assert len(answer.json()["detail"]) <= 2000
