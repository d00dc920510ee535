"""Apply events on either database: no event blocks another, and a fetch finds lost changes."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from tests.hub.table_ion import TableIon, make_site
from tests.idle_hub import REFUSED, IdleHub, body, run

from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.sync import fetch_steps, fetches, stale
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health import heartbeat
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.runtime.controllers import Controllers
from ultraviolet.hub.sync import fetch
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.mirror.stale_reasons import DELETION

LISTS = [
    (name, dependent.own_ids)
    for name, resource in load_catalog().resources.items()
    for dependent in load_catalog().dependents(name)
    if dependent.own_ids and resource.field(dependent.own_ids)
]
LONG = "".join(random.Random(1).choices("0123456789abcdef", k=20_000))


@pytest.fixture
def idle_hub(tmp_path: Path, store_url: str) -> Iterator[IdleHub]:
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    yield IdleHub(hub)
    hub.close()


def told(resource: str, id_: Any, **changes: Any) -> bytes:
    sides = {name: {"old": None, "new": value} for name, value in changes.items()}
    said = {"event_id": 1, "resource": resource, "action": "UPDATE", "id": id_, "changes": sides}
    return json.dumps(said).encode()


ODD = {
    "half a character in JSON in a text": told(
        "purchase_orders", 5, supplier_instructions='["\\ud800"]'
    ),
    "NUL in JSON in a text": told("purchase_orders", 5, supplier_instructions='["\\u0000"]'),
    "a number beyond 64 bits": told("purchase_orders", 5, supplier_id="9" * 30),
    "a key that is a long text": told("purchase_orders_attributes", "x", purchase_order_id=LONG),
    "a link that is a long text": told("purchase_order_lines", 5, purchase_order_id=LONG),
    "a link that is a list": told("purchase_order_lines", 5, purchase_order_id=[1, {"id": 2}]),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_no_event_blocks_later_events_or_its_object(idle_hub: IdleHub, odd: bytes) -> None:
    again = told("purchase_orders", 5, description="b").replace(b'"event_id": 1', b'"event_id": 9')
    assert run(idle_hub.deliver(odd, body(2))) == [200, 200]
    assert idle_hub.apply_events() == 2
    assert run(idle_hub.deliver(again)) == [200]
    assert idle_hub.apply_events() == 1
    assert {row.outcome for row in idle_hub.rows(events)} <= {"applied", "nothing_new"}


@pytest.mark.parametrize("value", [5, True, [{"name": "x"}], "{1,2}"])
@pytest.mark.parametrize(("resource", "field"), LISTS)
def test_invalid_list_blocks_nothing(
    idle_hub: IdleHub, resource: str, field: str, value: Any
) -> None:
    assert run(idle_hub.deliver(told(resource, 5, **{field: value}), body(2))) == [200, 200]
    assert idle_hub.apply_events() == 2


def test_invalid_link_marks_nothing_stale(idle_hub: IdleHub) -> None:
    run(idle_hub.deliver(told("purchase_order_lines", 5, purchase_order_id="abc")))
    idle_hub.apply_events()
    assert [(row.resource, row.id) for row in idle_hub.rows(stale)] == [
        ("purchase_order_lines", "5")
    ]


def test_event_rejected_by_the_database_is_marked_and_its_object_read(
    idle_hub: IdleHub, wait: Any
) -> None:
    idle_hub.refuse("objects", "new.id = '13'")
    run(idle_hub.deliver(body(1), told("suppliers", 13, name="secret name"), body(3)))

    async def story() -> None:
        async def open_context() -> SyncContext:
            return make_site(idle_hub.hub.database, TableIon({}))

        controllers = Controllers(
            idle_hub.integration_id,
            PubSub(),
            open_context,
            heal=False,
            count_integrations=lambda: 1,
        )
        controllers.start()
        controllers.wake("apply")
        while any(row.outcome is None for row in idle_hub.rows(events)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await controllers.stop()

    with capture_logs() as logs:
        run(story())

    _, refused, _ = idle_hub.rows(events)
    assert [row.outcome for row in idle_hub.rows(events)] == [
        "applied",
        "not_understood",
        "applied",
    ]
    assert REFUSED in refused.detail
    assert "13" in {row.id for row in idle_hub.rows(stale)}
    assert "secret name" not in str(logs)


def test_datagrid_value_has_an_id_that_is_not_a_number(idle_hub: IdleHub) -> None:
    run(idle_hub.deliver(told("datagrid_values", "12-7", value="3.5 N")))
    idle_hub.apply_events()
    assert [(row.resource, row.id) for row in idle_hub.rows(stale)] == [("datagrid_values", "12-7")]
    assert [row.outcome for row in idle_hub.rows(events)] == ["applied"]


def test_event_of_a_row_without_an_id_names_it_by_its_key(idle_hub: IdleHub) -> None:
    said = json.loads(told("datagrid_values", "", _number_value=3.5))
    del said["id"]
    run(idle_hub.deliver(json.dumps(said | {"row_id": 12, "column_id": 7}).encode()))
    idle_hub.apply_events()
    assert [(row.resource, row.id) for row in idle_hub.rows(stale)] == [("datagrid_values", "12-7")]


def test_row_that_is_marked_as_deleted_is_read_again(idle_hub: IdleHub) -> None:
    run(idle_hub.deliver(told("mbom_item", 5, _deleted=True)))
    idle_hub.apply_events()
    (row,) = idle_hub.rows(stale)
    assert (row.resource, row.id, row.reason) == ("mbom_item", "5", DELETION)


def asked(idle_hub: IdleHub) -> list[Any]:
    lost = select(fetches).where(fetches.c.requested_by == "an event that was not understood")
    return idle_hub.hub.database.read_now(lambda c: [*c.execute(lost.order_by(fetches.c.id))])


def test_uninterpretable_event_requests_a_later_fetch(
    idle_hub: IdleHub,
) -> None:
    def come(number: int) -> None:
        run(idle_hub.deliver(b'{"x": %d}' % number))
        assert idle_hub.apply_events() == 1

    def write(statement: Any) -> None:
        with idle_hub.hub.database.engine.begin() as connection:
            connection.execute(statement)

    come(1)
    come(2)
    [first] = asked(idle_hub)
    step = {
        "fetch_id": first.id,
        "resource": "parts",
        "state": "reading",
        "read": 0,
        "changed": 0,
        "deleted": 0,
    }
    write(fetch_steps.insert().values(**step))  # it has begun to read, perhaps before this:
    come(3)
    _, second = asked(idle_hub)
    assert second.started_at > now_rfc3339()  # not at once, as there may be many of these
    newest = idle_hub.hub.database.read_now(heartbeat.latest_known_time)
    assert newest is None or newest <= utc_now()  # nor does a hub that starts take it for its clock
    due = idle_hub.hub.database.read_now(fetch.unfinished_fetch, idle_hub.integration_id)
    assert due == (first.id, "incremental")
    write(fetches.update().where(fetches.c.id == first.id).values(state="done"))
    assert idle_hub.hub.database.read_now(fetch.unfinished_fetch, idle_hub.integration_id) is None

    # unless a user requests it now
    assert (
        idle_hub.hub.database.write_now(
            fetch.request_fetch, idle_hub.integration_id, "incremental", "kim"
        )
        == second.id
    )
    due = idle_hub.hub.database.read_now(fetch.unfinished_fetch, idle_hub.integration_id)
    assert due == (second.id, "incremental")


def test_large_bodies_are_applied_in_small_batches(idle_hub: IdleHub) -> None:
    large = "x" * 900_000
    run(idle_hub.deliver(*[body(number, notes=large) for number in range(10)]))
    taken: list[int] = []
    while count := idle_hub.apply_events():
        taken.append(count)
    assert taken == [4, 4, 2]
