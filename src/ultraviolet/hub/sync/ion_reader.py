"""Read ION: pages in order of key or of change, and objects by id. Answers become observations."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from typing import Any, Protocol, cast

import msgspec
import structlog

from ultraviolet.clock import now_rfc3339
from ultraviolet.ion import queries
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import ALIVE_QUERY, Result, RetryPolicy, Variables
from ultraviolet.ion.deliveries import LONGEST_ID, is_id
from ultraviolet.ion.errors import (
    IonError,
    IonInterceptedError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
    IonUnreachableError,
    IonUnreadableError,
    tells_of_schema,
)
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.mirror.observation import Observation, Origin, Ref

PAGE_SIZE = 100
"""Objects per page; the largest in ION's own scripts (its limit is unknown)."""
MAX_PAGE_SIZE = 500
_FAST_ANSWER_SECONDS = 1.0
"""Time within which an answer makes the next page larger."""
ALIAS = 100
"""Ids per alias of a request."""
REQUEST = 300
"""Ids per request."""

_MAX_SPLIT_REQUESTS = 64
"""Requests to find unreadable objects; about six find one among a hundred."""
_MAX_REPORTED = 10_000
"""Fields with replaced text that a process remembers, to log each once."""
_MAX_TOTAL = 2**31 - 1
_SCHEMA_INTERVAL_SECONDS = 30.0
"""Minimum time between two reads of ION's schema because ION rejected a document."""
ONCE = RetryPolicy(attempts=1)
"""For callers that try again themselves."""

log = structlog.get_logger()


class Client(Protocol):
    """A client that runs GraphQL documents."""

    async def execute(
        self,
        document: str,
        variables: Variables | None = None,
        *,
        repeatable: bool = True,
        retries: RetryPolicy | None = None,
    ) -> Result:
        """Run one document."""
        ...


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


class ReadResult(msgspec.Struct, frozen=True):
    """The result of reading objects by id: each is read in full, proven absent, or failed."""

    observations: Sequence[Observation]
    failed: Mapping[Ref, str]


class _Row(msgspec.Struct, frozen=True):
    """One row of a list; without an id, its object is unknown."""

    id: str | None
    node: Mapping[str, Any]


class _List(msgspec.Struct, frozen=True):
    """A list in ION's answer."""

    rows: Sequence[_Row]
    more: bool
    total: int | None


class IonReader:
    """Reads the resources of the catalog that one ION offers."""

    def __init__(
        self,
        client: Client,
        catalog: Catalog,
        offered: OfferedSchema,
        read_schema: Callable[[], Awaitable[OfferedSchema | None]] | None = None,
    ) -> None:
        """Create a reader; `read_schema` returns ION's current schema, or None."""
        self.client = client
        self.catalog = catalog
        self.offered = offered
        self._read_schema = read_schema
        self._reading_schema = asyncio.Lock()
        self._schema_read_at = float("-inf")
        self._size = PAGE_SIZE
        self._largest = MAX_PAGE_SIZE
        self._unanswered: set[tuple[str, str]] = set()
        """Pages that ION did not answer, by resource and filters."""
        self._reported: set[tuple[str, str, str]] = set()

    def reads(self, resource: Resource) -> bool:
        """Return whether a resource is selected and this ION can list it."""
        return self.catalog.follows(resource.name) and self.offered.reads(resource)

    def answers_for(self, resource: Resource) -> bool:
        """Return whether a resource is readable and affects selected resources."""
        affects = self.catalog.follows(resource.name) or bool(
            self.catalog.dependents(resource.name)
        )
        return affects and self.offered.reads(resource)

    def dates(self, resource: Resource) -> bool:
        """Return whether a resource can be read in order of change."""
        sortable = self.offered.has(resource.sort or "", "_UPDATED_ASC")
        return sortable and self.offered.has(resource.type, "_updated")

    async def page(
        self, resource: Resource, after: str | None, origin: Origin, first: int = PAGE_SIZE
    ) -> Page:
        """Read the page after a key, in order of key, so that concurrent changes shift nothing."""
        filters = {"id": {"gt": after}} if after else None
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
    ) -> Page:
        """Read a page in order of change; `previous` is the last object of the page before.

        Raise IonRefusedError if the page does not follow that object.
        """
        page = await self._page(resource, filters, origin, PAGE_SIZE, dated=True)
        last = page.last
        if page.more and (last is None or last.source_time is None):
            raise IonUnreadableError(
                f"ION does not show the change times of {resource.title.lower()}"
            )
        if last and previous and _change_key(last) <= _change_key(previous):
            raise _repeats(resource)
        return page

    async def newest(self, resource: Resource) -> str | None:
        """Return the newest `_updated` of a resource, by ION's clock."""
        document = (
            f"query Newest {{ page: {resource.list}(sort: [_UPDATED_DESC], first: 1)"
            f" {{ edges {{ node {{ id _updated }} }} }} }}"
        )
        rows = _rows(resource, _only_list((await self.client.execute(document)).must()))
        return queries.valid_time(rows[0].node.get("_updated")) if rows else None

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
            if after:
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

    async def answers(self) -> None:
        """Send a trivial request; raise the error of an ION that does not answer."""
        await self.client.execute(ALIVE_QUERY, retries=ONCE)

    async def by_ids(
        self, refs: Iterable[Ref], origin: Origin, retries: RetryPolicy | None = None
    ) -> ReadResult:
        """Read objects of several resources in one request.

        An id is absent only if ION answered without an error, with a complete list, and without a
        null, a row without an id or another object instead. If there are more errors than missing
        lists, some are about fields, whose values are then unknown rather than empty.
        """
        wanted = self._aliases(refs)
        began = now_rfc3339()
        result = await self._ask(lambda: queries.by_ids_query(wanted, self.offered), retries)
        data = result.data or {}
        errors = "; ".join(result.errors)
        fields_unknown = len(result.errors) > sum(data.get(alias) is None for alias, _, _ in wanted)
        found: list[Observation] = []
        failed: dict[Ref, str] = {}
        for alias, resource, ids in wanted:
            try:
                answered = _list(resource, data.get(alias))
            except IonUnreadableError as error:
                failed |= {(resource.name, id_): errors or str(error) for id_ in ids}
                continue
            rows, others = _select_requested(answered.rows, ids)
            shown, unreadable = self._observations(
                resource, [] if fields_unknown else rows, began, origin, repaired=result.repaired
            )
            found += shown
            missing = set(ids).difference(o.id for o in shown)
            why = errors or _incomplete_reason(answered, others)
            if not why:
                found += _absent(resource, missing - unreadable.keys(), began, origin)
                missing &= unreadable.keys()
            failed |= {(resource.name, id_): unreadable.get(id_) or why or "" for id_ in missing}
        return ReadResult(found, failed)

    async def each_by_id(self, refs: Iterable[Ref], origin: Origin) -> ReadResult:
        """Read objects by id, in smaller requests after a failure, so that only bad objects fail.

        After `_MAX_SPLIT_REQUESTS` requests, the remaining objects have failed.
        """
        found: list[Observation] = []
        failed: dict[Ref, str] = {}
        groups = [list(refs)]
        requests = 0
        while groups:
            group = groups.pop()
            requests += 1
            try:
                answer = await self.by_ids(group, origin, ONCE if requests > 1 else None)
            except (IonUnauthorizedError, IonRateLimitedError):
                raise
            except IonError as error:
                if not isinstance(error, IonRefusedError):
                    await self.answers()
                answer = ReadResult([], dict.fromkeys(group, str(error)))
            found += answer.observations
            again = list(answer.failed)
            if len(group) == 1 or requests >= _MAX_SPLIT_REQUESTS:
                failed |= answer.failed
            elif again:
                half = (len(again) + 1) // 2
                groups += [part for part in (again[:half], again[half:]) if part]
        return ReadResult(found, failed)

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
        self, write: Callable[[], tuple[str, Variables]], retries: RetryPolicy | None = None
    ) -> Result:
        """Run the document that `write` returns, and again if ION's schema has changed."""
        offered = self.offered
        document, variables = write()
        result = await self.client.execute(document, variables, retries=retries)
        if tells_of_schema(result.errors) and await self._schema_changed(offered):
            document, variables = write()
            result = await self.client.execute(document, variables, retries=retries)
        return result

    async def _schema_changed(self, used: OfferedSchema) -> bool:
        """Read ION's schema unless it was read recently; return whether it differs from `used`."""
        async with self._reading_schema:
            recently = time.monotonic() - self._schema_read_at < _SCHEMA_INTERVAL_SECONDS
            if self.offered is used and self._read_schema and not recently:
                self._schema_read_at = time.monotonic()
                found = await self._read_schema()
                if found and any(
                    used.types.get(name) != fields for name, fields in found.types.items()
                ):
                    self.offered = found
        return self.offered is not used

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
        given = {"filters": filters, "first": first}
        try:
            result = await self._ask(lambda: (write(resource, self.offered), given))
            answered = _list(resource, _only_list(result.must()))
            _check_order(resource, answered.rows, after, dated=dated)
        except IonRefusedError as error:
            if isinstance(error, IonInterceptedError):
                await self.answers()  # raises if something else answers instead of ION
            elif first > PAGE_SIZE:
                raise  # ION may refuse the size
            return await self._page_by_id(
                resource, filters, origin, error, after=after, dated=dated
            )
        except IonUnreachableError as error:
            if place not in self._unanswered:
                self._unanswered.add(place)
                raise
            await self.answers()
            return await self._page_by_id(
                resource, filters, origin, error, after=after, dated=dated
            )
        self._unanswered.discard(place)
        shown, unreadable = self._observations(
            resource, answered.rows, began, origin, repaired=result.repaired
        )
        return _page(resource, answered, shown, unreadable)

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
        document = queries.page_of_ids(resource, dated=dated)
        given = {"filters": filters, "first": PAGE_SIZE}
        try:
            listed = _list(
                resource, _only_list((await self.client.execute(document, given)).must())
            )
        except IonRefusedError:
            raise cause from None
        ids = list(
            dict.fromkeys(
                row.id for row in listed.rows if row.id and _is_after(resource, row.id, after)
            )
        )
        if not ids:
            raise cause
        answer = await self.each_by_id([(resource.name, id_) for id_ in ids], origin)
        shown = {o.id: o for o in answer.observations if o.kind == "full"}
        unreadable = {id_: why for (_, id_), why in answer.failed.items()}
        # No page may begin after an id that does not exist.
        rows = [
            row for row in listed.rows if row.id is None or row.id in shown or row.id in unreadable
        ]
        if listed.more and not (shown or unreadable):
            raise cause
        kept = _List(rows, listed.more, listed.total)
        return _page(resource, kept, [shown[id_] for id_ in ids if id_ in shown], unreadable)

    def _observations(
        self,
        resource: Resource,
        rows: Sequence[_Row],
        began: str,
        origin: Origin,
        *,
        repaired: bool,
    ) -> tuple[list[Observation], dict[str, str]]:
        """Return observations of readable rows, and why others are unreadable; skip nameless rows."""
        observed, form = now_rfc3339(), queries.form_of(resource)
        found: list[Observation] = []
        unreadable: dict[str, str] = {}
        for row in rows:
            if row.id is None:
                continue
            try:
                doc = queries.normalize_document(resource, row.node, form)
            except queries.UnreadableValueError as error:
                unreadable[row.id] = str(error)
                continue
            if repaired:
                self._report_repairs(resource, row.id, doc)
            found.append(
                Observation(
                    resource.name,
                    row.id,
                    "full",
                    doc,
                    observed_at=observed,
                    origin=origin,
                    source_time=queries.valid_time(doc.get("_updated")),
                    read_started_at=began,
                )
            )
        return found, unreadable

    def _report_repairs(self, resource: Resource, id_: str, doc: Mapping[str, Any]) -> None:
        """Log each field once whose text was not valid Unicode."""
        for name, value in doc.items():
            place = (resource.name, id_, name)
            if place in self._reported or len(self._reported) >= _MAX_REPORTED:
                continue
            if "\ufffd" in (
                value if isinstance(value, str) else msgspec.json.encode(value).decode()
            ):
                self._reported.add(place)
                log.warning("ion.text_replaced", resource=resource.name, id=id_, field=name)


def _only_list(data: Mapping[str, Any]) -> Any:
    return data.get("page")


def _list(resource: Resource, page: Any) -> _List:
    """Parse a list of ION's answer; raise IonUnreadableError if it is invalid."""
    rows = _rows(resource, page)
    info: Any = cast("dict[str, Any]", page).get("pageInfo")
    more: Any = cast("dict[str, Any]", info).get("hasNextPage") if isinstance(info, dict) else None
    if not isinstance(more, bool):
        raise IonUnreadableError(f"ION does not say whether it shows all {resource.title.lower()}")
    if more and not rows:
        raise IonUnreadableError(
            f"ION says there are more {resource.title.lower()} and shows none of them"
        )
    total: Any = cast("dict[str, Any]", info).get("totalCount")
    known = isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= _MAX_TOTAL
    return _List(rows, more, total if known else None)


def _rows(resource: Resource, page: Any) -> list[_Row]:
    if page is None:
        raise IonUnreadableError(f"ION answered no {resource.title.lower()}")
    edges: Any = cast("dict[str, Any]", page).get("edges") if isinstance(page, dict) else None
    if not isinstance(edges, list):
        raise IonUnreadableError(f"ION's list of {resource.title.lower()} is not a list")
    return [_row(resource, edge) for edge in cast("list[Any]", edges)]


def _row(resource: Resource, edge: Any) -> _Row:
    node: Any = cast("dict[str, Any]", edge).get("node") if isinstance(edge, dict) else None
    if not isinstance(node, dict):
        return _Row(None, {})
    shown = cast("dict[str, Any]", node)
    id_ = shown.get(resource.key[0])
    if resource.numbered:
        return _Row(str(int(id_)) if isinstance(id_, int | str) and is_id(id_) else None, shown)
    return _Row(id_ if isinstance(id_, str) and 0 < len(id_) <= LONGEST_ID else None, shown)


def _check_order(
    resource: Resource, rows: Sequence[_Row], after: str | None, *, dated: bool
) -> None:
    """Raise IonUnreadableError for repeated ids, or for ids that are not in order after the key."""
    ids = [row.id for row in rows if row.id is not None]
    if len(set(ids)) < len(ids):
        raise IonUnreadableError(f"ION lists one of the {resource.title.lower()} more than once")
    if dated or not resource.numbered:
        return
    numbers = [int(after or 0) - (after is None), *map(int, ids)]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise IonUnreadableError(
            f"ION lists {resource.title.lower()} in a different order than requested"
        )


def _is_after(resource: Resource, id_: str, after: str | None) -> bool:
    if after is None:
        return True
    return int(id_) > int(after) if resource.numbered else id_ != after


def _change_key(seen: Observation) -> tuple[str, int, str]:
    return seen.source_time or "", len(seen.id), seen.id


def _page(
    resource: Resource, listed: _List, shown: Sequence[Observation], unreadable: Mapping[str, str]
) -> Page:
    ids = [row.id for row in listed.rows if row.id is not None]
    after = (max(ids, key=int) if resource.numbered else ids[-1]) if ids else None
    if listed.more and after is None:
        raise IonUnreadableError(
            f"ION answered null instead of {len(listed.rows)} {resource.title.lower()}"
        )
    nameless = len(listed.rows) - len(ids)
    return Page(
        shown, listed.more, listed.total, after=after, unreadable=unreadable, nameless=nameless
    )


def _select_requested(rows: Sequence[_Row], ids: Collection[str]) -> tuple[list[_Row], int]:
    """Return the rows of requested objects, and the number of other rows.

    An object with two different contents counts as another row, because its content is unknown.
    """
    wanted = set(ids)
    found: dict[str, _Row] = {}
    ambiguous: set[str] = set()
    others = 0
    for row in rows:
        if row.id is None or row.id not in wanted:
            others += 1
        elif row.id in found and found[row.id].node != row.node:
            ambiguous.add(row.id)
        else:
            found[row.id] = row
    return [row for id_, row in found.items() if id_ not in ambiguous], others + len(ambiguous)


def _incomplete_reason(answered: _List, others: int) -> str | None:
    """Return why objects may exist although an answer does not show them."""
    if answered.more:
        return "ION shows only some of the requested objects"
    return "ION answered null or another object instead" if others else None


def _repeats(resource: Resource) -> IonRefusedError:
    return IonUnreadableError(f"ION repeats the same page of {resource.title.lower()}")


def _absent(
    resource: Resource, ids: Iterable[str], began: str, origin: Origin
) -> list[Observation]:
    moment = now_rfc3339()
    return [
        Observation(resource.name, id_, "absent", {}, moment, origin, read_started_at=began)
        for id_ in ids
    ]
