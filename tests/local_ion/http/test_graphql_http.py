"""GraphQL over HTTP: methods, media types, malformed requests."""

import http.client
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from ultraviolet.testing import LocalIonProcess

GRAPHQL = "application/graphql-response+json"
ME = {"query": "{ me { id } }"}


def send(
    ion: LocalIonProcess, method: str, path: str = "/graphql", body: Any = None, **headers: str
) -> tuple[int, str, Any]:
    connection = http.client.HTTPConnection(urlsplit(ion.url).netloc, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, content, {"authorization": ion.token(), **named})
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer.status, answer.headers["content-type"] or "", json.loads(read) if read else None


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL};charset=utf-8", GRAPHQL),
        (f"{GRAPHQL}, application/json;q=0.9", "application/json"),
        ("text/html", "application/json"),
    ],
)
def test_media_type_is_json_unless_only_the_newer_type_is_accepted(
    ion: LocalIonProcess, accept: str, media: str
) -> None:
    status, found, _ = send(ion, "POST", body=ME, accept=accept)
    assert (status, found) == (200, f"{media}; charset=utf-8")


@pytest.mark.parametrize(
    "query", ["{ nothing }", "{ me {", "query A { me { id } } query B { me { id } }"]
)
def test_graphql_errors_are_200_in_json_and_400_in_the_newer_type(
    ion: LocalIonProcess, query: str
) -> None:
    assert send(ion, "POST", body={"query": query})[0] == 200
    status, _, answer = send(ion, "POST", body={"query": query}, accept=GRAPHQL)
    assert status == 400
    assert answer["errors"][0]["message"]


def test_queries_are_accepted_by_get(ion: LocalIonProcess) -> None:
    parameters = {
        "query": "query One($id: ID!) { user(id: $id) { id } } query Two { me { id } }",
        "variables": '{"id": 1}',
        "operationName": "One",
    }
    assert send(ion, "GET", f"/graphql?{urlencode(parameters)}")[2] == {"data": {"user": {"id": 1}}}


@pytest.mark.parametrize(
    ("query", "name", "message"),
    [
        ("query One { me { id } }", "Two", "Unknown operation named 'Two'."),
        ("{ me { id } }", "Two", "Unknown operation named 'Two'."),
        (
            "query One { me { id } } query Two { me { id } }",
            None,
            "Must provide operation name if query contains multiple operations.",
        ),
    ],
)
def test_missing_operation_is_explained_like_graphql_core(
    ion: LocalIonProcess, query: str, name: str | None, message: str
) -> None:
    _, _, answer = send(ion, "POST", body={"query": query, "operationName": name})
    assert [error["message"] for error in answer["errors"]] == [message]


def test_mutations_are_rejected_by_get(ion: LocalIonProcess) -> None:
    parameters = urlencode(
        {"query": 'mutation { createSupplier(input: {name: "By GET"}) { supplier { id } } }'}
    )
    status, _, answer = send(ion, "GET", f"/graphql?{parameters}")
    assert status == 405
    assert "POST" in answer["errors"][0]["message"]
    found = ion.execute('{ suppliers(filters: {name: {eq: "By GET"}}) { edges { node { id } } } }')
    assert found["suppliers"]["edges"] == []


@pytest.mark.parametrize(
    "query", ["", "query=", "query=%7Bme%7Bid%7D%7D&variables=%7B", "query=a&extensions=1"]
)
def test_malformed_get_is_400_or_a_graphql_error(ion: LocalIonProcess, query: str) -> None:
    status, _, answer = send(ion, "GET", f"/graphql?{query}")
    assert status == 400
    assert answer["errors"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_405(ion: LocalIonProcess, method: str) -> None:
    assert send(ion, method, body=ME)[0] == 405


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
def test_other_content_types_are_415(ion: LocalIonProcess, content_type: str) -> None:
    assert send(ion, "POST", body=ME, content_type=content_type)[0] == 415


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/json; charset=utf-8"]
)
def test_body_without_content_type_is_json(ion: LocalIonProcess, content_type: str) -> None:
    given = {"content_type": content_type} if content_type else {}
    assert send(ion, "POST", body=json.dumps(ME).encode(), **given)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[" * 100_000,
        {"variables": {}},
        {"query": 5},
        {"query": None},
        {"query": "{ me { id } }", "variables": "x"},
        {"query": "{ me { id } }", "operationName": 1},
        {"query": "{ me { id } }", "extensions": []},
        [{"query": "{ me { id } }"}, 7],
    ],
    ids=lambda body: repr(body)[:40],
)
def test_malformed_body_is_400(ion: LocalIonProcess, body: Any) -> None:
    status, _, answer = send(ion, "POST", body=body, content_type="application/json")
    assert status == 400
    assert answer["errors"][0]["message"].startswith("The request is malformed")


def test_non_ascii_text_is_returned(ion: LocalIonProcess) -> None:
    name = "Schräubchen 🔩 GmbH"
    made = ion.execute(
        "mutation($name: String!) { createSupplier(input: {name: $name}) { supplier { name } } }",
        name=name,
    )
    assert made["createSupplier"]["supplier"]["name"] == name
