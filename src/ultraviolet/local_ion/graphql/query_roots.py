"""Query root fields that are neither a list nor a single object."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from graphql import GraphQLObjectType

from ultraviolet.local_ion.graphql.resolvers import Reader
from ultraviolet.local_ion.graphql.selection import Nodes
from ultraviolet.local_ion.mutations import build_requirements


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


def _me(request: RootRequest) -> Any:
    reader = request.reader
    return reader.by_key(reader.catalog.resources["users"], request.nodes, {"id": request.user_id})


def _logs(request: RootRequest) -> Any:
    """Return no logs; the local ION has none."""
    return request.reader.page(request.kind, request.nodes, [], request.args)


def _prismatic_integration(request: RootRequest) -> Any:
    return request.respond({"token": None})


def _serial_number(request: RootRequest) -> Any:
    sql = "SELECT coalesce(max(id), 0) + 1 FROM parts_inventory"
    (number,) = request.reader.connection.execute(sql).fetchone()
    return request.respond({"serialNumber": f"{number:08d}"})


def _scan_barcode(request: RootRequest) -> Any:
    """Return the entities of a barcode: from its label, otherwise from the barcode patterns."""
    barcode = request.args["barcode"]
    sql = "SELECT entity_id FROM barcode_labels WHERE iuid = ? AND NOT coalesce(deactivated, 0)"
    labelled = [entity for (entity,) in request.reader.connection.execute(sql, (barcode,))]
    entities = labelled or list(_entities_by_pattern(request.reader, barcode))
    return request.respond({"entities": entities})


PATTERN_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "parts_inventory": ("serial_number", "lot_number"),
    "locations": ("name",),
    "runs": ("title",),
    "parts_kits": (),
}
"""Columns that the group of a barcode pattern may match, besides the id (assumed)."""


def _entities_by_pattern(reader: Reader, barcode: str) -> Iterator[int]:
    patterns = (
        "SELECT expression, entity_type FROM barcode_patterns"
        " WHERE entity_type IS NOT NULL ORDER BY id"
    )
    for expression, table in reader.connection.execute(patterns).fetchall():
        match = re.fullmatch(expression, barcode)
        if match is None:
            continue
        value = match.group(1) if match.re.groups else match.group()
        columns = ("CAST(id AS TEXT)", *PATTERN_COLUMNS[table])
        where = " OR ".join(f"{column} = ?1" for column in columns)
        sql = f'SELECT entity_id FROM "{table}" WHERE {where}'
        for (entity,) in reader.connection.execute(sql, (value,)):
            yield entity


def _template_field_options(request: RootRequest) -> Any:
    entity_type: str = request.args["templateEntityType"]
    resource = request.reader.catalog.resources[entity_type.lower()]
    names = [f.name for f in resource.fields if not f.name.startswith("_")]
    return request.respond({"options": names, "templateEntityType": entity_type})


def _installation(request: RootRequest) -> Any:
    installation = build_requirements.load_installation(
        request.reader.connection,
        int(request.args["buildRequirementId"]),
        int(request.args["partInventoryId"]),
    )
    return None if installation is None else request.respond(installation)


ROOT_FIELDS: Mapping[str, RootField] = {
    "me": _me,
    "logs": _logs,
    "prismaticIntegration": _prismatic_integration,
    "globalUniqueSerialNumber": _serial_number,
    "scanBarcode": _scan_barcode,
    "barcodeTemplateFieldOptions": _template_field_options,
    "abomInstallation": _installation,
}
"""Root fields by name."""
