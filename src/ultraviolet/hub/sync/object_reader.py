"""Read objects by id; smaller requests find the objects that make a request fail."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from ultraviolet.clock import now_rfc3339
from ultraviolet.hub.sync.answer_lists import parse_list, select_requested
from ultraviolet.hub.sync.ion_access import ONCE, IonAccess
from ultraviolet.ion import queries
from ultraviolet.ion.client import RetryPolicy
from ultraviolet.ion.errors import (
    IonError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
    IonUnreadableError,
)
from ultraviolet.mirror.observation import Observation, Origin, Ref

ALIAS = 100
"""Ids per alias of a request."""
REQUEST = 300
"""Ids per request."""
_MAX_SPLIT_REQUESTS = 64
"""Requests to find unreadable objects; about six find one among a hundred."""


class ReadResult(msgspec.Struct, frozen=True):
    """The result of reading objects by id: each is read in full, proven absent, or failed."""

    observations: Sequence[Observation]
    failed: Mapping[Ref, str]


class ObjectReader(IonAccess):
    """Reads objects of one ION by id."""

    async def by_ids(
        self, refs: Iterable[Ref], origin: Origin, retries: RetryPolicy | None = None
    ) -> ReadResult:
        """Read objects of several resources in one request.

        An id is absent only if ION answered without an error, with a complete list, and without a
        null, a row without an id or another object instead. If there are more errors than missing
        lists, some are about fields, whose values are then unknown rather than empty.
        """
        by_resource: defaultdict[str, list[str]] = defaultdict(list)
        for name, id_ in refs:
            by_resource[name].append(id_)
        chunks = [
            (self.catalog.resources[name], ids[start : start + ALIAS])
            for name, ids in by_resource.items()
            for start in range(0, len(ids), ALIAS)
        ]
        wanted = [(f"a{number}", *chunk) for number, chunk in enumerate(chunks)]
        began = now_rfc3339()
        result = await self.ask(lambda: queries.by_ids_query(wanted, self.offered), retries)
        data = result.data or {}
        errors = "; ".join(result.errors)
        fields_unknown = len(result.errors) > sum(data.get(alias) is None for alias, _, _ in wanted)
        found: list[Observation] = []
        failed: dict[Ref, str] = {}
        for alias, resource, ids in wanted:
            try:
                listed = parse_list(resource, data.get(alias))
            except IonUnreadableError as error:
                failed |= {(resource.name, id_): errors or str(error) for id_ in ids}
                continue
            rows, others = select_requested(listed.rows, ids)
            shown, unreadable = self._observer.observe(
                resource, [] if fields_unknown else rows, began, origin, repaired=result.repaired
            )
            found += shown
            missing = set(ids).difference(o.id for o in shown)
            why = errors
            if not why and listed.more:
                why = "ION shows only some of the requested objects"
            elif not why and others:
                why = "ION answered null or another object instead"
            if not why:
                moment = now_rfc3339()
                found += [
                    Observation(
                        resource.name, id_, "absent", {}, moment, origin, read_started_at=began
                    )
                    for id_ in missing - unreadable.keys()
                ]
                missing &= unreadable.keys()
            failed |= {(resource.name, id_): unreadable.get(id_) or why for id_ in missing}
        return ReadResult(found, failed)

    async def each_by_id(self, refs: Iterable[Ref], origin: Origin) -> ReadResult:
        """Read objects by id, in smaller requests after a failure, so that only bad objects fail.

        After `_MAX_SPLIT_REQUESTS` requests, a group that fails is no longer split.
        """
        found: list[Observation] = []
        failed: dict[Ref, str] = {}
        whole = list(refs)
        groups = [whole] if whole else []
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
