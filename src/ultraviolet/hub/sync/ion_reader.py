"""Reading ION: pages by key, pages by change, objects by id; every answer becomes observations."""

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
"""Objects a page; the largest ION's own scripts use (its limit is unknown)."""
MAX_PAGE_SIZE = 500
_QUICK = 1.0
"""Seconds within which an answer makes the next page larger."""
ALIAS = 100
"""Ids for one alias of a request."""
REQUEST = 300
"""Ids for one request."""

_MAX_SPLIT_REQUESTS = 64
"""Requests to find which of some objects cannot be read; six or so find one among a hundred."""
_MAX_REPORTED = 10_000
"""Fields with replaced text that a process remembers."""
_MAX_TOTAL = 2**31 - 1
_SCHEMA_SECONDS = 30.0
"""Seconds in which ION's schema is read at most once because it refused a document."""
ONCE = RetryPolicy(attempts=1)
"""For who comes back to it anyway."""

log = structlog.get_logger()


class Client(Protocol):
    """What can run a GraphQL document."""

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
    """The key behind which the next page begins; None where the page is empty."""
    unreadable: Mapping[str, str] = {}
    """Objects that ION lists and does not show in readable form: the reason by id."""
    nameless: int = 0
    """Rows in whose place ION answered null, or something without an id."""

    @property
    def last(self) -> Observation | None:
        """The last object of the page."""
        return self.observations[-1] if self.observations else None


class ReadResult(msgspec.Struct, frozen=True):
    """The result of reading objects by id: each one is whole, proven absent, or failed for a reason."""

    observations: Sequence[Observation]
    failed: Mapping[Ref, str]


class _Row(msgspec.Struct, frozen=True):
    """One row of a list; without an id it cannot be told which object it shows."""

    id: str | None
    node: Mapping[str, Any]


class _List(msgspec.Struct, frozen=True):
    """The rows of a list in ION's answer."""

    rows: Sequence[_Row]
    more: bool
    total: int | None


class IonReader:
    """One integration's ION, read through the catalog, as far as this ION offers it."""

    def __init__(
        self,
        client: Client,
        catalog: Catalog,
        offered: OfferedSchema,
        read_schema: Callable[[], Awaitable[OfferedSchema | None]] | None = None,
    ) -> None:
        """`read_schema` returns what ION offers now, and None if it cannot be read."""
        self.client = client
        self.catalog = catalog
        self.offered = offered
        self._read_schema = read_schema
        self._reading_schema = asyncio.Lock()
        self._schema_read_at = float("-inf")
        self._size = PAGE_SIZE
        self._largest = MAX_PAGE_SIZE
        self._unanswered: set[tuple[str, str]] = set()
        """Pages for which ION did not answer, by resource and filters."""
        self._reported: set[tuple[str, str, str]] = set()

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

    async def page(
        self, resource: Resource, after: str | None, origin: Origin, first: int = PAGE_SIZE
    ) -> Page:
        """Read the page behind a key, in order of key, so that changes meanwhile shift nothing."""
        filters = {"id": {"gt": after}} if after else None
        return await self._page(resource, filters, origin, first, after=after)

    async def next_page(self, resource: Resource, after: str | None, origin: Origin) -> Page:
        """Read the page behind a key, as large as ION gives it quickly: fewer requests, and less of ION's time.

        Larger pages are an assumption: where ION refuses one or is slow, pages are again what its own scripts use.
        """
        size, began = self._size, time.monotonic()
        try:
            page = await self.page(resource, after, origin, size)
        except IonRefusedError:
            if size == PAGE_SIZE:
                raise
            page = await self.page(resource, after, origin)  # then it is the size that ION refused
            self._size = self._largest = PAGE_SIZE
            return page
        except IonError:
            self._size = PAGE_SIZE
            raise
        if time.monotonic() - began > _QUICK:
            self._size = PAGE_SIZE
        elif page.more:
            self._size = max(self._size, min(2 * size, self._largest))
        return page

    async def pages(
        self, resource: Resource, after: str | None, origin: Origin
    ) -> AsyncGenerator[Page]:
        """Read page after page behind a key, the next one while one is used; who leaves early closes it.

        Each page begins behind a key that no page began behind before, so a list that repeats itself ends.
        """
        begun = {after}
        coming = asyncio.create_task(self.next_page(resource, after, origin))
        try:
            more = True
            while more:
                page = await coming
                more = page.more
                if more:
                    if page.after is None or page.after in begun:
                        raise _repeats(resource)
                    if not resource.numbered:
                        begun.add(
                            page.after
                        )  # numbers have an order, which each page is checked against
                    coming = asyncio.create_task(self.next_page(resource, page.after, origin))
                yield page
        finally:
            coming.cancel()

    async def changes(
        self,
        resource: Resource,
        filters: dict[str, Any] | None,
        origin: Origin,
        previous: Observation | None = None,
    ) -> Page:
        """Read a page in order of change; `previous` is the last object of the page before.

        Raises IonRefusedError where a page does not come behind the one before it.
        """
        page = await self._page(resource, filters, origin, PAGE_SIZE, dated=True)
        last = page.last
        if page.more and (last is None or last.source_time is None):
            raise IonUnreadableError(
                f"ION does not show when the {resource.title.lower()} of a page changed"
            )
        if last and previous and _change_key(last) <= _change_key(previous):
            raise _repeats(resource)
        return page

    async def newest(self, resource: Resource) -> str | None:
        """Return the newest `_updated` of a resource, which is a time of ION's own clock."""
        document = (
            f"query Newest {{ page: {resource.list}(sort: [_UPDATED_DESC], first: 1)"
            f" {{ edges {{ node {{ id _updated }} }} }} }}"
        )
        rows = _rows(resource, _only_list((await self.client.execute(document)).must()))
        return queries.valid_time(rows[0].node.get("_updated")) if rows else None

    async def children(
        self, resource: Resource, key: str, owners: Sequence[str], origin: Origin
    ) -> Page:
        """Read every object of a resource that names one of `owners`."""
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
        """Ask what costs nothing; raises what keeps ION from answering at all."""
        await self.client.execute(ALIVE_QUERY, retries=ONCE)

    async def by_ids(
        self, refs: Iterable[Ref], origin: Origin, retries: RetryPolicy | None = None
    ) -> ReadResult:
        """Read objects of several resources in one request.

        An id is absent only where ION answered without an error, gave all it has, and showed nothing else in its place:
        no null, no row without an id, no object that was not asked for. More errors than lists without an answer are
        about fields of what it gave: these are not empty, but unknown.
        """
        wanted = self._aliases(refs)
        began = now_rfc3339()
        result = await self._ask(lambda: queries.by_ids_query(wanted, self.offered), retries)
        data = result.data or {}
        said = "; ".join(result.errors)
        doubtful = len(result.errors) > sum(data.get(alias) is None for alias, _, _ in wanted)
        found: list[Observation] = []
        failed: dict[Ref, str] = {}
        for alias, resource, ids in wanted:
            try:
                answered = _list(resource, data.get(alias))
            except IonUnreadableError as error:
                failed |= {(resource.name, id_): said or str(error) for id_ in ids}
                continue
            rows, unasked = _asked_for(answered.rows, ids)
            shown, unreadable = self._observations(
                resource, [] if doubtful else rows, began, origin, repaired=result.repaired
            )
            found += shown
            missing = set(ids).difference(o.id for o in shown)
            why = said or _doubt(answered, unasked)
            if not why:
                found += _absent(resource, missing - unreadable.keys(), began, origin)
                missing &= unreadable.keys()
            failed |= {(resource.name, id_): unreadable.get(id_) or why or "" for id_ in missing}
        return ReadResult(found, failed)

    async def each_by_id(self, refs: Iterable[Ref], origin: Origin) -> ReadResult:
        """Read objects by id so that none is unreadable because of another: in ever smaller requests where one fails.

        After so many requests the objects that are left have failed, whatever the reason.
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
        """Run the document that `write` returns; once more if ION's schema has changed since it was read."""
        offered = self.offered
        document, variables = write()
        result = await self.client.execute(document, variables, retries=retries)
        if tells_of_schema(result.errors) and await self._schema_changed(offered):
            document, variables = write()
            result = await self.client.execute(document, variables, retries=retries)
        return result

    async def _schema_changed(self, used: OfferedSchema) -> bool:
        """Read ION's schema again, unless that was done since a document was written; return whether it differs."""
        async with self._reading_schema:
            recently = time.monotonic() - self._schema_read_at < _SCHEMA_SECONDS
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
        """Read one page; one that cannot be read as a whole is read object by object.

        A page that ION does not answer is tried again by the caller. Where that happens twice although ION answers
        other requests, something in the page is the reason.
        """
        write = queries.changes_query if dated else queries.page_query
        place = (resource.name, str(filters))
        began = now_rfc3339()
        given = {"filters": filters, "first": first}
        try:
            result = await self._ask(lambda: (write(resource, self.offered), given))
            answered = _list(resource, _only_list(result.must()))
            _check_order(resource, answered.rows, after, dated=dated)
        except IonInterceptedError:
            raise  # something other than ION answered
        except IonRefusedError as error:
            if first > PAGE_SIZE:
                raise  # it may be the size that ION refuses
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
        """Read only the ids of a page, then each object by id; raises `cause` where ION refuses the ids as well."""
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
                row.id for row in listed.rows if row.id and _is_behind(resource, row.id, after)
            )
        )
        if not ids:
            raise cause
        answer = await self.each_by_id([(resource.name, id_) for id_ in ids], origin)
        shown = {o.id: o for o in answer.observations if o.kind == "full"}
        unreadable = {id_: why for (_, id_), why in answer.failed.items()}
        # An id that names nothing was wrong in the list, and nothing may begin behind it.
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
        """Return what rows show, and why those that cannot be read cannot; rows without an id are left out."""
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
        """Log once which fields hold text that was not valid Unicode."""
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
    """Read a list of ION's answer; raises IonUnreadableError where it does not say what it shows, or whether that is all."""
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
    """Raise IonUnreadableError for ids that a page cannot have: repeated, or not in order behind the key."""
    ids = [row.id for row in rows if row.id is not None]
    if len(set(ids)) < len(ids):
        raise IonUnreadableError(f"ION shows one of its {resource.title.lower()} more than once")
    if dated or not resource.numbered:
        return
    numbers = [int(after or 0) - (after is None), *map(int, ids)]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise IonUnreadableError(
            f"ION shows {resource.title.lower()} in another order than it was asked for"
        )


def _is_behind(resource: Resource, id_: str, after: str | None) -> bool:
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
            f"ION answered null in the place of {len(listed.rows)} {resource.title.lower()}"
        )
    nameless = len(listed.rows) - len(ids)
    return Page(
        shown, listed.more, listed.total, after=after, unreadable=unreadable, nameless=nameless
    )


def _asked_for(rows: Sequence[_Row], ids: Collection[str]) -> tuple[list[_Row], int]:
    """Return the rows of objects that were asked for, and how many others there are.

    An object that is shown twice with different content is one of the others: which content is its own is unknown.
    """
    wanted = set(ids)
    found: dict[str, _Row] = {}
    twice: set[str] = set()
    others = 0
    for row in rows:
        if row.id is None or row.id not in wanted:
            others += 1
        elif row.id in found and found[row.id].node != row.node:
            twice.add(row.id)
        else:
            found[row.id] = row
    return [row for id_, row in found.items() if id_ not in twice], others + len(twice)


def _doubt(answered: _List, unasked: int) -> str | None:
    """Return why objects that an answer does not show may exist all the same."""
    if answered.more:
        return "ION shows only some of what it was asked for"
    return "ION answered null or another object in its place" if unasked else None


def _repeats(resource: Resource) -> IonRefusedError:
    return IonUnreadableError(
        f"ION shows the same page of {resource.title.lower()} again and again"
    )


def _absent(
    resource: Resource, ids: Iterable[str], began: str, origin: Origin
) -> list[Observation]:
    moment = now_rfc3339()
    return [
        Observation(resource.name, id_, "absent", {}, moment, origin, read_started_at=began)
        for id_ in ids
    ]
