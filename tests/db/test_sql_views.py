"""The SQL views of the mirror: one row per object, one typed column per field."""

import json
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ultraviolet.db import sql_views, view_creation
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

AT = "2026-01-01T00:00:00.000000+00:00"


@pytest.fixture
def viewed(connection: Connection, catalog: Catalog) -> Connection:
    view_creation.create_views(connection, catalog)
    return connection


def save(connection: Connection, catalog: Catalog, resource: str, id_: str, **fields: Any) -> None:
    observation = Observation(
        resource, id_, "full", {"id": id_, **fields}, AT, Origin("heal", None), AT, AT
    )
    apply(connection, catalog, 1, [observation])


def fetch(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql(sql)]


def test_every_mirrored_resource_has_a_working_view(viewed: Connection, catalog: Catalog) -> None:
    for resource in catalog.mirrored:
        assert [] == fetch(viewed, f"SELECT * FROM {sql_views.view_name(resource)}")


def test_columns_have_the_types_of_their_fields(viewed: Connection, catalog: Catalog) -> None:
    attributes = {"color": {"id": "1-color", "key": "color", "type": "STRING", "value": "red"}}
    save(
        viewed,
        catalog,
        "purchase_orders",
        "5",
        estimatedTotalCost=12.5,
        isOpen=True,
        status="DRAFT",
        supplierId=7,
        attributes=attributes,
    )

    sql = "SELECT integration, id, estimated_total_cost, is_open, status, supplier_id FROM ion_purchase_orders"
    assert [("plant 1", "5", 12.5, 1, "DRAFT", "7")] == fetch(viewed, sql)
    sql = "SELECT attributes FROM ion_purchase_orders WHERE id = '5'"
    ((stored,),) = fetch(viewed, sql)
    assert attributes == json.loads(stored)


@pytest.mark.parametrize("value", ["plain text", "[TBD] ask", "", "3.5", 3.5, True, ["a"]])
def test_value_of_any_kind_is_json(viewed: Connection, catalog: Catalog, value: Any) -> None:
    save(viewed, catalog, "datagrid_values", "1", value=value)
    save(viewed, catalog, "datagrid_values", "2", value=None)

    ((shown,), none) = fetch(viewed, "SELECT value FROM ion_datagrid_values ORDER BY id")
    assert value == json.loads(shown)
    assert (None,) == none


def test_links_join_views(viewed: Connection, catalog: Catalog) -> None:
    save(viewed, catalog, "suppliers", "7", name="Acme")
    save(viewed, catalog, "purchase_orders", "5", supplierId=7)

    sql = "SELECT s.name FROM ion_purchase_orders o JOIN ion_suppliers s ON s.id = o.supplier_id"
    assert [("Acme",)] == fetch(viewed, sql)


def test_deleted_objects_are_not_shown(viewed: Connection, catalog: Catalog) -> None:
    save(viewed, catalog, "suppliers", "7", name="Acme")
    apply(
        viewed,
        catalog,
        1,
        [Observation("suppliers", "7", "absent", {}, AT, Origin("fetch", "1"), None, "2027")],
    )

    assert [] == fetch(viewed, "SELECT id FROM ion_suppliers")


def test_every_column_has_a_description(viewed: Connection, catalog: Catalog) -> None:
    found = fetch(viewed, "SELECT count(*) FROM view_columns WHERE comment <> ''")
    assert found == [(sum(len(sql_views.columns(catalog, r)) for r in catalog.mirrored),)]
    (comment,) = fetch(
        viewed,
        "SELECT comment FROM view_columns WHERE view = 'ion_purchase_orders' AND name = 'supplier_id'",
    )
    assert ("PurchaseOrder.supplierId, id in ion_suppliers",) == comment


def test_views_are_created_once(viewed: Connection, catalog: Catalog) -> None:
    viewed.exec_driver_sql("DROP VIEW ion_parts")
    view_creation.create_views(viewed, catalog)
    with pytest.raises(DBAPIError):
        fetch(viewed, "SELECT id FROM ion_parts")


def test_column_names_are_unique(catalog: Catalog) -> None:
    for resource in catalog.mirrored:
        names = [c.name.lower() for c in sql_views.columns(catalog, resource)]
        assert len(names) == len(set(names)), resource.name
