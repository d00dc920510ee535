"""Months on PostgreSQL: made ahead and on demand, nothing refused without one, an old one dropped whole."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from tests.idle_hub import Door, body, run

from ultraviolet.clock import utc_now
from ultraviolet.db import partitions
from ultraviolet.db.dialect import begin_write
from ultraviolet.db.tables.events import events
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub


@pytest.fixture
def door(tmp_path: Path, postgresql: Any) -> Iterator[Door]:
    url = postgresql.new_database()
    hub = Hub.open(Settings(data=tmp_path, database_url=url, public_url="http://hub.test"))
    yield Door(hub)
    hub.close()


def where(engine: Engine) -> dict[str, int]:
    """Count the events in each part."""
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT tableoid::regclass::text, count(*) FROM events GROUP BY 1")
        )
        return {row[0]: row[1] for row in found}


def received(door: Door, number: int, moment: str) -> None:
    """Set the time of an event."""
    run(door.deliver(body(number)))
    newest = max(door.rows(events), key=lambda row: row.seq)
    with door.hub.database.engine.begin() as connection:
        connection.execute(events.delete().where(events.c.seq == newest.seq))
        connection.execute(insert(events).values({**newest._mapping, "received_at": moment}))


def test_this_month_and_the_next_have_parts_and_what_has_none_is_kept_all_the_same(
    door: Door,
) -> None:
    engine = door.hub.database.engine
    run(door.deliver(body(1)))
    received(door, 2, "2019-07-03T00:00:00.000000+00:00")
    with engine.connect() as connection:
        coming = (utc_now().replace(day=28) + timedelta(days=7)).isoformat()[:7]
        assert coming in [part.month for part in partitions.list_partitions(connection, events)]

    assert sorted(where(engine).values()) == [1, 1]
    assert where(engine)["events_rest"] == 1
    assert run(door.deliver(body(1), body(2))) == [200, 200]
    assert sum(where(engine).values()) == 2
    assert door.take() == 2

    with engine.connect() as connection:
        begin_write(connection)
        made = partitions.ensure_partitions(connection, events, ["2019-07", "no month"])
        connection.commit()
    assert [part.name for part in made] == ["events_2019_07"]
    assert where(engine)["events_2019_07"] == 1


def test_a_month_is_dropped_but_for_what_is_still_needed(door: Door) -> None:
    engine = door.hub.database.engine
    for number in range(3):
        received(door, number, f"2019-07-0{number + 1}T00:00:00.000000+00:00")
    with engine.connect() as connection:
        begin_write(connection)
        partitions.ensure_partitions(connection, events, ["2019-07"])
        kept = connection.execute(select(events.c.seq).order_by(events.c.seq)).scalars().all()[1]
        connection.commit()
        part = partitions.list_partitions(connection, events)[0]
        partitions.drop_partition(connection, part, [kept])
        connection.commit()

    assert [row.seq for row in door.rows(events)] == [kept]
    assert where(engine) == {"events_rest": 1}
