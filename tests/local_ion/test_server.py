"""The local ION as a process: tokens, GraphQL over HTTP, readiness, pages, start and stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.testing import TestClient

from ultraviolet.local_ion.auth.viewers import Credentials
from ultraviolet.local_ion.http.app import create_app
from ultraviolet.local_ion.server import LocalIonServer, ServeOptions

TOKEN = "/realms/api-keys/protocol/openid-connect/token"
ME = "{ me { name organization { domain } } }"
KEY = Credentials("fixed-id", "fixed-secret")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    process = LocalIonServer(ServeOptions(data=tmp_path_factory.mktemp("ion"), plant=False), KEY)
    with TestClient(
        create_app(process.app_state, lifespan=[process.lifespan]), base_url="http://ion.local"
    ) as client:
        yield client


def grant(
    client_id: str = "fixed-id", client_secret: str = "fixed-secret", **more: str
) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
    } | more


@pytest.fixture(scope="module")
def token(client: TestClient[Any]) -> str:
    return client.post(TOKEN, data=grant()).json()["access_token"]


@pytest.mark.parametrize("path", [TOKEN, f"/auth{TOKEN}"])
def test_client_credentials_get_a_token(client: TestClient[Any], path: str) -> None:
    answer = client.post(path, data=grant(audience="http://ion.local"))
    assert answer.status_code == 200
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 300)


def test_basic_authentication_gets_a_token(client: TestClient[Any]) -> None:
    answer = client.post(
        TOKEN, data={"grant_type": "client_credentials"}, auth=(KEY.client_id, KEY.client_secret)
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        (grant(client_secret="wrong"), 401, "invalid_client"),
        (grant(client_id="unknown"), 401, "invalid_client"),
        (grant(grant_type="password"), 400, "unsupported_grant_type"),
        ({}, 400, "unsupported_grant_type"),
    ],
)
def test_invalid_credentials_get_no_token(
    client: TestClient[Any], form: dict[str, str], status: int, error: str
) -> None:
    answer = client.post(TOKEN, data=form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize("prefix", ["", "Bearer ", "Token "])
def test_graphql_accepts_the_token_in_each_form(
    client: TestClient[Any], token: str, prefix: str
) -> None:
    answer = client.post("/graphql", json={"query": ME}, headers={"authorization": prefix + token})
    assert answer.status_code == 200
    assert answer.json()["data"]["me"]["organization"]["domain"]


def test_graphql_executes_a_batch_in_order(client: TestClient[Any], token: str) -> None:
    batch = [{"query": "{ me { id } }"}, {"query": "{ nothing }"}, {"query": ME, "variables": {}}]
    answer = client.post("/graphql", json=batch, headers={"authorization": token})
    assert [sorted(each) for each in answer.json()] == [["data"], ["errors"], ["data"]]


def test_graphql_errors_have_status_200(client: TestClient[Any], token: str) -> None:
    answer = client.post(
        "/graphql", json={"query": "{ nothing }"}, headers={"authorization": token}
    )
    assert answer.status_code == 200
    assert "nothing" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'{"variables": {}}', b'{"query": 5}', b'"query"']
)
def test_malformed_requests_are_400(client: TestClient[Any], token: str, body: bytes) -> None:
    answer = client.post("/graphql", content=body, headers={"authorization": token})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"].startswith("The request is malformed")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "Please provide proper credentials"),
        ({"authorization": "Bearer nonsense"}, "Unable to parse authentication token"),
    ],
)
def test_unauthenticated_request_is_401(
    client: TestClient[Any], headers: dict[str, str], message: str
) -> None:
    answer = client.post("/graphql", json={"query": ME}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"errors": [{"message": message}]})


def test_created_api_key_works(client: TestClient[Any], token: str) -> None:
    document = "mutation { createApiKey { apikey { clientId clientSecret } } }"
    made = client.post(
        "/graphql", json={"query": document}, headers={"authorization": token}
    ).json()
    key = made["data"]["createApiKey"]["apikey"]
    other = client.post(TOKEN, data=grant(key["clientId"], key["clientSecret"])).json()[
        "access_token"
    ]
    answer = client.post("/graphql", json={"query": ME}, headers={"authorization": other})
    assert "errors" not in answer.json()


def test_query_runner_is_authenticated_only_by_its_own_page(client: TestClient[Any]) -> None:
    page = client.get("/")
    assert "graphiql.min.js" in page.text
    cookie = page.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    ask = {"json": {"query": ME}}
    assert client.post("/graphql", **ask, headers={"origin": "http://ion.local"}).status_code == 200
    assert client.post("/graphql", **ask, headers={"origin": "http://elsewhere"}).status_code == 401
    assert client.post("/graphql", **ask).status_code == 401
    client.cookies.clear()
    assert client.post("/graphql", **ask, headers={"origin": "http://ion.local"}).status_code == 401


@pytest.mark.parametrize(
    "file",
    [
        "graphiql.min.js",
        "graphiql.min.css",
        "react.production.min.js",
        "react-dom.production.min.js",
        "runner.js",
    ],
)
def test_query_runner_has_no_external_files(client: TestClient[Any], file: str) -> None:
    assert f"/static/{file}" in client.get("/").text
    assert client.get(f"/static/{file}").status_code == 200


def test_home_links_to_the_query_runner(client: TestClient[Any]) -> None:
    page = client.get("/home")
    assert page.status_code == 200
    assert '<a href="/">Query runner</a>' in page.text
    assert "Purchase orders" in page.text


def test_ready_reports_the_setup(client: TestClient[Any]) -> None:
    deadline = time.monotonic() + 5
    while client.get("/_local/ready").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(data: Path, *options: str, **environment: str) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "ultraviolet",
        "ion",
        "serve",
        "--data",
        str(data),
        "--port",
        str(free_port()),
    ]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("ION_")}
    return subprocess.Popen(
        [*command, *options],
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=15)
    return out


def banner(process: subprocess.Popen[str], until: str) -> str:
    assert process.stdout is not None
    text = ""
    while until not in text:
        line = process.stdout.readline()
        assert line, text
        text += line
    return text


def test_credentials_are_printed_once_and_sigterm_stops_the_server(tmp_path: Path) -> None:
    first = start(tmp_path, "--no-plant")
    assert "Client secret" in banner(first, "Client secret")
    stop(first)
    assert first.returncode == 0
    second = start(tmp_path, "--no-plant")
    out = banner(second, "Auth server")
    assert "Client secret" not in out + stop(second)


def test_fixed_credentials_are_not_printed(tmp_path: Path) -> None:
    process = start(tmp_path, "--no-plant", ION_CLIENT_ID="me", ION_CLIENT_SECRET="s3cret-s3cret")
    out = banner(process, "Auth server")
    assert "s3cret-s3cret" not in out + stop(process)


def test_unknown_quirk_has_a_clear_message(tmp_path: Path) -> None:
    process = start(tmp_path, "--no-plant", "--no-quirk", "nonsense")
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 2
    assert "Unknown quirk nonsense" in out
