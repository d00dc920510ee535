"""The contract holds ION's whole 2023 schema, and what follows from it by rule."""

import subprocess
import sys
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    parse,
    validate,
    validate_schema,
)
from msgspec import json

from ultraviolet.ion import queries
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.contract import derive as contract
from ultraviolet.ion.contract.parse import parse_contract

ROOT = Path(__file__).parents[2]
CATALOG = load_catalog()
UNDATED = {"permissions", "permission_groups", "validation_functions"}
"""Resources that ION does not list in order of change."""
SCHEMA = CATALOG.schema


def field_type(type_name: str, field: str) -> str:
    kind = SCHEMA.type_map[type_name]
    assert isinstance(kind, GraphQLObjectType | GraphQLInputObjectType)
    return str(kind.fields[field].type)


def test_derived_schema_is_valid() -> None:
    assert validate_schema(SCHEMA) == []


def test_schema_contains_every_object_query_and_mutation() -> None:
    assert SCHEMA.query_type
    assert SCHEMA.mutation_type
    assert (
        len(contract.object_types(contract.source())),
        len(SCHEMA.query_type.fields),
        len(SCHEMA.mutation_type.fields),
    ) == (150 + 4, 152 + 4, 350 + 6)  # of 2023, and newer ones


@pytest.mark.parametrize(
    ("type_name", "field", "expected"),
    [
        ("PurchaseOrder", "shipToLocationId", "Int"),
        ("PurchaseOrdersConnection", "edges", "[PurchaseOrdersEdge]!"),
        ("PurchaseOrdersEdge", "node", "PurchaseOrder"),
        ("RunsStepsEdge", "node", "RunStep"),
        ("RunStepsEdge", "upstreamStep", "RunStep"),
        ("APIKeyConnection", "pageInfo", "PageInfo!"),
        ("PartInventoriesConnection", "aggregates", "AggregatesField!"),
        ("PurchaseOrdersInputFilters", "or_", "[PurchaseOrdersInputFilters]"),
        ("PurchaseOrdersInputFilters", "id", "IDFilter"),
        ("PurchaseOrdersInputFilters", "status", "PurchaseorderstatusenumFilter"),
        ("RunsInputFilters", "partNumber", "StringFilter"),
        ("PartAttributesInputFilters", "id", "StringFilter"),
        ("PartAttributesInputFilters", "_updated", "DateTimeFilter"),
        ("IssueInputFilters", "partInventoryId", "IntFilter"),
        ("StringFilter", "fuzzyMatch", "StringFuzzyMatchFilter"),
        ("RunEvents", "oldValues", "Run"),
        ("RunEventFilter", "eventType", "EventTypeFilter"),
    ],
)
def test_derived_types_match_ion(type_name: str, field: str, expected: str) -> None:
    assert expected == field_type(type_name, field)


@pytest.mark.parametrize(
    ("type_name", "absent"),
    [
        ("SuppliersInputFilters", "labels"),
        ("PurchaseOrdersInputFilters", "Attributes"),
        ("RunsInputFilters", "comments"),
        ("StepsFilters", "content"),
        ("PermissionsInputFilters", "_created"),
        ("PartAttributesInputFilters", "allowedIonType"),
        ("IssueApprovalEventFilter", "issueApprovalGateType"),
        ("EntityEventFilter", "Created"),
        ("PurchaseOrderSortEnum", "STATUS_ASC"),
        ("PartInventorySortEnum", "COST_ASC"),
        ("DatagridValueSortEnum", "ID_ASC"),
        ("WebhookEventSortEnum", "_ETAG_ASC"),
        ("ValidationFunctionSortEnum", "_UPDATED_ASC"),
    ],
)
def test_members_that_ion_does_not_have(type_name: str, absent: str) -> None:
    assert absent not in CATALOG.types()[type_name]


@pytest.mark.parametrize(
    ("type_name", "present"),
    [
        ("MBomItemSortEnum", "_DELETED_ASC"),
        ("IssueApprovalSortEnum", "GATE_TYPE_DESC"),
        ("RunStepFieldSortEnum", "_MULTISELECT_VALUES_ASC"),
        ("StepSortEnum", "DATAGRID_ASC"),
        ("StepFieldSortEnum", "OPTIONS_DESC"),
        ("ABomItemsInputFilters", "parentEdges"),
        ("StepsFilters", "datagridColumns"),
        ("FileAttachmentsInputFilters", "assetEntities"),
        ("IssueApprovalEventFilter", "gateType"),
        ("MBomItemEventFilter", "Deleted"),
        ("PartEventFilter", "LatestRevisionScheme"),
    ],
)
def test_irregular_members_of_ion(type_name: str, present: str) -> None:
    assert present in CATALOG.types()[type_name]


def test_only_stored_relations_have_filters() -> None:
    """Of 2023; `entity`, attributes, assignees and trees are computed."""
    for owner, field, filtered in (
        ("Run", "entity", False),
        ("Supplier", "attributes", False),
        ("Supplier", "Attributes", True),
        ("Location", "allChildren", False),
        ("Part", "mbom", False),
        ("Part", "mboms", True),
        ("Entity", "labels", True),
        ("RunStep", "datagridColumns", True),
    ):
        kind = SCHEMA.type_map[owner]
        assert isinstance(kind, GraphQLObjectType)
        assert ("filters" in kind.fields[field].args) == filtered, (owner, field)


def test_operator_filters_exist_for_used_types_only() -> None:
    assert "gateTypeissueapprovalgatetypeenumFilter" not in SCHEMA.type_map
    assert "IssueapprovalgatetypeenumFilter" in SCHEMA.type_map


def test_list_queries_have_ions_arguments_in_order() -> None:
    assert SCHEMA.query_type
    arguments = SCHEMA.query_type.fields["runs"].args
    assert list(arguments) == ["filters", "distinctOn", "sort", "before", "after", "first", "last"]


def test_sort_enums_have_both_directions_of_each_column() -> None:
    kind = SCHEMA.type_map["RunSortEnum"]
    assert isinstance(kind, GraphQLEnumType)
    assert {"ID_ASC", "_UPDATED_DESC", "_ETAG_ASC", "_LAST_SESSION_ID_ASC", "STATUS_DESC"} <= set(
        kind.values
    )


@pytest.mark.parametrize("name", ["RUN", "RUNS", "runs", "Run", "run"])
def test_resource_lookup_accepts_any_name(name: str) -> None:
    found = CATALOG.resolve(name)
    assert found
    assert found.name == "runs"


@pytest.mark.parametrize("name", ["entity_labels", "entities_labels", "ENTITIES_ASSETS"])
def test_join_tables_have_the_names_of_the_warehouse_too(name: str) -> None:
    found = CATALOG.resolve(name)
    assert found
    assert found.kind == "join"


def test_purchase_order_depends_on_its_lines_and_fees() -> None:
    assert "purchase_orders" in {d.resource for d in CATALOG.dependents("purchase_order_lines")}
    assert "purchase_orders" in {d.resource for d in CATALOG.dependents("purchase_order_fees")}


def test_documents_for_every_mirrored_resource_are_valid() -> None:
    offered = queries.OfferedSchema.whole(CATALOG)
    assert len(CATALOG.mirrored) > 50
    for resource in CATALOG.mirrored:
        many, _ = queries.by_ids_query(
            [("a", resource, ["1"]), ("b", CATALOG.resources["parts"], ["2"])], offered
        )
        dated = [] if resource.name in UNDATED else [queries.changes_query(resource, offered)]
        for text in (
            queries.page_query(resource, offered),
            queries.page_of_ids(resource, offered, dated=False),
            *dated,
            many,
        ):
            assert validate(SCHEMA, parse(text)) == [], resource.name


def test_every_object_type_is_described() -> None:
    assert [] == [
        name
        for name in contract.object_types(contract.source())
        if not (SCHEMA.type_map[name].description or "").endswith(".")
    ]


@pytest.mark.parametrize("root", ["Query", "Mutation"])
def test_every_root_field_is_described(root: str) -> None:
    kind = SCHEMA.type_map[root]
    assert isinstance(kind, GraphQLObjectType)
    assert [] == [
        name for name, field in kind.fields.items() if not (field.description or "").endswith(".")
    ]


@pytest.mark.parametrize(
    ("root", "field", "expected"),
    [
        ("Query", "purchaseOrders", "List each purchase order that matches the filters"),
        ("Query", "mbomItem", "Show one mBOM item by its id"),
        ("Query", "partProcedure", "Show one part procedure by its partId and procedureId"),
        ("Mutation", "createPurchaseOrderLine", "Create a purchase order line."),
        ("Mutation", "updateIssue", "Change an issue. Needs its current etag."),
        ("Mutation", "updateMbomAttribute", "Set one custom attribute of an mBOM."),
        (
            "Mutation",
            "deleteOrganizationRunStepAttributes",
            "Remove the definition of a custom attribute",
        ),
        ("Mutation", "mergePartInventory", "Put inventories of one part and lot together"),
    ],
)
def test_descriptions_without_a_source_follow_rules(root: str, field: str, expected: str) -> None:
    kind = SCHEMA.type_map[root]
    assert isinstance(kind, GraphQLObjectType)
    assert (kind.fields[field].description or "").startswith(expected)


def test_generated_catalog_is_up_to_date() -> None:
    parsed = parse_contract()

    assert parsed.resources == dict(CATALOG.resources)
    assert json.decode(bytes(parsed.types), type=dict[str, frozenset[str]]) == CATALOG.types()


def run_python(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def test_generated_file_equals_the_output_of_the_tool() -> None:
    run_python(str(ROOT / "tools/make_catalog.py"), "--check")


def test_catalog_loads_without_the_graphql_parser() -> None:
    code = "import sys; from ultraviolet.ion import catalog; catalog.load_catalog();"

    assert run_python("-c", f"{code} print('graphql' in sys.modules)") == "False\n"


def test_every_key_beside_its_object_is_a_link() -> None:
    """Also of values that ION computes, such as the inventory item of an issue."""
    for resource in CATALOG.resources.values():
        kind = SCHEMA.type_map.get(resource.type)
        linked = {link.field: (link.key, link.type) for link in resource.links}
        for name, field in getattr(kind, "fields", {}).items():
            target, key = str(field.type).rstrip("!"), resource.field(f"{name}Id")
            if key is not None and not key.list and CATALOG.by_type(target):
                assert linked[name] == (key.name, target), resource.name
    keys = {
        (r.name, link.key): link.resource for r in CATALOG.resources.values() for link in r.links
    }
    assert keys["issues", "partInventoryId"] == "parts_inventory"
    assert keys["steps", "pdfAssetId"] == keys["run_steps", "pdfAssetId"] == "file_attachments"
    assert keys["user_notifications", "userId"] == keys["users", "updatedById"] == "users"
