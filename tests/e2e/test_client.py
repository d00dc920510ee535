"""The typed client against running hubs: reads, changes and the stream of changes."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import HubProcess, StartHub
from tests.postgresql import Postgresql

from ultraviolet import Client, clock
from ultraviolet.client import ProblemError
from ultraviolet.db.database import Database
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

NEW = {
    "api_url": "http://127.0.0.1:9",
    "auth_url": "http://127.0.0.1:9",
    "client_id": "c",
    "client_secret": "s",
}


class Mirror:
    """Changes the mirror of a hub from this process."""

    def __init__(self, hub: HubProcess) -> None:
        self.database, self.catalog = Database.open(hub.store_url), load_catalog()

    def apply(self, integration_id: int, *ids: int, name: str = "a") -> None:
        for id_ in ids:
            now = clock.now_rfc3339()
            doc = {"id": id_, "partNumber": name}
            seen = Observation(
                "parts", str(id_), "full", doc, now, Origin("fetch", "1"), read_started_at=now
            )
            self.database.write_now(apply, self.catalog, integration_id, [seen])


@pytest.fixture(params=["sqlite", "postgresql"])
def hub(request: pytest.FixtureRequest, start_hub: StartHub) -> HubProcess:
    if request.param == "sqlite":
        return start_hub()
    postgresql: Postgresql = request.getfixturevalue("postgresql")
    return start_hub("--workers", "2", store_url=postgresql.new_database())


@pytest.fixture
def client(hub: HubProcess) -> Iterator[Client]:
    with Client(hub.url, hub.key) as client:
        yield client


def test_client_reads_changes_and_follows(hub: HubProcess, client: Client) -> None:
    plant = client.create_integration(name="plant", **NEW)
    client.pause_integration("plant")
    mirror = Mirror(hub)
    mirror.apply(plant.id, 1, 2, 3)

    assert ["1", "2", "3"] == [one.id for one in client.list_objects("parts", sort="id")]
    found = client.list_objects(
        "Part", filter={"partNumber": {"eq": "a"}, "id": {"gt": 1}}, limit=1
    )
    assert ["2"] == [one.id for one in found]
    assert {"partNumber": "a"}.items() <= client.get_object("parts", "1").fields.items()
    assert b'"part_number":"a"' in b"".join(client.export_objects("parts", format="jsonl")).replace(
        b" ", b""
    )

    client.get_integration(plant.id)
    seen = client.etag
    assert (
        5
        == client.update_integration(
            "plant", requests_per_second=5, if_match=seen
        ).requests_per_second
    )
    with pytest.raises(ProblemError) as caught:
        client.update_integration("plant", requests_per_second=6, if_match=seen)
    assert "precondition-failed" == caught.value.kind

    changes = client.changes(integration="plant")
    assert ["1", "2", "3"] == [next(changes).id for _ in range(3)]
    mirror.apply(plant.id, 2, name="b")
    change = next(changes)
    assert ("2", 2, "update", ["partNumber"]) == (
        change.id,
        change.version,
        change.change,
        change.changed,
    )
    changes.close()

    mirror.apply(plant.id, 4)
    again = client.changes(cursor=change.cursor)
    assert "4" == next(again).id
    again.close()
    mirror.database.close()
    followed: Any = hub.cli("changes", "--resource", "parts", "--limit", "2", "--json")
    assert ["1", "2"] == [one["id"] for one in json.loads(followed.stdout)], followed.stderr
