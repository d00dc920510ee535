"""Reading ION: pages by key, pages by change, objects by id; every answer becomes observations."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from ultraviolet.ion import documents
from ultraviolet.ion.catalog import Catalog, Resource
from ultraviolet.ion.client import ALIVE, Result, Retries, Variables
from ultraviolet.ion.documents import Offered
from ultraviolet.ion.problems import IonError, IonRefusedError, tells_of_schema
from ultraviolet.mirror.observation import Observation, Origin, Ref
from ultraviolet.times import now

PAGE = 100
"""Objects a page; the largest ION's own scripts use (its limit is unknown)."""
LARGEST_PAGE = 500
_QUICK = 1.0
"""Seconds within which an answer makes the next page larger."""
ALIAS = 100
"""Ids for one alias of a request."""
REQUEST = 300
"""Ids for one request."""

_SCHEMA_SECONDS = 30.0
"""Seconds in which ION's schema is read at most once because it refused a document."""
ONCE = Retries(attempts=1)
"""For who comes back to it anyway."""


class Client(Protocol):
    """What can run a GraphQL document."""

    async def execute(
        self,
        document: str,
        variables: Variables | None = None,
        *,
        repeatable: bool = True,
        retries: Retries | None = None,
    ) -> Result:
        """Run one document."""
        ...


class Page(msgspec.Struct, frozen=True):
    """One page of a list."""

    observations: Sequence[Observation]
    more: bool
    total: int | None

    @property
    def last(self) -> Observation | None:
        """Where the next page goes on."""
        return self.observations[-1] if self.observations else None


class Answer(msgspec.Struct, frozen=True):
    """What came of reading objects by id: each one is whole, proven absent, or failed for a reason."""

    observations: Sequence[Observation]
    failed: Mapping[Ref, str]


class Reader:
    """One integration's ION, read through the catalog, as far as this ION offers it."""

    def __init__(
        self,
        client: Client,
        catalog: Catalog,
        offered: Offered,
        read_schema: Callable[[], Awaitable[Offered | None]] | None = None,
    ) -> None:
        """`read_schema` returns what ION offers now, and None if it cannot be read."""
        self.client = client
        self.catalog = catalog
        self.offered = offered
        self._read_schema = read_schema
        self._reading_schema = asyncio.Lock()
        self._schema_read_at = float("-inf")
        self._size = PAGE
        self._largest = LARGEST_PAGE

    def reads(self, resource: Resource) -> bool:
        """Whether a resource is followed and this ION can list it."""
        return self.catalog.follows(resource.name) and self.offered.reads(resource)

    def answers_for(self, resource: Resource) -> bool:
        """Whether reading a resource tells something of what is followed: of itself, or of what is computed from it."""
        tells = self.catalog.follows(resource.name) or bool(self.catalog.dependents(resource.name))
        return tells and self.offered.reads(resource)

    def dates(self, resource: Resource) -> bool:
        """Whether a resource can be read in order of change."""
        sortable = self.offered.has(resource.sort or "", "_UPDATED_ASC")
        return sortable and self.offered.has(resource.type, "_updated")

    async def page(self, resource: Resource, after: str | None, origin: Origin, first: int = PAGE) -> Page:
        """Read the page behind a key, in order of key, so that changes meanwhile shift nothing."""
        filters = {"id": {"gt": after}} if after else None
        return await self._page(documents.page, resource, filters, origin, first)

    async def next_page(self, resource: Resource, after: str | None, origin: Origin) -> Page:
        """Read the page behind a key, as large as ION gives it quickly: fewer requests, and less of ION's time.

        Larger pages are an assumption: where ION refuses one or is slow, pages are again what its own scripts use.
        """
        size, began = self._size, time.monotonic()
        try:
            page = await self.page(resource, after, origin, size)
        except IonRefusedError:
            if size == PAGE:
                raise
            page = await self.page(resource, after, origin)  # then it is the size that ION refused
            self._size = self._largest = PAGE
            return page
        except IonError:
            self._size = PAGE
            raise
        if time.monotonic() - began > _QUICK:
            self._size = PAGE
        elif page.more:
            self._size = max(self._size, min(2 * size, self._largest))
        return page

    async def pages(self, resource: Resource, after: str | None, origin: Origin) -> AsyncGenerator[Page]:
        """Read page after page behind a key; the next one is on its way while one is used. Who leaves early closes it."""
        coming = asyncio.create_task(self.next_page(resource, after, origin))
        try:
            more = True
            while more:
                page = await coming
                more = page.more
                if more and page.last:
                    coming = asyncio.create_task(self.next_page(resource, page.last.id, origin))
                yield page
        finally:
            coming.cancel()

    async def changes(
        self, resource: Resource, filters: dict[str, Any] | None, origin: Origin, first: int = PAGE
    ) -> Page:
        """Read a page in order of change."""
        return await self._page(documents.page_by_update, resource, filters, origin, first)

    async def newest(self, resource: Resource) -> str | None:
        """Give the newest `_updated` of a resource: ION's own clock."""
        document = (
            f"query Newest {{ page: {resource.list}(sort: [_UPDATED_DESC], first: 1)"
            f" {{ edges {{ node {{ id _updated }} }} }} }}"
        )
        edges = (await self.client.execute(document)).must()["page"]["edges"]
        return documents.document(resource, edges[0]["node"]).get("_updated") if edges else None

    async def children(
        self, resource: Resource, key: str, owners: Sequence[str], origin: Origin
    ) -> list[Observation]:
        """Read every object of a resource that names one of `owners`."""
        found: list[Observation] = []
        after: str | None = None
        while True:
            filters: dict[str, Any] = {key: {"in": [int(o) for o in owners]}}
            if after:
                filters["id"] = {"gt": after}
            page = await self._page(documents.page, resource, filters, origin, PAGE)
            found += page.observations
            if not page.more or page.last is None:
                return found
            after = page.last.id

    async def answers(self) -> None:
        """Ask what costs nothing; raises what keeps ION from answering at all."""
        await self.client.execute(ALIVE, retries=ONCE)

    async def by_ids(self, refs: Iterable[Ref], origin: Origin, retries: Retries | None = None) -> Answer:
        """Read objects of several resources in one request.

        An id that ION does not give is seen to be absent only where it answered without an error, and gave all it has.
        More errors than lists without an answer are about fields of what it gave: these are not empty, but unknown.
        """
        wanted = self._aliases(refs)
        began = now()
        result = await self._ask(lambda: documents.by_ids(wanted, self.offered), retries)
        data = result.data or {}
        said = "; ".join(result.errors)
        doubtful = len(result.errors) > sum(data.get(alias) is None for alias, _, _ in wanted)
        found: list[Observation] = []
        failed: dict[Ref, str] = {}
        for alias, resource, ids in wanted:
            page = data.get(alias)
            shown = (
                self._observations(resource, page["edges"], began, origin) if page and not doubtful else []
            )
            found += shown
            missing = set(ids).difference(o.id for o in shown)
            why = said or _incomplete(page)
            if why:
                failed |= {(resource.name, id_): why for id_ in missing}
            else:
                found += _absent(resource, missing, began, origin)
        return Answer(found, failed)

    def _aliases(self, refs: Iterable[Ref]) -> list[tuple[str, Resource, list[str]]]:
        by_resource: defaultdict[str, list[str]] = defaultdict(list)
        for name, id_ in refs:
            by_resource[name].append(id_)
        chunks = [
            (self.catalog.resources[name], ids[start : start + ALIAS])
            for name, ids in by_resource.items()
            for start in range(0, len(ids), ALIAS)
        ]
        return [(f"a{number}", resource, ids) for number, (resource, ids) in enumerate(chunks)]

    async def _ask(
        self, write: Callable[[], tuple[str, Variables]], retries: Retries | None = None
    ) -> Result:
        """Run the document that `write` returns; once more if ION's schema has changed since it was read."""
        offered = self.offered
        document, variables = write()
        result = await self.client.execute(document, variables, retries=retries)
        if tells_of_schema(result.errors) and await self._schema_changed(offered):
            document, variables = write()
            result = await self.client.execute(document, variables, retries=retries)
        return result

    async def _schema_changed(self, used: Offered) -> bool:
        """Read ION's schema again, unless that was done since a document was written; return whether it differs."""
        async with self._reading_schema:
            recently = time.monotonic() - self._schema_read_at < _SCHEMA_SECONDS
            if self.offered is used and self._read_schema and not recently:
                self._schema_read_at = time.monotonic()
                found = await self._read_schema()
                if found and any(used.types.get(name) != fields for name, fields in found.types.items()):
                    self.offered = found
        return self.offered is not used

    async def _page(
        self,
        write: Callable[[Resource, Offered], str],
        resource: Resource,
        filters: dict[str, Any] | None,
        origin: Origin,
        first: int,
    ) -> Page:
        began = now()
        given = {"filters": filters, "first": first}
        result = await self._ask(lambda: (write(resource, self.offered), given))
        data = result.must()["page"]
        if data is None:
            raise IonRefusedError(f"ION answered no {resource.title.lower()}")
        info = data["pageInfo"]
        observations = self._observations(resource, data["edges"], began, origin)
        if info["hasNextPage"] and not observations:
            raise IonRefusedError(f"ION says there are more {resource.title.lower()} and shows none of them")
        return Page(observations, info["hasNextPage"], info.get("totalCount"))

    def _observations(
        self, resource: Resource, edges: Sequence[Any], began: str, origin: Origin
    ) -> list[Observation]:
        observed, form = now(), documents.form_of(resource)
        found: list[Observation] = []
        for edge in edges:
            node = edge and edge["node"]
            if not node:
                continue
            doc = documents.document(resource, node, form)
            found.append(
                Observation(
                    resource.name,
                    documents.object_id(resource, node),
                    "full",
                    doc,
                    observed_at=observed,
                    origin=origin,
                    source_time=doc.get("_updated"),
                    read_started_at=began,
                )
            )
        return found


def _incomplete(page: Mapping[str, Any] | None) -> str | None:
    if page is None:
        return "ION answered without data"
    return "ION shows only some of what it was asked for" if page["pageInfo"]["hasNextPage"] else None


def _absent(resource: Resource, ids: Iterable[str], began: str, origin: Origin) -> list[Observation]:
    moment = now()
    return [
        Observation(resource.name, id_, "absent", {}, moment, origin, read_started_at=began) for id_ in ids
    ]
