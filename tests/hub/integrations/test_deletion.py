"""The data of a removed integration is deleted in batches; that of others stays."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from tests.idle_hub import IdleHub, run

from ultraviolet.db.integrity import check_integrity
from ultraviolet.db.tables.metadata import metadata
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.deletion import IntegrationDeleter
from ultraviolet.mirror import purge

MANY = {"events", "event_keys", "objects", "versions", "stale", "links"}


def order(number: int) -> bytes:
    told = {"eventId": number, "resource": "PURCHASE_ORDERS", "action": "UPDATE", "id": number + 1}
    return json.dumps(told | {"new": {"supplierId": 5}}).encode()


@pytest.fixture
def integration_pair(tmp_path: Path, store_url: str) -> Iterator[tuple[IdleHub, IdleHub]]:
    """Two integrations of a hub with the same events."""
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    made = IdleHub(hub, "one"), IdleHub(hub, "other")
    for idle_hub in made:
        for number in range(7):
            assert run(idle_hub.deliver(order(number))) == [200]
        assert idle_hub.apply_events() == 7
    yield made
    hub.close()


def counts(connection: Connection, integration_id: int) -> dict[str, int]:
    """Return the number of rows of an integration in each table."""
    return {
        table.name: connection.execute(
            select(func.count()).select_from(table).where(table.c.integration_id == integration_id)
        ).scalar_one()
        for table in metadata.tables.values()
        if "integration_id" in table.c
    }


def test_deletion_removes_all_data_of_one_integration_only(
    integration_pair: tuple[IdleHub, IdleHub],
) -> None:
    removed, other = integration_pair
    database = removed.hub.database
    before = database.read_now(counts, other.integration_id)
    assert {name for name, count in before.items() if count >= 7} >= MANY
    database.write_now(integrations.remove, "kim", removed.integration_id)
    assert run(removed.deliver(order(99))) == [404]

    run(IntegrationDeleter(database, PubSub()).begin())

    assert not any(database.read_now(counts, removed.integration_id).values())
    assert database.read_now(counts, other.integration_id) == before
    assert [one.name for one in database.read_now(integrations.list_page)] == ["other"]
    assert all(finding.well for finding in database.read_now(check_integrity))


def test_deletion_removes_small_batches(
    integration_pair: tuple[IdleHub, IdleHub], monkeypatch: pytest.MonkeyPatch
) -> None:
    removed, _ = integration_pair
    monkeypatch.setattr(purge, "BATCH_ROWS", 2)
    monkeypatch.setattr(purge, "_POSTGRESQL_BATCH_FACTOR", 1)
    left = sum(removed.hub.database.read_now(counts, removed.integration_id).values())
    steps = 0
    while removed.hub.database.write_now(purge.delete_integration_batch, removed.integration_id):
        now = sum(removed.hub.database.read_now(counts, removed.integration_id).values())
        assert 1 <= left - now <= 2
        left, steps = now, steps + 1
    assert steps >= len(MANY) * 4
