"""Indexes of fields: offered for large resources, created once, limited, and used for sorting."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, select, text
from tests.mirror.observations import Mirror, at, read

from ultraviolet.db import dialect, sql
from ultraviolet.db.tables.mirror import objects
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import field_indexes
from ultraviolet.mirror.field_indexes import FieldIndex

PARTS = (objects.c.integration_id == 1, objects.c.resource == "parts")


@pytest.fixture
def parts(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> Resource:
    monkeypatch.setattr(field_indexes, "MIN_OBJECTS", 2)
    return catalog.resources["parts"]


def save(connection: Connection, catalog: Catalog, **fields: Sequence[Any]) -> None:
    """Save parts with the ids 1, 2, …; each field has a value per part."""
    mirror = Mirror(connection, catalog)
    for n, cells in enumerate(zip(*fields.values(), strict=True), start=1):
        given = dict(zip(fields, cells, strict=True))
        mirror(read(n, id_=str(n), resource="parts", _updated=at(n), **given))


def missing(connection: Connection, resource: Resource, *names: str) -> list[FieldIndex]:
    fields = [(name, resource.kinds[name]) for name in names]
    return field_indexes.missing_indexes(connection, 1, resource, fields)


def create(engine: Engine, wanted: Sequence[FieldIndex]) -> None:
    if engine.dialect.name == "postgresql":
        for index in wanted:
            sql.create_index(engine, index.name, index.definition)
        return
    with engine.connect() as connection:
        dialect.begin_write(connection)
        field_indexes.create_indexes(connection, wanted)
        connection.commit()


def test_small_resource_needs_no_index(
    connection: Connection, catalog: Catalog, parts: Resource
) -> None:
    assert missing(connection, parts, "cost") == []

    save(connection, catalog, cost=[1, 2])
    assert missing(connection, parts, "cost") == []

    Mirror(connection, catalog, 2)(read(1, id_="3", resource="parts"))
    assert missing(connection, parts, "cost") == []

    Mirror(connection, catalog)(read(1, id_="3", resource="parts"))
    assert len(missing(connection, parts, "cost", "partNumber", "id")) == 3
    assert missing(connection, parts) == []


def test_index_is_created_once_and_offered_again_after_its_removal(
    two_plants: Engine, catalog: Catalog, parts: Resource
) -> None:
    fields = (
        "cost",
        "partNumber",
        "exportControlled",
        "_updated",
        "leadTime",
        "supplierPartNumber",
    )
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        save(connection, catalog, cost=[1.5, 2, None], partNumber=["it's", "100%", "☃"])
        wanted = missing(connection, parts, *fields, "id")
        connection.commit()
    assert len({index.name for index in wanted}) == len(wanted) == 7

    create(two_plants, wanted)
    create(two_plants, wanted)

    with two_plants.connect() as connection:
        assert missing(connection, parts, *fields, "id") == []
        connection.exec_driver_sql(f"DROP INDEX {wanted[0].name}")
        assert [each.name for each in missing(connection, parts, *fields)] == [wanted[0].name]


def test_index_belongs_to_a_resource_and_serves_all_its_integrations(
    connection: Connection, catalog: Catalog, parts: Resource
) -> None:
    save(connection, catalog, cost=[1, 2, 3])
    for n in range(3):
        Mirror(connection, catalog)(read(1, id_=str(n), resource="suppliers"))
        Mirror(connection, catalog, 2)(read(1, id_=str(n), resource="parts"))

    suppliers = catalog.resources["suppliers"]
    names = [("id", "id")]
    here = field_indexes.missing_indexes(connection, 1, parts, names)
    assert field_indexes.missing_indexes(connection, 2, parts, names) == here
    assert field_indexes.missing_indexes(connection, 1, suppliers, names) != here


def test_columns_of_large_lists_are_indexed(
    two_plants: Engine, catalog: Catalog, parts: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_indexes, "LISTED_OBJECTS", range(3, 5))
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        save(connection, catalog, cost=[1, 2])
        assert field_indexes.missing_list_indexes(connection, catalog) == []
        save(connection, catalog, cost=[1, 2, 3])
        wanted = field_indexes.missing_list_indexes(connection, catalog)
        shown = (*resource_label("parts").columns, "_created")
        assert wanted == missing(connection, parts, *shown)
        connection.commit()

    create(two_plants, wanted)
    with two_plants.connect() as connection:
        assert field_indexes.missing_list_indexes(connection, catalog) == []
        dialect.begin_write(connection)
        save(connection, catalog, cost=[1, 2, 3, 4, 5])
        connection.exec_driver_sql(f"DROP INDEX {wanted[0].name}")
        assert field_indexes.missing_list_indexes(connection, catalog) == [], "too many objects"


def test_indexes_of_lists_leave_room_for_requested_ones(
    connection: Connection, catalog: Catalog, parts: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_indexes, "LISTED_OBJECTS", range(3, 5))
    monkeypatch.setattr(field_indexes, "MAX_LIST_INDEXES", 2)
    save(connection, catalog, cost=[1, 2, 3])
    assert len(field_indexes.missing_list_indexes(connection, catalog)) == 2


def test_processes_do_not_replace_the_index_of_another(
    two_plants: Engine, catalog: Catalog, parts: Resource
) -> None:
    with two_plants.connect() as connection:
        save(connection, catalog, cost=[1, 2, 3])
        [index] = missing(connection, parts, "cost")
        connection.commit()
    create(two_plants, [index])

    def place() -> object:
        """Return where the database keeps the index; a new one has another place."""
        query = "SELECT rootpage FROM sqlite_master WHERE name = :name"
        if two_plants.dialect.name == "postgresql":
            query = "SELECT oid FROM pg_class WHERE relname = :name"
        with two_plants.connect() as connection:
            return connection.execute(text(query), {"name": index.name}).scalar_one()

    before = place()
    create(two_plants, [index])
    assert place() == before


def test_number_of_indexes_is_limited(
    two_plants: Engine, catalog: Catalog, parts: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(field_indexes, "MAX_INDEXES", 2)
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        save(connection, catalog, cost=[1, 2, 3])
        [first, second] = missing(connection, parts, "cost", "partNumber", "description")
        connection.commit()

    create(two_plants, [first])
    with two_plants.connect() as connection:
        assert [x.name for x in missing(connection, parts, "partNumber", "cost")] == [second.name]
    create(two_plants, [second])
    with two_plants.connect() as connection:
        assert missing(connection, parts, "description") == []


@pytest.mark.parametrize(
    ("field", "cells", "order"),
    [
        ("cost", [10, -2.5, "cheap", 1e300, None], "35214"),
        ("leadTime", [10, 9, 1.5, -(2**63) + 1, 2**63 - 1], "34215"),
        ("exportControlled", [True, False, None, "yes", True], "34215"),
        ("_created", ["2026-01-02", "2026-01-01T23:00:00-02:00", None, "soon", at(0)], "34512"),
        ("partNumber", ["b", "B1", "", None, 7], "34512"),
        ("createdById", [10, "9", None, "nine", 100], "34215"),
    ],
)
def test_fields_sort_by_value_and_invalid_values_come_first(
    connection: Connection,
    catalog: Catalog,
    parts: Resource,
    field: str,
    cells: list[Any],
    order: str,
) -> None:
    save(connection, catalog, **{field: cells})

    key = field_indexes.sort_key(connection, field, parts.kinds[field])

    query = (
        select(objects.c.id).where(*PARTS).order_by(key, func.length(objects.c.id), objects.c.id)
    )
    assert "".join(connection.execute(query).scalars()) == order


def test_long_texts_are_indexed_by_their_first_characters(
    two_plants: Engine, catalog: Catalog, parts: Resource
) -> None:
    """PostgreSQL rejects an index entry of more than 2704 bytes."""
    prefix = "𝄞" * field_indexes.INDEXED_CHARACTERS
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        save(connection, catalog, description=[prefix + "b" * 9000, prefix + "a" * 9000, "𝄞"])
        wanted = missing(connection, parts, "description")
        connection.commit()

    create(two_plants, wanted)

    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        key = field_indexes.sort_key(connection, "description", "text")
        found = connection.execute(select(objects.c.id).where(*PARTS).order_by(key, objects.c.id))
        assert "".join(found.scalars()) == "312"
        Mirror(connection, catalog)(read(90, id_="4", resource="parts", description=prefix * 20))


def test_query_in_the_order_of_a_field_uses_its_index(
    two_plants: Engine, catalog: Catalog, parts: Resource
) -> None:
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
        mirror = Mirror(connection, catalog)
        mirror(*(read(1, id_=str(n), resource="parts", cost=n % 97) for n in range(400)))
        wanted = missing(connection, parts, "cost")
        connection.commit()
    create(two_plants, wanted)

    with two_plants.connect() as connection:
        key = field_indexes.sort_key(connection, "cost", parts.kinds["cost"])
        query = select(objects.c.id).where(
            objects.c.integration_id == 1, objects.c.resource == sql.sql_literal("parts")
        )
        query = query.order_by(key, func.length(objects.c.id), objects.c.id).limit(5)
        written = query.compile(connection, compile_kwargs={"literal_binds": True})
        explain = "EXPLAIN" if dialect.is_postgresql(connection) else "EXPLAIN QUERY PLAN"
        plan = str(connection.exec_driver_sql(f"{explain} {written}").all())

    assert wanted[0].name in plan
