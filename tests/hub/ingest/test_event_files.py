"""Events from a file: dated as another hub dated them, as far as that is a time that has been."""

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


def take_in(door: Door, received_at: str) -> str:
    """Import an event and give the time that is kept of it."""
    line = Line(17, received_at, "00" * 32, {}, "verified", body=body(1).decode())
    run(door.hub.requests.import_events(door.integration_id, "somebody", [line]))
    return door.rows(events)[0].received_at


@pytest.mark.parametrize(
    "written",
    ["2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00", "2026-01-01T00:00:00.000000+00:00"],
)
def test_a_time_is_kept_in_the_one_form(door: Door, written: str) -> None:
    assert take_in(door, written) == "2026-01-01T00:00:00.000000+00:00"


@pytest.mark.parametrize("written", ["yesterday", "", "0001-01-01T00:00:00+01:00"])
def test_what_is_no_time_is_refused_by_the_number_of_its_event(door: Door, written: str) -> None:
    with pytest.raises(InvalidError, match="Event 17 has an invalid key, time or body"):
        take_in(door, written)
    assert door.rows(events) == []


def test_a_time_to_come_is_taken_for_the_present(door: Door) -> None:
    """Else the hub's own clock would go on from there when it is started again."""
    assert take_in(door, "2099-01-01T00:00:00.000000+00:00") <= now_rfc3339()
