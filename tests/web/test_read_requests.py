"""GET and HEAD requests do not change the database, except times of last use."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar.routes import HTTPRoute
from sqlalchemy import Connection, inspect, select
from tests.web.conftest import ADMIN_KEY

from ultraviolet.db.tables.metadata import metadata
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.hub.sync import verification_store
from ultraviolet.hub.sync.fetch import request_fetch
from ultraviolet.mirror import field_indexes
from ultraviolet.web.app import create_routes

NOTED = {"last_used_at"}
"""When a key or a session was last used, once a minute at most: documented."""
STREAMS = {"/live", "/api/v1/changes/stream"}


@pytest.fixture
def integration(edge: Any, local_ion: Any) -> dict[str, Any]:
    """An integration that no controller follows, with a receiver created manually in ION."""

    def connect(connection: Connection) -> tuple[int, str]:
        given = NewIntegration(
            "plant", local_ion.url, local_ion.url, local_ion.client_id, local_ion.client_secret
        )
        made = integrations.create(connection, edge.hub.secrets, "test", given)
        request_fetch(connection, made.id, "full", "test")
        verification_store.request(connection, made.id, "test", None)
        return made.id, webhook_urls.create_url(connection, "test", made.id, "by hand")[1]

    id_, token = edge.hub.database.write_now(connect)
    receiver = {
        "name": "by hand",
        "webhookUri": webhook_urls.public_address(edge.hub.public_url, token),
    }
    local_ion.execute(webhook_setup.webhooks.CREATE_RECEIVER, input=receiver)
    return {"id": id_}


def content(edge: Any) -> dict[str, list[Any]]:
    """Read every row of every table, and the names of all indexes."""

    def read(connection: Connection) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {
            table.name: sorted(
                repr({name: value for name, value in row.items() if name not in NOTED})
                for row in connection.execute(select(table)).mappings()
            )
            for table in metadata.tables.values()
        }
        schema = inspect(connection)
        found["indexes"] = sorted(
            str(one["name"])
            for name in schema.get_table_names()
            for one in schema.get_indexes(name)
        )
        return found

    return edge.hub.database.read_now(read)


def addresses(edge: Any) -> list[str]:
    """Fill in every address that takes a GET."""
    known = {
        "integration": "1",
        "resource": "parts",
        "name": "parts",
        "mode": "full",
        "file_path": "app.css",
    }
    found: list[str] = []
    for route in create_routes("", "pages").routes:
        if isinstance(route, HTTPRoute) and "GET" in route.methods:
            parts = [
                part if isinstance(part, str) else known.get(part.name, "1")
                for part in route.path_components
            ]
            found.append("/" + "/".join(parts))
    return sorted(set(found) - STREAMS)


def test_get_and_head_do_not_write(
    signed_in: Any,
    integration: dict[str, Any],
    keep: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(field_indexes, "MIN_OBJECTS", 1)
    keep(
        "parts",
        {"id": 1, "description": "one"},
        {"id": 2, "description": "two"},
        {"id": 3, "description": "x"},
    )
    asked = [
        *addresses(signed_in),
        "/objects/parts?sort=description",
        "/objects/parts?where=description:is:one",
    ]
    assert len(asked) > 70
    before = content(signed_in)
    answered: dict[str, int] = {}

    for address in asked:
        key = {"authorization": f"Bearer {ADMIN_KEY}"} if address.startswith("/api") else {}
        for method in ("GET", "HEAD"):
            answer = signed_in.send(method, address, headers=key)
            answered[f"{method} {address}"] = answer.status_code
            assert answer.status_code < 500, (method, address, answer.text)
    signed_in.runner.run(signed_in.hub.field_indexes.settled())

    after = content(signed_in)
    assert {name: rows for name, rows in after.items() if rows != before[name]} == {}
    assert answered["GET /api/v1/integrations/1/setup"] == 200
    assert answered[f"GET /integrations/{integration['id']}/set-up"] == 200
