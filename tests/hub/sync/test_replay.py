"""Replay: events take effect again, nothing goes backwards, and a preview changes nothing."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.hub.sync.plant import SUPPLIERS, clear
from tests.hub.table_ion import TableIon, make_site, row, select_all
from tests.idle_hub import IdleHub, run
from tests.mirror.observations import at

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.metadata import metadata
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.sync import replay
from ultraviolet.hub.sync.heal import Healer
from ultraviolet.hub.sync.replay import Range, Replayed


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_idle_hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[IdleHub]:
    path: Path = tmp_path_factory.mktemp("replay")
    url = f"sqlite:///{path / 'hub.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    hub = Hub.open(Settings(data=path, database_url=url, public_url="http://hub.test"))
    yield IdleHub(hub)
    hub.close()


@pytest.fixture
def idle_hub(module_idle_hub: IdleHub) -> IdleHub:
    clear(module_idle_hub.hub.database)
    return module_idle_hub


def told(number: int, id_: Any = 7, action: str = "UPDATE", **new: Any) -> bytes:
    """Return the body of an event; ION changed the supplier at second `number`."""
    body = {"eventId": number, "resource": "SUPPLIERS", "action": action, "id": id_}
    return json.dumps(body | {"new": {"id": id_, "_updated": at(number), **new}}).encode()


def receive(idle_hub: IdleHub, *bodies: bytes) -> list[int]:
    """Deliver and apply events; return the numbers of all events."""
    assert {200} == set(run(idle_hub.deliver(*bodies)))
    while idle_hub.apply_events():
        pass
    return [event.seq for event in idle_hub.rows(events)]


def heal(idle_hub: IdleHub, ion: TableIon) -> None:
    async def story() -> None:
        healer = Healer(make_site(idle_hub.hub.database, ion))
        await healer.heal_batch()
        await healer.stop()

    asyncio.run(story())


def replayed(idle_hub: IdleHub, seqs: list[int]) -> Replayed:
    site = make_site(idle_hub.hub.database, TableIon({}))
    return asyncio.run(replay.replay_events(site, seqs))


def preview(idle_hub: IdleHub, seqs: list[int], ion: TableIon) -> Replayed:
    return asyncio.run(replay.preview_replay(make_site(idle_hub.hub.database, ion), seqs))


def contents(database: Database) -> dict[str, list[Any]]:
    """Return all rows of all tables."""
    return {
        table.name: sorted(map(str, database.read_now(lambda c, t=table: c.execute(select(t)))))
        for table in metadata.sorted_tables
    }


def document(idle_hub: IdleHub, id_: int = 7) -> dict[str, Any] | None:
    query = f"SELECT doc FROM objects WHERE id = '{id_}' AND deleted_at IS NULL"
    rows = select_all(idle_hub.hub.database, query)
    return json.loads(rows[0].doc) if rows else None


def test_replayed_events_mark_their_objects_and_change_nothing(idle_hub: IdleHub) -> None:
    seqs = receive(idle_hub, told(1, name="a"), told(2, id_=8, name="b"))
    before = document(idle_hub), document(idle_hub, 8)
    heal(idle_hub, TableIon({SUPPLIERS: {7: row(7), 8: row(8)}}))
    assert [] == select_all(idle_hub.hub.database, "SELECT * FROM stale")

    result = replayed(idle_hub, seqs)

    assert (2, 2, 0, False) == (
        result.events,
        result.objects,
        result.not_understood,
        result.dry_run,
    )
    stale = select_all(idle_hub.hub.database, "SELECT id FROM stale ORDER BY id")
    assert ["7", "8"] == [r.id for r in stale]
    assert {"replayed"} == {event.outcome for event in idle_hub.rows(events)}
    assert all(before)


def test_old_event_never_overwrites_newer_content(idle_hub: IdleHub) -> None:
    seqs = receive(idle_hub, told(1, name="oldest"), told(2, name="old"))
    newest = row(7, _updated=now_rfc3339(), name="newest")
    heal(idle_hub, TableIon({SUPPLIERS: {7: newest}}))
    versions = "SELECT count(*) AS n FROM versions"
    [before] = select_all(idle_hub.hub.database, versions)

    for order in (seqs, seqs[::-1], seqs[:1]):
        replayed(idle_hub, order)
        assert newest == document(idle_hub)

    [after] = select_all(idle_hub.hub.database, versions)
    assert before == after, "no version was created"


def test_replayed_event_does_not_resurrect_a_deleted_object(idle_hub: IdleHub) -> None:
    seqs = receive(idle_hub, told(1, action="CREATE", name="a"))
    heal(idle_hub, TableIon({SUPPLIERS: {7: row(7)}}))
    receive(idle_hub, told(2, action="DELETE"))
    heal(idle_hub, TableIon({}))
    assert document(idle_hub) is None

    replayed(idle_hub, seqs)

    assert document(idle_hub) is None
    assert 1 == len(select_all(idle_hub.hub.database, "SELECT * FROM stale"))


def test_preview_changes_no_row(idle_hub: IdleHub) -> None:
    seqs = receive(idle_hub, told(1, name="a"), b"not JSON", told(3, id_=8, name="b"))
    ion = TableIon({SUPPLIERS: {7: row(7, name="in ION", _updated=at(9)), 8: row(8, name="b")}})
    before = contents(idle_hub.hub.database)

    result = preview(idle_hub, seqs, ion)

    assert before == contents(idle_hub.hub.database)
    assert (3, 2, 1, True) == (
        result.events,
        result.objects,
        result.not_understood,
        result.dry_run,
    )
    assert result.changes


def test_preview_lists_the_changed_fields(idle_hub: IdleHub) -> None:
    seqs = receive(idle_hub, told(1, name="a"))
    heal(idle_hub, TableIon({SUPPLIERS: {7: row(7, name="a", _updated=at(5))}}))
    ion = TableIon({SUPPLIERS: {7: row(7, name="b", _updated=at(9))}})

    [change] = preview(idle_hub, seqs, ion).changes

    assert (SUPPLIERS, "7", "update") == (change.resource, change.id, change.change)
    assert {"_updated": (at(5), at(9)), "name": ("a", "b")} == {
        field.name: (field.old, field.new) for field in change.fields
    }


def test_preview_lists_nothing_if_mirror_and_ion_are_equal(idle_hub: IdleHub) -> None:
    seqs = receive(idle_hub, told(1, name="a"))
    ion = TableIon({SUPPLIERS: {7: row(7, name="a", _updated=at(5))}})
    heal(idle_hub, ion)
    assert [] == preview(idle_hub, seqs, ion).changes


@pytest.mark.parametrize("known", [False, True])
def test_preview_lists_creations_and_deletions(idle_hub: IdleHub, known: bool) -> None:
    body = told(1, name="a") if known else told(1)
    seqs = receive(idle_hub, body, told(2, action="DELETE"))
    if known:
        heal(idle_hub, TableIon({SUPPLIERS: {7: row(7, name="a", _updated=at(5))}}))
    else:
        clear_objects(idle_hub)
    ion = TableIon({} if known else {SUPPLIERS: {7: row(7, name="a", _updated=at(5))}})

    [change] = preview(idle_hub, seqs, ion).changes

    assert ("delete" if known else "create") == change.change
    assert "name" in {field.name for field in change.fields}


def clear_objects(idle_hub: IdleHub) -> None:
    for table in ("links", "versions", "stale", "objects"):
        with idle_hub.hub.database.engine.begin() as connection:
            connection.exec_driver_sql(f"DELETE FROM {table}")


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Range(from_seq=2), [2, 3, 4]),
        (Range(to_seq=2), [1, 2]),
        (Range(from_seq=2, to_seq=3), [2, 3]),
        (Range(resource=SUPPLIERS), [1, 2, 3]),
        (Range(object_id="8"), [2]),
        (Range(action="DELETE"), [3]),
        (Range(outcome="not_understood"), [4]),
        (Range(since="2026-01-01"), [1, 2, 3, 4]),
        (Range(until="2026-01-01"), []),
        (Range(integration_id=99, from_seq=1), []),
    ],
)
def test_filter_selects_events(idle_hub: IdleHub, wanted: Range, numbers: list[int]) -> None:
    seqs = receive(idle_hub, told(1, name="a"))
    seqs = receive(idle_hub, told(2, id_=8, name="b"))
    seqs = receive(idle_hub, told(3, action="DELETE"))
    seqs = receive(idle_hub, b"not JSON")
    first = seqs[0]
    changes: dict[str, Any] = {
        name: first + value - 1
        for name in ("from_seq", "to_seq")
        if (value := getattr(wanted, name)) is not None
    }
    found = idle_hub.hub.database.read_now(
        replay.select_events, msgspec.structs.replace(wanted, **changes)
    )

    expected = [first + number - 1 for number in numbers]
    assert ({idle_hub.integration_id: expected} if expected else {}) == found


@pytest.mark.parametrize("wanted", [Range(), Range(integration_id=1)])
def test_replay_of_everything_is_refused(idle_hub: IdleHub, wanted: Range) -> None:
    with pytest.raises(InvalidError, match="Select events by"):
        idle_hub.hub.database.read_now(replay.select_events, wanted)


def test_too_many_events_are_refused(idle_hub: IdleHub, monkeypatch: pytest.MonkeyPatch) -> None:
    receive(idle_hub, *(told(n, name="a") for n in range(1, 5)))
    monkeypatch.setattr(replay, "MAX_EVENTS", 3)
    with pytest.raises(InvalidError, match="more than 3 events"):
        idle_hub.hub.database.read_now(replay.select_events, Range(from_seq=1))
    monkeypatch.setattr(replay, "MAX_EVENTS", 4)
    found = idle_hub.hub.database.read_now(replay.select_events, Range(from_seq=1))
    assert [4] == [len(seqs) for seqs in found.values()]


def test_object_of_many_events_counts_once(
    idle_hub: IdleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "_CHUNK_EVENTS", 2)
    seqs = receive(idle_hub, *(told(n, name=f"n{n}") for n in range(1, 6)))
    result = replayed(idle_hub, seqs)
    assert (5, 1) == (result.events, result.objects)
    ion = TableIon({SUPPLIERS: {7: row(7, name="n", _updated=at(5))}})
    assert (5, 1) == ((dry := preview(idle_hub, seqs, ion)).events, dry.objects)


def test_total_of_several_integrations_adds_everything() -> None:
    change = replay.ObjectReplayed(1, SUPPLIERS, "7", "create", [])
    parts = [Replayed(True, 2, 1, 1, [change]), Replayed(True, 3, 2, 0)]
    assert Replayed(True, 5, 3, 1, [change]) == replay.sum_results(parts, dry_run=True)
    assert Replayed(False, 0, 0, 0) == replay.sum_results([], dry_run=False)
