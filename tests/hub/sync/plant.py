"""A mirror of parts, and the statements and rows that its tests write and read."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import delete, text
from tests.hub.table_ion import CATALOG, TableIon, make_site, row, select_all
from tests.mirror.observations import at

from ultraviolet.db.database import Database
from ultraviolet.db.tables.metadata import metadata
from ultraviolet.hub.sync import fetch
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.fetch import Fetcher
from ultraviolet.hub.sync.fetch_progress import (
    PageCommit,
    PageResult,
    insert_steps,
    save_pages,
)
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

PARTS = "parts"
SUPPLIERS = "suppliers"
_TABLES = {
    *("objects", "versions", "links", "stale", "drift", "findings", "arrivals", "activity"),
    *("watermarks", "fetches", "fetch_steps", "events", "event_keys"),
    *("verifications", "verification_steps", "differences"),
}


async def run(site: SyncContext, mode: Any, **more: Any) -> int:
    fetch_id = await site.database.write(fetch.request_fetch, 1, mode, "test", **more)
    await Fetcher(site).run(fetch_id, mode)
    return fetch_id


class Plant:
    """A mirror of an ION that offers only parts."""

    def __init__(self, database: Database, count: int) -> None:
        self.database = database
        self.ion = TableIon({PARTS: {n: row(n) for n in range(1, count + 1)}})
        self.parts = self.ion.rows["parts"]

    def fetch(self, mode: Any = "full", **more: Any) -> Any:
        """Run or resume a fetch; return the step of the parts."""
        fetch_id = asyncio.run(run(make_site(self.database, self.ion, only={PARTS}), mode, **more))
        steps = f"SELECT * FROM fetch_steps WHERE fetch_id = {fetch_id} AND resource = 'parts'"
        return select_all(self.database, steps)[0]

    def held(self) -> list[int]:
        query = "SELECT CAST(id AS INTEGER) AS n FROM objects WHERE deleted_at IS NULL ORDER BY n"
        return [row.n for row in select_all(self.database, query)]


def full(resource: str, id_: Any, second: float = 0, **fields: Any) -> Observation:
    """Return a full read of an object that ION changed at a second, and that was read then."""
    moment = at(second)
    return Observation(
        resource,
        str(id_),
        "full",
        {"id": int(id_), "_updated": moment, **fields},
        moment,
        Origin("fetch", "1"),
        source_time=moment,
        read_started_at=moment,
    )


def hold(database: Database, observations: Sequence[Observation]) -> None:
    """Apply observations to the mirror."""
    database.write_now(apply, CATALOG, 1, observations)


def documents(database: Database, resource: str = PARTS) -> dict[str, Any]:
    """Return the documents of all objects of a resource that are not deleted, by id."""
    rows = select_all(
        database,
        f"SELECT id, doc FROM objects WHERE resource = '{resource}' AND deleted_at IS NULL",
    )
    return {row.id: json.loads(row.doc) for row in rows}


class Progress:
    """A full fetch that has begun, to which tests add pages."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.site = make_site(database, TableIon({}))
        self.fetch_id = database.write_now(fetch.request_fetch, 1, "full", "test")
        database.write_now(insert_steps, CATALOG, self.fetch_id)

    def page(self, resource: str, *ids: int, second: float = 0, **more: Any) -> PageCommit:
        observations = [full(resource, id_, second) for id_ in ids]
        return PageCommit(self.fetch_id, resource, observations, **more)

    def save(self, *pages: PageCommit) -> list[PageResult]:
        observations = [o for page in pages for o in page.observations]
        return asyncio.run(self.site.apply_each(observations, partial(save_pages, 1, pages)))

    def step(self, resource: str = PARTS) -> Any:
        query = f"SELECT * FROM fetch_steps WHERE resource = '{resource}'"
        return select_all(self.database, query)[0]


def clear(database: Database) -> None:
    """Delete all rows that syncing writes."""

    def work(connection: Any) -> None:
        for table in reversed(metadata.sorted_tables):
            if table.name in _TABLES:
                connection.execute(delete(table))

    database.write_now(work)


@contextmanager
def refusing(database: Database, table: str, where: str, when: str = "INSERT") -> Iterator[None]:
    """Create a trigger that refuses rows of a table for a condition on `new`."""
    with database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.execute(
                text(
                    f"CREATE TRIGGER refuses BEFORE {when} ON {table} WHEN {where}"
                    " BEGIN SELECT RAISE(ABORT, 'the test refuses this row'); END"
                )
            )
        else:
            connection.execute(
                text(
                    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$"
                    " BEGIN RAISE EXCEPTION 'the test refuses this row'; END $$"
                )
            )
            connection.execute(
                text(
                    f"CREATE TRIGGER refuses BEFORE {when} ON {table} FOR EACH ROW"
                    f" WHEN ({where}) EXECUTE FUNCTION refuse()"
                )
            )
    yield
    with database.engine.begin() as connection:
        on = "" if connection.dialect.name == "sqlite" else f" ON {table}"
        connection.execute(text(f"DROP TRIGGER refuses{on}"))
