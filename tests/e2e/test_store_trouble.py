"""Trouble with the store: nothing is acknowledged that is not kept, errors are clear, and all is well again afterwards."""

import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from tests.conftest import send

BODY = b'{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1}'


@pytest.fixture(scope="module")
def hub(module_hub: Any) -> Any:
    return module_hub()


@pytest.fixture(scope="module")
def url(hub: Any) -> str:
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    made = hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "x"})
    return hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "test"})["url"]


def post(url: str, number: int) -> int:
    return send("POST", url, BODY % number, content_type="application/json")[0]


def test_a_locked_database_puts_deliveries_off_and_loses_none(hub: Any, url: str, wait: Any) -> None:
    with closing(sqlite3.connect(hub.data / "hub.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert 503 == post(url, 1)
        other.execute("ROLLBACK")

    wait(lambda: post(url, 1) == 200, 20, "an acknowledgement")
    assert "1" in hub.stored_events()


def test_a_corrupt_last_page_of_the_log_loses_only_what_was_never_whole(start_hub: Any) -> None:
    """A power cut may tear what was being written; what was committed before it is there."""
    hub = start_hub()
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    made = hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "x"})
    url = hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "test"})["url"]
    assert [200, 200] == [post(url, 1), post(url, 2)]
    hub.child.kill()
    with (hub.data / "hub.db-wal").open("ab") as log:
        log.write(os.urandom(3000))

    again = start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]))

    assert {"1", "2"} <= again.stored_events()
    assert 200 == post(url, 3)
