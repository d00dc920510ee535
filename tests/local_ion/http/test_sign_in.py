"""Sign-in of older scripts, and Keycloak's public documents."""

import json
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from litestar.testing import TestClient

from ultraviolet.local_ion.auth.viewers import Credentials
from ultraviolet.local_ion.http.app import create_app
from ultraviolet.local_ion.server import LocalIonServer, ServeOptions

KEY = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}
REALM = "/realms/api-keys"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient[Any]]:
    data = tmp_path_factory.mktemp("ion")
    process = LocalIonServer(ServeOptions(data=data, plant=False), Credentials("id", "secret"))
    with TestClient(create_app(process.app_state, lifespan=[process.lifespan])) as client:
        yield client


@pytest.mark.parametrize("format_", ["json", "data"])
def test_older_scripts_sign_in_with_json_or_a_form(client: TestClient[Any], format_: str) -> None:
    given: dict[str, Any] = {format_: {**KEY, "audience": "https://api"}}
    answer = client.post("/oauth/token", **given)
    assert answer.status_code == 200
    headers = {"authorization": answer.json()["access_token"]}
    me = client.post("/graphql", json={"query": "{ me { id } }"}, headers=headers)
    assert me.json() == {"data": {"me": {"id": 1}}}


@pytest.mark.parametrize("kind", ["Application/JSON", "application/json ; charset=UTF-8"])
def test_media_type_is_read_in_any_case(client: TestClient[Any], kind: str) -> None:
    content, headers = json.dumps(KEY).encode(), {"content-type": kind}
    assert client.post("/oauth/token", content=content, headers=headers).status_code == 200


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"grant_type": 1}', b"null"])
def test_malformed_json_is_rejected(client: TestClient[Any], body: bytes) -> None:
    headers = {"content-type": "application/json"}
    assert client.post("/oauth/token", content=body, headers=headers).status_code == 400


@pytest.mark.parametrize("prefix", ["", "/auth"])
def test_published_keys_verify_tokens(client: TestClient[Any], prefix: str) -> None:
    found = client.get(f"{prefix}{REALM}/.well-known/openid-configuration").json()
    path = found["token_endpoint"].removeprefix(found["issuer"].removesuffix(REALM))
    token = client.post(path, data=KEY).json()["access_token"]
    (key,) = client.get(f"{prefix}{REALM}/protocol/openid-connect/certs").json()["keys"]
    assert key["kid"] == jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, jwt.PyJWK(key).key, algorithms=["RS256"], issuer=found["issuer"])
    assert claims["azp"] == "id"
    assert found["jwks_uri"].endswith(f"{REALM}/protocol/openid-connect/certs")
