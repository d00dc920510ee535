"""What a removed integration brought goes little by little, on either store; that of others stays."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select
from tests.door import Door, run

from ultraviolet.hub import integrations
from ultraviolet.hub.broadcast import Broadcast
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.leaving import Leaving
from ultraviolet.hub.settings import Settings
from ultraviolet.mirror import removal
from ultraviolet.mirror.check import check
from ultraviolet.mirror.tables import metadata

MANY = {"events", "event_keys", "objects", "versions", "stale", "links"}


def order(number: int) -> bytes:
    told = {"eventId": number, "resource": "PURCHASE_ORDERS", "action": "UPDATE", "id": number + 1}
    return json.dumps(told | {"new": {"supplierId": 5}}).encode()


@pytest.fixture
def doors(tmp_path: Path, store_url: str) -> Iterator[tuple[Door, Door]]:
    """Two integrations of a hub that have heard the same."""
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    made = Door(hub, "one"), Door(hub, "other")
    for door in made:
        for number in range(7):
            assert run(door.deliver(order(number))) == [200]
        assert door.take() == 7
    yield made
    hub.close()


def counts(connection: Connection, integration_id: int) -> dict[str, int]:
    """How many rows each table has of an integration."""
    return {
        table.name: connection.execute(
            select(func.count()).select_from(table).where(table.c.integration_id == integration_id)
        ).scalar_one()
        for table in metadata.tables.values()
        if "integration_id" in table.c
    }


def test_nothing_is_left_of_it_and_nothing_gone_of_another(doors: tuple[Door, Door]) -> None:
    leaves, stays = doors
    store = leaves.hub.store
    before = store.read_now(lambda c: counts(c, stays.integration_id))
    assert {name for name, count in before.items() if count >= 7} == MANY
    store.write_now(lambda c: integrations.remove(c, "kim", leaves.integration_id))
    assert run(leaves.deliver(order(99))) == [404]

    run(Leaving(store, Broadcast()).begin())

    assert not any(store.read_now(lambda c: counts(c, leaves.integration_id)).values())
    assert store.read_now(lambda c: counts(c, stays.integration_id)) == before
    assert [one.name for one in store.read_now(integrations.list_page)] == ["other"]
    assert all(finding.well for finding in store.read_now(check))


def test_each_step_removes_a_little(
    doors: tuple[Door, Door], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaves, _ = doors
    monkeypatch.setattr(removal, "WINDOW", 2)
    monkeypatch.setattr(removal, "_BESIDE", 1)
    left = sum(leaves.hub.store.read_now(lambda c: counts(c, leaves.integration_id)).values())
    steps = 0
    while leaves.hub.store.write_now(lambda c: removal.empty_some(c, leaves.integration_id)):
        now = sum(leaves.hub.store.read_now(lambda c: counts(c, leaves.integration_id)).values())
        assert 1 <= left - now <= 2
        left, steps = now, steps + 1
    assert steps >= len(MANY) * 4
