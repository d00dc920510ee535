"""Monthly partitions on PostgreSQL: created ahead and on demand, and dropped whole."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text
from tests.idle_hub import IdleHub, body, run

from ultraviolet.clock import utc_now
from ultraviolet.db import partitions
from ultraviolet.db.dialect import begin_write
from ultraviolet.db.tables.events import events
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub


@pytest.fixture
def hub(tmp_path: Path, postgresql: Any) -> Iterator[IdleHub]:
    url = postgresql.new_database()
    opened = Hub.open(Settings(data=tmp_path, database_url=url, public_url="http://hub.test"))
    yield IdleHub(opened)
    opened.close()


def count_by_partition(engine: Engine) -> dict[str, int]:
    """Count the events in each partition."""
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT tableoid::regclass::text, count(*) FROM events GROUP BY 1")
        )
        return {row[0]: row[1] for row in found}


def set_received(hub: IdleHub, number: int, moment: str) -> None:
    """Set the time of an event."""
    run(hub.deliver(body(number)))
    newest = max(hub.rows(events), key=lambda row: row.seq)
    with hub.hub.database.engine.begin() as connection:
        connection.execute(events.delete().where(events.c.seq == newest.seq))
        connection.execute(insert(events).values({**newest._mapping, "received_at": moment}))


def test_coming_months_have_partitions_and_rows_of_others_are_kept(
    hub: IdleHub,
) -> None:
    engine = hub.hub.database.engine
    run(hub.deliver(body(1)))
    set_received(hub, 2, "2019-07-03T00:00:00.000000+00:00")
    with engine.connect() as connection:
        coming = (utc_now().replace(day=28) + timedelta(days=7)).isoformat()[:7]
        assert coming in [part.month for part in partitions.list_partitions(connection, events)]

    assert sorted(count_by_partition(engine).values()) == [1, 1]
    assert count_by_partition(engine)["events_rest"] == 1
    assert run(hub.deliver(body(1), body(2))) == [200, 200]
    assert sum(count_by_partition(engine).values()) == 2
    assert hub.apply_events() == 2

    with engine.connect() as connection:
        begin_write(connection)
        created = partitions.ensure_partitions(connection, events, ["2019-07", "no month"])
        connection.commit()
    assert [part.name for part in created] == ["events_2019_07"]
    assert count_by_partition(engine)["events_2019_07"] == 1


def test_dropped_month_keeps_the_rows_still_needed(hub: IdleHub) -> None:
    engine = hub.hub.database.engine
    for number in range(3):
        set_received(hub, number, f"2019-07-0{number + 1}T00:00:00.000000+00:00")
    with engine.connect() as connection:
        begin_write(connection)
        partitions.ensure_partitions(connection, events, ["2019-07"])
        kept = connection.execute(select(events.c.seq).order_by(events.c.seq)).scalars().all()[1]
        connection.commit()
        part = partitions.list_partitions(connection, events)[0]
        partitions.drop_partition(connection, part, [kept])
        connection.commit()

    assert [row.seq for row in hub.rows(events)] == [kept]
    assert count_by_partition(engine) == {"events_rest": 1}
