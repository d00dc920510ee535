"""The number of objects in a list, counted up to a limit and within a limited time."""

import time

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.web.queries.object_table import ObjectQuery, select_ids

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
        here = (
            objects.c.integration_id == query.objects.integration_id,
            objects.c.resource == query.objects.resource.name,
        )
        is_deleted = objects.c.deleted_at.is_not(None)
        deleted = connection.execute(select(func.count()).where(*here, is_deleted)).scalar_one()
        some = select(objects.c.changed_at).where(*here, BY_CHANGE).limit(MAX_COUNT + 1 + deleted)
        counted = connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
        number = counted - deleted
        return ListCount(min(number, MAX_COUNT), exact=number <= MAX_COUNT)
    found = connection.execute(
        select_ids(connection, catalog, query).limit(MAX_COUNT + 1),
        execution_options={"yield_per": _BATCH_ROWS},
    )
    number, end = 0, time.monotonic() + MAX_SECONDS
    with found:
        for batch in found.partitions():
            number += len(batch)
            if time.monotonic() > end and len(batch) == _BATCH_ROWS:
                return ListCount(min(number, MAX_COUNT), exact=False)
    return ListCount(min(number, MAX_COUNT), exact=number <= MAX_COUNT)
