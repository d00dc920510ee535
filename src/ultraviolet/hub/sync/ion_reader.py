"""Read the lists of one ION in pages: in order of key or of change, or the children of objects."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from ultraviolet.clock import now_rfc3339, valid_time
from ultraviolet.hub.sync.answer_lists import AnswerList, check_order, parse_list, parse_rows
from ultraviolet.hub.sync.ion_access import Client
from ultraviolet.hub.sync.object_reader import ObjectReader
from ultraviolet.hub.sync.watermarks import after_filter
from ultraviolet.ion import queries
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.errors import (
    IonError,
    IonInterceptedError,
    IonRefusedError,
    IonUnreachableError,
    IonUnreadableError,
)
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.mirror.observation import Observation, Origin

PAGE_SIZE = 100
"""Objects per page; the largest in ION's own scripts (its limit is unknown)."""
MAX_PAGE_SIZE = 500
_FAST_ANSWER_SECONDS = 1.0
"""Time within which an answer makes the next page larger."""


class Page(msgspec.Struct, frozen=True):
    """One page of a list."""

    observations: Sequence[Observation]
    more: bool
    total: int | None
    after: str | None = None
    """The key after which the next page begins; None for an empty page."""
    unreadable: Mapping[str, str] = {}
    """Listed objects that could not be read: the reason by id."""
    nameless: int = 0
    """Rows without an id, or null instead of a row."""

    @property
    def last(self) -> Observation | None:
        """The last object of the page."""
        return self.observations[-1] if self.observations else None


class IonReader(ObjectReader):
    """Reads the resources of the catalog that one ION offers."""

    def __init__(
        self,
        client: Client,
        catalog: Catalog,
        offered: OfferedSchema,
        read_schema: Callable[[], Awaitable[OfferedSchema | None]] | None = None,
    ) -> None:
        """Create a reader; `read_schema` returns ION's current schema, or None."""
        super().__init__(client, catalog, offered, read_schema)
        self._size = PAGE_SIZE
        self._largest = MAX_PAGE_SIZE
        self._unanswered: set[tuple[str, str]] = set()
        """Pages that ION did not answer, by resource and filters."""

    async def page(
        self, resource: Resource, after: str | None, origin: Origin, first: int = PAGE_SIZE
    ) -> Page:
        """Read the page after a key, in order of key, so that concurrent changes shift nothing."""
        filters = {"id": {"gt": after}} if after and self.is_keyed(resource) else None
        return await self._page(resource, filters, origin, first, after=after)

    async def next_page(self, resource: Resource, after: str | None, origin: Origin) -> Page:
        """Read the page after a key, as large as ION answers fast.

        Larger pages are an assumption: if ION refuses one or is slow, the size of ION's own scripts
        is used again.
        """
        size, began = self._size, time.monotonic()
        try:
            page = await self.page(resource, after, origin, size)
        except IonRefusedError:
            if size == PAGE_SIZE:
                raise
            page = await self.page(resource, after, origin)  # ION refused the size
            self._size = self._largest = PAGE_SIZE
            return page
        except IonError:
            self._size = PAGE_SIZE
            raise
        if time.monotonic() - began > _FAST_ANSWER_SECONDS:
            self._size = PAGE_SIZE
        elif page.more:
            self._size = max(self._size, min(2 * size, self._largest))
        return page

    async def pages(
        self, resource: Resource, after: str | None, origin: Origin
    ) -> AsyncGenerator[Page]:
        """Read all pages after a key, and the next page ahead; the caller closes the generator.

        Each page begins after a key that no earlier page began after, so that a repeated list ends.
        """
        seen = {after}
        next_page = asyncio.create_task(self.next_page(resource, after, origin))
        try:
            more = True
            while more:
                page = await next_page
                more = page.more
                if more:
                    if page.after is None or page.after in seen:
                        raise _repeats(resource)
                    if not resource.numbered:
                        seen.add(page.after)  # numbers are checked for their order instead
                    next_page = asyncio.create_task(self.next_page(resource, page.after, origin))
                yield page
        finally:
            next_page.cancel()

    async def changes(
        self,
        resource: Resource,
        filters: dict[str, Any] | None,
        origin: Origin,
        previous: Observation | None = None,
        after: str | None = None,
    ) -> Page:
        """Read a page in order of change; `previous` is the last object of the page before.

        `after` is a cursor from `rest`. Raise IonRefusedError if the page does not follow.
        """
        page = await self._page(resource, filters, origin, PAGE_SIZE, after=after, dated=True)
        last = page.last
        if page.more and (last is None or last.source_time is None):
            raise IonUnreadableError(
                f"ION does not show the change times of {resource.title.lower()}"
            )
        if self.is_keyed(resource):
            repeated = last and previous and _change_key(last) <= _change_key(previous)
        else:
            repeated = page.more and page.after == after
        if repeated:
            raise _repeats(resource)
        return page

    def rest(
        self, resource: Resource, filters: dict[str, Any] | None, last: Observation, page: Page
    ) -> tuple[dict[str, Any] | None, str | None]:
        """Return filters and cursor of the changes after a page, whose last object is `last`.

        Without an order of id, the next page begins with the changes of the same moment. A cursor
        is used only among these, because changed objects move to the end of the list.
        """
        if self.is_keyed(resource):
            return after_filter(last), None
        moment = {"_updated": {"gte": last.source_time}}
        return moment, page.after if filters == moment else None

    async def newest(self, resource: Resource) -> str | None:
        """Return the newest `_updated` of a resource, by ION's clock."""
        document = (
            f"query Newest {{ page: {resource.list}(sort: [_UPDATED_DESC], first: 1)"
            f" {{ edges {{ node {{ id _updated }} }} }} }}"
        )
        answer = (await self.client.execute(document)).must()
        rows = parse_rows(resource, answer.get("page"))
        return valid_time(rows[0].node.get("_updated")) if rows else None

    async def children(
        self, resource: Resource, key: str, owners: Sequence[str], origin: Origin
    ) -> Page:
        """Read all objects of a resource that belong to one of `owners`."""
        found: list[Observation] = []
        unreadable: dict[str, str] = {}
        nameless = 0
        after: str | None = None
        while True:
            filters: dict[str, Any] = {key: {"in": [int(o) for o in owners]}}
            if after and self.is_keyed(resource):
                filters["id"] = {"gt": after}
            page = await self._page(resource, filters, origin, PAGE_SIZE, after=after)
            found += page.observations
            unreadable |= page.unreadable
            nameless += page.nameless
            if not page.more:
                return Page(found, more=False, total=None, unreadable=unreadable, nameless=nameless)
            if page.after is None or page.after == after:
                raise _repeats(resource)
            after = page.after

    async def _page(
        self,
        resource: Resource,
        filters: dict[str, Any] | None,
        origin: Origin,
        first: int,
        *,
        after: str | None = None,
        dated: bool = False,
    ) -> Page:
        """Read one page, or object by object if the page cannot be read.

        The caller tries an unanswered page again. If ION answers other requests but not this
        page for the second time, an object of the page is the cause.
        """
        write = queries.changes_query if dated else queries.page_query
        place = (resource.name, str(filters))
        began = now_rfc3339()
        given: dict[str, Any] = {"filters": filters, "first": first}
        if not self.is_keyed(resource):
            given["after"] = after
            place = (resource.name, f"{filters} {after}")
        try:
            result = await self.ask(lambda: (write(resource, self.offered), given))
            listed = parse_list(resource, result.must().get("page"))
            check_order(resource, listed.rows, after, dated=dated)
        except (IonRefusedError, IonUnreachableError) as error:
            if isinstance(error, IonUnreachableError) and place not in self._unanswered:
                self._unanswered.add(place)
                raise
            if isinstance(error, IonUnreachableError | IonInterceptedError):
                await self.answers()  # raises if ION, or something in its place, does not answer
            elif first > PAGE_SIZE:
                raise  # ION may refuse the size
            return await self._page_by_id(
                resource, filters, origin, error, after=after, dated=dated
            )
        self._unanswered.discard(place)
        shown, unreadable = self._observer.observe(
            resource, listed.rows, began, origin, repaired=result.repaired
        )
        return self._make_page(resource, listed, shown, unreadable)

    async def _page_by_id(
        self,
        resource: Resource,
        filters: dict[str, Any] | None,
        origin: Origin,
        cause: IonError,
        *,
        after: str | None,
        dated: bool,
    ) -> Page:
        """Read the ids of a page, then each object; raise `cause` if ION refuses the ids, too."""
        document = queries.page_of_ids(resource, self.offered, dated=dated)
        given: dict[str, Any] = {"filters": filters, "first": PAGE_SIZE}
        if not self.is_keyed(resource):
            given["after"] = after
        try:
            answer = (await self.client.execute(document, given)).must()
            listed = parse_list(resource, answer.get("page"))
        except IonRefusedError:
            raise cause from None
        ids = list(dict.fromkeys(row.id for row in listed.rows if row.id))
        if after is not None:
            # A list that begins at or before the key repeats objects of earlier pages.
            ids = [
                id_ for id_ in ids if (int(id_) > int(after) if resource.numbered else id_ != after)
            ]
        if not ids:
            raise cause
        read = await self.each_by_id([(resource.name, id_) for id_ in ids], origin)
        shown = {o.id: o for o in read.observations if o.kind == "full"}
        unreadable = {id_: why for (_, id_), why in read.failed.items()}
        if listed.more and not (shown or unreadable):
            raise cause
        # No page may begin after an id that does not exist.
        rows = [
            row for row in listed.rows if row.id is None or row.id in shown or row.id in unreadable
        ]
        kept = AnswerList(rows, listed.more, listed.total, listed.cursor)
        return self._make_page(
            resource, kept, [shown[id_] for id_ in ids if id_ in shown], unreadable
        )

    def _make_page(
        self,
        resource: Resource,
        listed: AnswerList,
        shown: Sequence[Observation],
        unreadable: Mapping[str, str],
    ) -> Page:
        ids = [row.id for row in listed.rows if row.id is not None]
        after = listed.cursor
        if self.is_keyed(resource):
            after = (max(ids, key=int) if resource.numbered else ids[-1]) if ids else None
        if listed.more and after is None:
            raise IonUnreadableError(
                f"ION answered null instead of {len(listed.rows)} {resource.title.lower()}"
            )
        nameless = len(listed.rows) - len(ids)
        return Page(
            shown, listed.more, listed.total, after=after, unreadable=unreadable, nameless=nameless
        )


def _change_key(seen: Observation) -> tuple[str, int, str]:
    return seen.source_time or "", len(seen.id), seen.id


def _repeats(resource: Resource) -> IonRefusedError:
    return IonUnreadableError(f"ION repeats the same page of {resource.title.lower()}")
