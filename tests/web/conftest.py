"""A hub in the process of the test, with a client that calls its application without a network."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ultraviolet import clock
from ultraviolet.hub.accounts import api_keys, sessions, users
from ultraviolet.hub.core.egress import LOOPBACK
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin
from ultraviolet.web.app import create_app

ADMIN_KEY = "uvk_admin-key-of-the-tests"
NEW = {
    "name": "plant",
    "api_url": "http://127.0.0.1:9",
    "auth_url": "http://127.0.0.1:9",
    "client_id": "client",
    "client_secret": "secret-of-ion",
}


class Edge:
    """The application and an HTTP client, on one event loop."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.runner = asyncio.Runner()
        self.runner.run(hub.ingest.refresh())
        self.app = create_app(hub)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://hub.test",
            headers={"accept": "text/html"},
        )

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Send one request with the stored cookies.

        Follow a redirect that only adds the integration to the address of a list.
        """
        answer = self.runner.run(self.client.request(method, path, **more))
        asked, goal = answer.request.url, httpx.URL(answer.headers.get("location", ""))
        added = goal.params.remove("integration")
        may_follow = method in ("GET", "HEAD") and goal.path == asked.path
        if may_follow and added == asked.params != goal.params:
            return self.runner.run(self.client.request(method, goal, **{**more, "params": None}))
        return answer

    def api(self, method: str, path: str, body: Any = None, key: str = ADMIN_KEY) -> httpx.Response:
        """Send an API request as the administrator."""
        headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        return self.send(method, f"/api/v1{path}", json=body, headers=headers)

    def get(self, path: str) -> Any:
        """Return the body of a successful API request."""
        answer = self.api("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def submit(self, path: str, **fields: str | list[str]) -> httpx.Response:
        """Submit a form with its CSRF token."""
        page = self.send("GET", "/")
        found = re.search(r'name="csrf" value="(\w+)"', page.text)
        assert found, page.text
        return self.send("POST", path, data={"csrf": found.group(1), **fields})

    def create(self, path: str, **fields: str | list[str]) -> str:
        """Send a form that creates a secret; return the page that shows it."""
        answer = self.submit(path, **fields)
        assert answer.status_code == 303, answer.text
        return self.send("GET", answer.headers["location"]).text

    def close(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.run(self.hub.stop())
        self.runner.close()
        self.hub.close()


@pytest.fixture
def hub_settings() -> dict[str, Any]:
    """Settings that a test overrides."""
    return {}


@pytest.fixture
def edge(tmp_path: Path, store_url: str, hub_settings: dict[str, Any]) -> Iterator[Edge]:
    given = {"data": tmp_path, "database_url": store_url, "public_url": "http://hub.test"}
    settings = Settings(**{**given, "allowed_targets": LOOPBACK, **hub_settings})
    hub = Hub.open(settings)
    hub.database.write_now(api_keys.set_key, "test", "admin", ADMIN_KEY)
    made = Edge(hub)
    yield made
    made.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def parts_hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """A hub with an integration on each database, shared by the tests of a module."""
    folder: Path = tmp_path_factory.mktemp("parts")
    url = f"sqlite:///{folder / 'hub.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    given = {"data": folder, "database_url": url, "public_url": "http://hub.test"}
    hub = Hub.open(Settings(**{**given, "allowed_targets": LOOPBACK}))
    hub.database.write_now(api_keys.set_key, "test", "admin", ADMIN_KEY)
    made = Edge(hub)
    assert made.api("POST", "/integrations", NEW).status_code == 201
    yield made
    made.close()


@pytest.fixture
def signed_in(edge: Edge) -> Edge:
    """The hub and client of `edge`, signed in as an administrator."""

    def link(connection: Any) -> str:
        return sessions.create_sign_in_link(
            connection, users.create_user(connection, "test", "ada", "admin").id
        )

    token = edge.hub.database.write_now(link)
    answer = edge.send("POST", f"/sign-in/{token}")
    assert answer.status_code == 303, answer.text
    return edge


@pytest.fixture
def keep(edge: Edge, integration: dict[str, Any]) -> Callable[..., None]:
    """Put objects into the mirror as a full read of ION would."""

    def keep(resource: str, *docs: dict[str, Any], into: int = integration["id"]) -> None:
        now = clock.now_rfc3339()
        observations = [
            Observation(
                resource,
                str(doc["id"]),
                "full",
                doc,
                now,
                Origin("fetch", "1"),
                read_started_at=now,
            )
            for doc in docs
        ]
        edge.hub.database.write_now(apply, edge.hub.catalog, into, observations, [])

    return keep


@pytest.fixture
def integration(edge: Edge) -> dict[str, Any]:
    """An integration, added through the API; its ION does not respond."""
    answer = edge.api("POST", "/integrations", NEW)
    assert answer.status_code == 201, answer.text
    return answer.json()
