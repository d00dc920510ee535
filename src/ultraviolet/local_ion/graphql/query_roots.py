"""Query roots that are neither a list nor a single object."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from graphql import FieldNode, GraphQLObjectType

from ultraviolet.local_ion.graphql.resolvers import Reader
from ultraviolet.local_ion.mutations import build_requirements

Root = Callable[[Reader, GraphQLObjectType, list[FieldNode], Mapping[str, Any], int], Any]


def _me(
    reader: Reader, kind: GraphQLObjectType, nodes: list[FieldNode], _: Mapping[str, Any], user_id: int
) -> Any:
    del kind
    return reader.by_key(reader.catalog.resources["users"], nodes, {"id": user_id})


def _logs(
    reader: Reader, kind: GraphQLObjectType, nodes: list[FieldNode], args: Mapping[str, Any], _: int
) -> Any:
    """Serve no logs: the local ION keeps none."""
    return reader.page(kind, nodes, [], args)


def _prismatic(
    reader: Reader, kind: GraphQLObjectType, nodes: list[FieldNode], _: Mapping[str, Any], user_id: int
) -> Any:
    del user_id
    return reader.plain(kind, nodes, {"token": None})


def _serial(
    reader: Reader, kind: GraphQLObjectType, nodes: list[FieldNode], _: Mapping[str, Any], user_id: int
) -> Any:
    del user_id
    (number,) = reader.connection.execute("SELECT coalesce(max(id), 0) + 1 FROM parts_inventory").fetchone()
    return reader.plain(kind, nodes, {"serialNumber": f"{number:08d}"})


def _scan(
    reader: Reader, kind: GraphQLObjectType, nodes: list[FieldNode], args: Mapping[str, Any], _: int
) -> Any:
    """Find what a barcode is on: a label of its own, else what a pattern of the organization makes of it."""
    sql = "SELECT entity_id FROM barcode_labels WHERE iuid = ? AND NOT coalesce(deactivated, 0)"
    found = [entity for (entity,) in reader.connection.execute(sql, (args["barcode"],))]
    return reader.plain(kind, nodes, {"entities": found or list(_by_pattern(reader, args["barcode"]))})


NAMED_BY: Mapping[str, tuple[str, ...]] = {
    "parts_inventory": ("serial_number", "lot_number"),
    "locations": ("name",),
    "runs": ("title",),
    "parts_kits": (),
}
"""What a pattern's group may name an object by, beside its id (assumed)."""


def _by_pattern(reader: Reader, barcode: str) -> Iterator[int]:
    patterns = (
        "SELECT expression, entity_type FROM barcode_patterns WHERE entity_type IS NOT NULL ORDER BY id"
    )
    for expression, table in reader.connection.execute(patterns).fetchall():
        match = re.fullmatch(expression, barcode)
        if match is None:
            continue
        value = match.group(1) if match.re.groups else match.group()
        where = " OR ".join(f"{c} = ?1" for c in ("CAST(id AS TEXT)", *NAMED_BY[table]))
        for (entity,) in reader.connection.execute(
            f'SELECT entity_id FROM "{table}" WHERE {where}', (value,)
        ):
            yield entity


def _template_options(
    reader: Reader, kind: GraphQLObjectType, nodes: list[FieldNode], args: Mapping[str, Any], _: int
) -> Any:
    subject = {
        "LOCATIONS": "locations",
        "PARTS_KITS": "parts_kits",
        "PARTS_INVENTORY": "parts_inventory",
        "RUNS": "runs",
    }[args["templateEntityType"]]
    names = [f.name for f in reader.catalog.resources[subject].fields if not f.name.startswith("_")]
    return reader.plain(kind, nodes, {"options": names, "templateEntityType": args["templateEntityType"]})


def _installation(
    reader: Reader, kind: GraphQLObjectType, nodes: list[FieldNode], args: Mapping[str, Any], _: int
) -> Any:
    found = build_requirements.one(
        reader.connection, int(args["buildRequirementId"]), int(args["partInventoryId"])
    )
    return None if found is None else reader.plain(kind, nodes, found)


ROOTS: Mapping[str, Root] = {
    "me": _me,
    "logs": _logs,
    "prismaticIntegration": _prismatic,
    "globalUniqueSerialNumber": _serial,
    "scanBarcode": _scan,
    "barcodeTemplateFieldOptions": _template_options,
    "abomInstallation": _installation,
}
"""By name."""
