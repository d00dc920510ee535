"""OpenAPI document: descriptions, valid examples, and one format of errors."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

Json = dict[str, Any]
VERB = re.compile(
    r"(list|get|create|update|delete|test|pause|resume|apply|revoke|rotate|replay|import|export|stream|run)_"
)
REFUSALS = {"400", "401", "403", "404", "409", "413", "422", "429", "500", "502", "503"}


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture
def document(edge: Any) -> Json:
    return edge.send("GET", "/api/openapi.json").json()


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: Json) -> Iterator[Json]:
    yield from operation.get("requestBody", {}).get("content", {}).values()
    for response in operation["responses"].values():
        yield from response.get("content", {}).values()


def test_every_operation_has_summary_description_and_role(document: Json) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert sorted(set(names)) == sorted(names)
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for name, operation in operations(document):
        assert 0 < len(operation["summary"]) <= 40, name
        assert VERB.match(operation["operationId"]), name
        assert len(operation["description"]) > 10, name
        assert set(operation["tags"]) <= tags, name
        assert operation["security"][0]["key"], name
        assert set(operation["responses"]) >= REFUSALS, name


def test_texts_use_sync_and_correction(document: Json) -> None:
    """`fetch` and `drift` are names for programs; they occur in code and in the names of schemas."""
    described = [*document["tags"], *(one for _, one in operations(document))]
    described += [one for name, one in document["components"]["schemas"].items()]
    texts = [f"{one.get('summary', '')} {one['description']}" for one in described]
    named = re.compile(r"\b(?:fetch(?:es|ed|ing)?|drifts?)\b", re.IGNORECASE)
    assert [text for text in texts if named.search(re.sub("`[^`]*`", "", text))] == []


def test_every_schema_states_its_type(document: Json) -> None:
    """Scalar rejects schemas without a type, such as one with choices only."""

    def check(schema: Json, place: str) -> None:
        assert "type" in schema or "$ref" in schema, place
        for key in ("properties", "items", "additionalProperties", "oneOf"):
            inner = schema.get(key, {})
            parts = inner.values() if key == "properties" else inner
            for one in parts if key in ("properties", "oneOf") else [inner]:
                if isinstance(one, dict) and one:
                    check(one, f"{place} {key}")

    for name, schema in document["components"]["schemas"].items():
        check(schema, name)


def test_introduction_explains_what_all_operations_share(edge: Any, document: Json) -> None:
    text = document["info"]["description"]
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [
        "Authentication",
        "Pages of a list",
        "Filters",
        "Errors",
        "Repeated requests",
    ]
    parameters = {
        parameter.get("name", parameter.get("$ref", "").rpartition("/")[2])
        for _, operation in operations(document)
        for parameter in operation["parameters"]
    }
    named = {"cursor", "limit", "integration", "filter", "sort", "column", "at"}
    assert named | {"Idempotency-Key", "If-Match"} <= parameters
    assert {name for name in named if f"`{name}" in text or f"{name}=" in text} == named
    example = re.search(r"^filter=(.+)$", text, re.MULTILINE)
    assert example
    assert json.loads(example[1])["status"] == {"eq": "ORDERED"}
    (link,) = re.findall(r"\]\((/[^)]+)\)", text)
    assert edge.send("GET", link).status_code in (200, 303)


def test_every_body_has_a_valid_example(document: Json) -> None:
    seen = 0
    for name, operation in operations(document):
        for content in contents(operation):
            assert "example" in content, name
            schema = {**content["schema"], "components": document["components"]}
            jsonschema_rs.Draft202012Validator(schema).validate(content["example"])
            seen += 1
        for parameter in operation["parameters"]:
            assert "example" in parameter or "$ref" in parameter, (name, parameter)
    assert seen > 500


def test_every_list_is_a_page(document: Json) -> None:
    """A list has `items` and `next`, and takes `cursor` and `limit`."""
    schemas = document["components"]["schemas"]
    for name, operation in operations(document):
        answer = (
            operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        )
        schema = answer.get("schema", {})
        assert schema.get("type") != "array", name
        if schema.get("$ref", "").endswith("Page"):
            assert set(schemas[schema["$ref"].rsplit("/", 1)[-1]]["properties"]) == {
                "items",
                "next",
            }, name
        if not schema:
            continue
        given = {parameter.get("name") for parameter in operation["parameters"]}
        assert ("cursor" in given) <= ("limit" in given), name


ERRORS: list[tuple[str, str, Any, int, str, str | None]] = [
    ("POST", "/integrations", {"name": "x"}, 422, "invalid", "api_url"),
    ("POST", "/api-keys", {"name": "x", "role": "boss"}, 422, "invalid", "role"),
    ("POST", "/users", {"name": " "}, 422, "invalid", "name"),
    ("POST", "/api-keys", {"name": "x", "color": "red"}, 422, "invalid", "color"),
    ("GET", "/events?limit=0", None, 422, "invalid", "limit"),
    ("GET", "/objects/parts?state=ill", None, 422, "invalid", "state"),
    ("GET", "/diffs/parts", None, 422, "invalid", "from"),
    ("GET", "/events?cursor=!", None, 422, "invalid", "cursor"),
    ("PUT", "/events", None, 405, "method-not-allowed", None),
    ("GET", "/nowhere", None, 404, "not-found", None),
    ("POST", "/api-keys", {"name": "x" * 5_000_000}, 413, "too-large", None),
]


def test_every_error_has_the_same_format(edge: Any, subtests: pytest.Subtests) -> None:
    for method, path, body, status, kind, field in ERRORS:
        with subtests.test(method=method, path=path):
            answer = edge.api(method, path, body)
            problem = answer.json()
            assert (answer.status_code, problem["status"]) == (status, status), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
            assert problem["type"].endswith(f"#{kind}")
            assert problem["title"]
            assert problem["detail"]
            invalid = [one["field"] for one in problem.get("errors", [])]
            assert invalid == ([field] if field else [])
            allowed = answer.headers.get("allow", "").split(", ")
            assert status != 405 or set(allowed) == {"GET", "HEAD", "OPTIONS"}


def test_internal_errors_reveal_no_internals(edge: Any, monkeypatch: Any) -> None:
    async def broken(work: Any) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr(edge.hub.database, "read", broken)
    answer = edge.send("GET", "/api/v1/me", headers={"accept": "application/json"})
    assert answer.status_code == 401
    answer = edge.api("GET", "/me")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "inside" not in answer.text
