"""Query root fields that are neither a list nor a single object."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from graphql import GraphQLObjectType

from ultraviolet.local_ion.graphql.connections import page_of, render_connection
from ultraviolet.local_ion.graphql.filters import Conditions
from ultraviolet.local_ion.graphql.labels import label_values
from ultraviolet.local_ion.graphql.resolvers import Reader
from ultraviolet.local_ion.graphql.selection import Nodes
from ultraviolet.local_ion.mutations import build_requirements
from ultraviolet.local_ion.mutations.sessions import load_sessions


class RootRequest(msgspec.Struct, frozen=True):
    """A root field of an operation."""

    reader: Reader
    kind: GraphQLObjectType
    nodes: Nodes
    args: Mapping[str, Any]
    user_id: int

    def respond(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the selected fields of values."""
        return self.reader.object(self.kind, self.nodes, values)


RootField = Callable[[RootRequest], Any]
ROOT_FIELDS: dict[str, RootField] = {}
"""Root fields by name."""


def _serves(name: str) -> Callable[[RootField], RootField]:
    def register(function: RootField) -> RootField:
        ROOT_FIELDS[name] = function
        return function

    return register


@_serves("sessions")
def _sessions(request: RootRequest) -> Any:
    conditions = Conditions(request.reader.catalog)
    where, params = conditions.sessions_where(request.args.get("filters") or {}, "i")
    reader, context = request.reader, request.reader.context
    page = page_of(load_sessions(reader.connection, where, params), request.args)
    assert not isinstance(page.edges, msgspec.Raw)
    session = context.schema.type_map["Session"]
    nodes = context.connection_nodes(request.kind, request.nodes)
    edges = [(place, reader.value(session, nodes, values)) for place, values in page.edges]
    shown = msgspec.structs.replace(page, edges=edges)
    return render_connection(context, request.kind, request.nodes, shown, reader.value)


@_serves("currentUser")
@_serves("me")
def _me(request: RootRequest) -> Any:
    reader = request.reader
    return reader.by_key(reader.catalog.resources["users"], request.nodes, {"id": request.user_id})


@_serves("logs")
def _logs(request: RootRequest) -> Any:
    """Return no logs; the local ION has none."""
    return request.reader.page(request.kind, request.nodes, [], request.args)


@_serves("prismaticIntegration")
def _prismatic_integration(request: RootRequest) -> Any:
    return request.respond({"token": None})


@_serves("globalUniqueSerialNumber")
def _serial_number(request: RootRequest) -> Any:
    sql = "SELECT coalesce(max(id), 0) + 1 FROM parts_inventory"
    (number,) = request.reader.connection.execute(sql).fetchone()
    return request.respond({"serialNumber": f"{number:08d}"})


PATTERN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "parts_inventory": ("serial_number", "lot_number"),
    "locations": ("name",),
    "runs": ("title",),
    "parts_kits": (),
}
"""Columns that the group of a barcode pattern may match, besides the id (assumed)."""


@_serves("scanBarcode")
def _scan_barcode(request: RootRequest) -> Any:
    """Return the entities of a barcode: from its label, otherwise from the barcode patterns."""
    barcode: str = request.args["barcode"]
    connection = request.reader.connection
    sql = "SELECT entity_id FROM barcode_labels WHERE iuid = ? AND NOT coalesce(deactivated, 0)"
    entities = [entity for (entity,) in connection.execute(sql, (barcode,))]
    if entities:
        return request.respond({"entities": entities})
    patterns = (
        "SELECT expression, entity_type FROM barcode_patterns"
        " WHERE entity_type IS NOT NULL ORDER BY id"
    )
    for expression, table in connection.execute(patterns).fetchall():
        match = re.fullmatch(expression, barcode)
        if match is None:
            continue
        value = match.group(1) if match.re.groups else match.group()
        columns = ("CAST(id AS TEXT)", *PATTERN_COLUMNS[table])
        where = " OR ".join(f"{column} = ?1" for column in columns)
        sql = f'SELECT entity_id FROM "{table}" WHERE {where}'
        entities += [entity for (entity,) in connection.execute(sql, (value,))]
    return request.respond({"entities": entities})


@_serves("barcodeTemplateFieldOptions")
def _template_field_options(request: RootRequest) -> Any:
    entity_type: str = request.args["templateEntityType"]
    resource = request.reader.catalog.resources[entity_type.lower()]
    names = [name for name in label_values(resource) if not name.startswith("_")]
    return request.respond({"options": names, "templateEntityType": entity_type})


@_serves("abomInstallation")
def _installation(request: RootRequest) -> Any:
    installation = build_requirements.load_installation(
        request.reader.connection,
        int(request.args["buildRequirementId"]),
        int(request.args["partInventoryId"]),
    )
    return None if installation is None else request.respond(installation)
