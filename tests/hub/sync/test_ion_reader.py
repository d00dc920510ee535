"""Pages of ION: complete and in order, larger if ION is fast, by id if a page cannot be read."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hub.table_ion import BEGIN, CATALOG, TableIon, answer, row
from tests.mirror.observations import at

from ultraviolet.hub.sync import ion_reader
from ultraviolet.hub.sync.ion_reader import IonReader, Page
from ultraviolet.hub.sync.watermarks import after_filter
from ultraviolet.ion.client import Result
from ultraviolet.ion.errors import (
    IonInterceptedError,
    IonRefusedError,
    IonUnreachableError,
    IonUnreadableError,
)
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.mirror.observation import Observation, Origin

FETCH = Origin("fetch", "1")
PARTS = CATALOG.resources["parts"]
LINES = CATALOG.resources["purchase_order_lines"]


class SizedIon(TableIon):
    """Remembers the size of each requested page, and answers pages with `pages` if set."""

    def __init__(self, rows: dict[str, dict[int, dict[str, Any]]]) -> None:
        super().__init__(rows)
        self.sizes: list[int] = []
        self.refuse: Callable[[str, int], Result | None] = lambda document, size: None

    async def execute(self, document: str, variables: Any = None, **more: Any) -> Result:
        if document.startswith(("query Page", "query Ids")):
            self.sizes.append(variables["first"])
            instead = self.refuse(document, variables["first"])
            if instead is not None:
                return instead
        return await super().execute(document, variables, **more)


def ion_of(*ids: int, **fields: Any) -> SizedIon:
    return SizedIon({"parts": {n: row(n, **fields) for n in ids}})


def reader(ion: TableIon) -> IonReader:
    return IonReader(ion, CATALOG, OfferedSchema.whole(CATALOG))


async def read_all(reader: IonReader, after: str | None = None) -> list[Page]:
    async with aclosing(reader.pages(PARTS, after, FETCH)) as pages:
        return [page async for page in pages]


def ids_of(pages: list[Page]) -> list[int]:
    return [int(o.id) for page in pages for o in page.observations]


@given(ids=st.sets(st.integers(1, 10**6), max_size=350), after=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_pages_show_each_object_after_the_key_once_in_order(ids: set[int], after: int) -> None:
    pages = asyncio.run(read_all(reader(ion_of(*ids)), str(after) if after else None))

    assert sorted(n for n in ids if n > after) == ids_of(pages)
    assert [True] * (len(pages) - 1) + [False] == [page.more for page in pages]


def test_pages_grow_while_ion_is_fast() -> None:
    ion = ion_of(*range(1, 2001))
    pages = asyncio.run(read_all(reader(ion)))
    assert [100, 200, 400, 500, 500, 500] == ion.sizes
    assert list(range(1, 2001)) == ids_of(pages)
    assert 2000 == pages[0].total


def test_pages_stay_small_while_ion_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ion_reader, "_FAST_ANSWER_SECONDS", -1.0)
    ion = ion_of(*range(1, 301))
    asyncio.run(read_all(reader(ion)))
    assert [100, 100, 100] == ion.sizes


def test_refused_size_is_not_tried_again() -> None:
    ion = ion_of(*range(1, 501))
    too_large = Result(None, ("first must be at most 100",))
    ion.refuse = lambda document, size: too_large if size > 100 else None
    assert list(range(1, 501)) == ids_of(asyncio.run(read_all(reader(ion))))
    assert [100, 200, 100, 100, 100, 100] == ion.sizes


def test_error_of_ion_makes_the_next_page_small() -> None:
    ion = ion_of(*range(1, 501))
    one = reader(ion)

    async def story() -> None:
        await one.next_page(PARTS, None, FETCH)

        def refuse(document: str, size: int) -> None:
            raise IonUnreachableError("down")

        ion.refuse = refuse
        with pytest.raises(IonUnreachableError):
            await one.next_page(PARTS, "100", FETCH)
        ion.refuse = lambda document, size: None
        await one.next_page(PARTS, "100", FETCH)

    asyncio.run(story())
    assert [100, 200, 100] == ion.sizes


def test_page_that_ion_refuses_is_read_by_id() -> None:
    ion = ion_of(1, 2, 3)
    refused = Result(None, ("timed out",))
    ion.refuse = lambda document, size: refused if document.startswith("query Page") else None
    ion.override = lambda ids: Result(None, ("part 2 is broken",)) if 2 in ids else None

    [page] = asyncio.run(read_all(reader(ion)))

    assert ["1", "3"] == [o.id for o in page.observations]
    assert {"2": "part 2 is broken"} == page.unreadable


def test_page_is_refused_if_its_ids_are_refused_too() -> None:
    ion = ion_of(1, 2)
    ion.refuse = lambda document, size: Result(None, (f"no {document[6:9].strip()}",))
    with pytest.raises(IonRefusedError, match="no Pag"):
        asyncio.run(read_all(reader(ion)))


def test_page_without_answer_is_read_by_id_the_second_time() -> None:
    """The first time, the network may be the cause."""
    ion = ion_of(1, 2)

    def refuse(document: str, size: int) -> None:
        if document.startswith("query Page"):
            raise IonUnreachableError("ION answered 500")

    ion.refuse = refuse
    one = reader(ion)
    with pytest.raises(IonUnreachableError):
        asyncio.run(one.page(PARTS, None, FETCH))
    assert ["1", "2"] == [o.id for o in asyncio.run(one.page(PARTS, None, FETCH)).observations]


def test_answered_page_forgets_an_earlier_failure() -> None:
    ion = ion_of(1)
    one = reader(ion)

    def down(document: str, size: int) -> None:
        raise IonUnreachableError("down")

    for _ in range(2):
        ion.refuse = down
        with pytest.raises(IonUnreachableError):
            asyncio.run(one.page(PARTS, None, FETCH))
        ion.refuse = lambda document, size: None
        asyncio.run(one.page(PARTS, None, FETCH))


def test_response_of_another_server_blames_no_object() -> None:
    class Proxy(TableIon):
        async def execute(self, *arguments: Any, **more: Any) -> Result:
            raise IonInterceptedError("a sign-in page instead of ION's answer")

    with pytest.raises(IonInterceptedError):
        asyncio.run(reader(Proxy({})).page(PARTS, None, FETCH))


def test_list_of_nulls_with_a_next_page_is_unreadable() -> None:
    ion = ion_of()
    ion.override = lambda ids: Result({"page": answer([None, None], more=True)})
    with pytest.raises(IonUnreadableError, match="null instead of 2 parts"):
        asyncio.run(reader(ion).page(PARTS, None, FETCH))


def test_nulls_at_the_end_are_counted() -> None:
    ion = ion_of()
    ion.override = lambda ids: Result({"page": answer([row(1), None])})
    page = asyncio.run(reader(ion).page(PARTS, None, FETCH))
    assert (1, ["1"], "1") == (page.nameless, [o.id for o in page.observations], page.after)


@given(seconds=st.lists(st.integers(0, 3), min_size=1, max_size=220), start=st.integers(0, 3))
@settings(max_examples=15, deadline=None)
def test_pages_of_changes_show_each_change_once_even_at_equal_times(
    seconds: list[int], start: int
) -> None:
    rows = {n: row(n, _updated=at(second)) for n, second in enumerate(seconds, start=1)}
    one = reader(TableIon({"parts": rows}))

    async def story() -> list[Observation]:
        found: list[Observation] = []
        filters: dict[str, Any] | None = {"_updated": {"gte": at(start)}}
        last: Observation | None = None
        while True:
            page = await one.changes(PARTS, filters, FETCH, last)
            found += page.observations
            last = page.last
            if not page.more or last is None:
                return found
            filters = after_filter(last)

    found = asyncio.run(story())

    expected = sorted((second, n) for n, second in enumerate(seconds, start=1) if second >= start)
    assert [str(n) for _, n in expected] == [o.id for o in found]


def test_page_of_changes_must_follow_the_previous_one() -> None:
    one = reader(ion_of(1, 2))
    last = asyncio.run(one.changes(PARTS, None, FETCH)).last
    assert last is not None
    with pytest.raises(IonUnreadableError, match="repeats the same page"):
        asyncio.run(one.changes(PARTS, None, FETCH, last))


def test_changes_without_times_cannot_be_paged() -> None:
    ion = ion_of()
    ion.override = lambda ids: Result({"page": answer([row(1, _updated=None)], more=True)})
    with pytest.raises(IonUnreadableError, match="does not show the change times of parts"):
        asyncio.run(reader(ion).changes(PARTS, None, FETCH))


@pytest.mark.parametrize(
    ("rows", "newest"),
    [
        ({}, None),
        ({1: row(1)}, BEGIN),
        ({1: row(1, _updated=at(9)), 2: row(2)}, at(9)),
        ({1: row(1, _updated="tuesday")}, None),
    ],
)
def test_newest_is_the_latest_valid_change(rows: dict[int, Any], newest: str | None) -> None:
    assert newest == asyncio.run(reader(TableIon({"parts": rows})).newest(PARTS))


def test_children_of_some_owners_are_read_in_all_pages() -> None:
    rows = {n: row(n, purchaseOrderId=n % 3) for n in range(1, 700)}
    ion = TableIon({"purchase_order_lines": rows})

    page = asyncio.run(reader(ion).children(LINES, "purchaseOrderId", ["1", "2"], Origin("poll")))

    assert [str(n) for n in rows if n % 3] == [o.id for o in page.observations]
    assert not page.more
    assert 5 == len(ion.requests)


def test_unreadable_children_are_reported() -> None:
    rows = {n: row(n, purchaseOrderId=1) for n in range(1, 5)}
    rows[3]["attributes"] = "none"
    ion = TableIon({"purchase_order_lines": rows})
    page = asyncio.run(reader(ion).children(LINES, "purchaseOrderId", ["1"], Origin("poll")))
    assert ["1", "2", "4"] == [o.id for o in page.observations]
    assert ["3"] == list(page.unreadable)
