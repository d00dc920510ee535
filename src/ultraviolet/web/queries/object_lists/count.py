"""The number of objects in a list, counted up to a limit and within a limited time."""

import time
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.db.time_limit import time_limit
from ultraviolet.ion.catalog import Catalog
from ultraviolet.web.queries.object_lists.order import ObjectQuery
from ultraviolet.web.queries.object_lists.page import select_ids
from ultraviolet.web.queries.objects import ObjectFilter

MAX_COUNT = 100_000
MAX_SECONDS = 0.04
"""Time to count the objects of a filter, which may have to read all documents."""
_BATCH_ROWS = 200


class ListCount(msgspec.Struct, frozen=True):
    """A number of objects; there are more if it is not exact."""

    number: int
    exact: bool = True


def count_objects(connection: Connection, catalog: Catalog, query: ObjectQuery) -> ListCount:
    """Count the objects of a query, without a filter from indexes alone."""
    if not (query.fields or query.objects.text or query.objects.state):
        return _count_all(connection, query.objects)
    number, complete, end = 0, False, time.monotonic() + MAX_SECONDS
    with time_limit(connection, MAX_SECONDS):
        found = connection.execute(
            select_ids(connection, catalog, query).limit(MAX_COUNT + 1),
            execution_options={"yield_per": _BATCH_ROWS},
        )
        with found:
            for batch in found.partitions():
                number += len(batch)
                complete = len(batch) < _BATCH_ROWS
                if time.monotonic() > end:
                    break
            else:
                complete = True
    return ListCount(min(number, MAX_COUNT), exact=complete and number <= MAX_COUNT)


def _count_all(connection: Connection, scope: ObjectFilter) -> ListCount:
    here: tuple[Any, ...] = (
        objects.c.integration_id == scope.integration_id,
        objects.c.resource == scope.resource.name,
    )
    is_deleted = objects.c.deleted_at.is_not(None)
    deleted = connection.execute(select(func.count()).where(*here, is_deleted)).scalar_one()
    some = select(objects.c.changed_at).where(*here, BY_CHANGE).limit(MAX_COUNT + 1 + deleted)
    counted = connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
    number = counted - deleted
    return ListCount(min(number, MAX_COUNT), exact=number <= MAX_COUNT)
