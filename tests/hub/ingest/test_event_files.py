"""Imported events keep the time of the other hub, unless it is invalid or in the future."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.idle_hub import Door, body, run

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.events import events
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest.event_files import Line


@pytest.fixture
def door(tmp_path: Path, store_url: str) -> Iterator[Door]:
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    yield Door(hub)
    hub.close()


def import_event(door: Door, received_at: str) -> str:
    """Import an event and return its stored time."""
    line = Line(17, received_at, "00" * 32, {}, "verified", body=body(1).decode())
    run(door.hub.requests.import_events(door.integration_id, "kim", [line]))
    return door.rows(events)[0].received_at


@pytest.mark.parametrize(
    "written",
    ["2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00", "2026-01-01T00:00:00.000000+00:00"],
)
def test_time_is_normalized(door: Door, written: str) -> None:
    assert import_event(door, written) == "2026-01-01T00:00:00.000000+00:00"


@pytest.mark.parametrize("written", ["yesterday", "", "0001-01-01T00:00:00+01:00"])
def test_invalid_time_is_rejected_with_the_number_of_its_event(door: Door, written: str) -> None:
    with pytest.raises(InvalidError, match="Event 17 has an invalid key, time or body"):
        import_event(door, written)
    assert door.rows(events) == []


def test_future_time_becomes_the_present(door: Door) -> None:
    """Otherwise the clock of the hub would continue from there after a restart."""
    assert import_event(door, "2099-01-01T00:00:00.000000+00:00") <= now_rfc3339()
