"""A field that ION removed is omitted at once and reported; everything else continues."""

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select
from tests.hub.table_ion import CATALOG, TableIon, make_site, open_database, row

from ultraviolet.db.database import Database
from ultraviolet.db.tables.mirror import objects
from ultraviolet.db.tables.sync import fetches
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.integrations import schema_changes
from ultraviolet.hub.sync import fetch
from ultraviolet.hub.sync.fetch import Fetcher
from ultraviolet.ion.client import Result
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.mirror.observation import Origin

WORDS = (
    "Cannot query field 'description' on type 'Part'.",
    'Cannot query field "description" on type "Part". Did you mean "leadTime"?',
)


class ChangedIon(TableIon):
    """An ION that removed a field of its parts after its schema was read."""

    def __init__(self, words: str) -> None:
        super().__init__({"parts": {n: row(n, description=f"part {n}") for n in range(1, 6)}})
        self.words = words
        self.schema_reads = 0

    async def execute(self, document: str, variables: Any = None, **more: Any) -> Result:
        if "parts(" in document and " description " in document:
            return Result(None, (self.words,))
        return await super().execute(document, variables, **more)

    async def introspect(self) -> OfferedSchema:
        self.schema_reads += 1
        types = dict(CATALOG.types())
        types["Part"] -= {"description"}
        types["Query"] = frozenset({"parts"})
        return OfferedSchema(types)


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


@pytest.mark.parametrize("words", WORDS)
def test_fetch_continues_without_a_removed_field(database: Database, words: str) -> None:
    ion = ChangedIon(words)
    site = make_site(database, ion, {"parts"})
    client: Any = ion
    site.reader._read_schema = functools.partial(  # pyright: ignore[reportPrivateUsage]
        schema_changes.reload_schema, database, CATALOG, client, 1
    )

    async def story() -> None:
        number = await database.write(fetch.request_fetch, 1, "full", "test")
        await Fetcher(site).run(number, "full")
        await site.reader.by_ids([("parts", "3")], Origin("heal"))

    asyncio.run(story())

    assert database.read_now(
        lambda c: c.execute(select(fetches.c.state, fetches.c.error)).one()
    ) == (
        "done",
        None,
    )
    assert len(database.read_now(lambda c: c.execute(select(objects.c.id)).all())) == 5
    (found,) = database.read_now(finding_store.list_findings, 1, 10)
    assert (found.kind, "Part.description" in found.message, found.resolved_at) == (
        "schema",
        True,
        None,
    )
    assert ion.schema_reads == 1


def test_rejection_with_an_unchanged_schema_fails_the_fetch(
    database: Database,
) -> None:
    ion = ChangedIon(WORDS[0])
    site = make_site(database, ion, {"parts"})
    reads = 0

    async def same() -> OfferedSchema:
        nonlocal reads
        reads += 1
        return site.reader.offered

    site.reader._read_schema = same  # pyright: ignore[reportPrivateUsage]

    async def story() -> None:
        number = await database.write(fetch.request_fetch, 1, "full", "test")
        await Fetcher(site).run(number, "full")

    asyncio.run(story())
    state, error = database.read_now(
        lambda c: c.execute(select(fetches.c.state, fetches.c.error)).one()
    )
    assert (state, "Cannot query field" in error, reads) == ("failed", True, 1)
