"""Converts documents of a mirror to rows of the local ION's tables."""

import json
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from graphql import GraphQLError

from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.ion.model import Field, Relation, Resource
from ultraviolet.local_ion.graphql.derived_relations import own_column
from ultraviolet.local_ion.store.columns import dump_json, encode
from ultraviolet.local_ion.store.tables import StoreSchema

Row = dict[str, Any]
FILES = frozenset({"fileAttachments", "assets"})
RELATION_FIELDS: Mapping[str, frozenset[str]] = {
    "steps": frozenset({"upstreamStepIds"}),
    "run_steps": frozenset({"upstreamStepIds"}),
    "issues": frozenset({"partInventoryId"}),
    "procedures": frozenset({"labels"}),
    "users": frozenset({"isAdmin"}),
}
"""Computed fields that show relations which a mirror does not have in another form."""
EDGES: Mapping[str, str] = {"steps": "steps_dags", "run_steps": "run_steps_dags"}
"""The tables of the order of steps."""
DERIVED_TABLES = frozenset(
    {*EDGES.values(), "issue_part_inventories", "user_roles", "procedure_family_labels"}
)
"""Tables that computed fields fill, at least in part."""
MAX_INTEGER = 2**63 - 1
"""The largest integer of SQLite."""
FIRST_GENERATED_ENTITY_ID = 1_000_000_000
"""Ids of the entities of objects whose ION did not show the entity's id."""


class RowBuilder:
    """Converts documents to rows, and counts files and unreadable values."""

    def __init__(self, catalog: Catalog, schema: StoreSchema) -> None:
        self._catalog = catalog
        self._schema = schema
        self._next_entity_id = FIRST_GENERATED_ENTITY_ID
        self._known_files: set[int] = set()
        self.unreadable: Counter[str] = Counter()
        """Numbers of values that do not fit their field, by `resource.field`."""
        self.attribute_definitions: dict[str, dict[str, str]] = {}
        """The types of attributes by resource and name."""

    @property
    def files(self) -> int:
        """The number of file attachments, whose contents a mirror does not have."""
        return len(self._known_files)

    def rows(self, resource: Resource, document: Mapping[str, Any]) -> Iterator[tuple[str, Row]]:
        """Return the rows of an object with the names of their tables, its own row first."""
        table = self._schema.tables[resource.name]
        row = {
            field.column: self._encoded(resource, document, field)
            for field in table.fields.values()
            if field.name in document
        }
        if any(row.get(column) is None for column in table.key):
            self.unreadable[f"{resource.name}.{table.key[0]}"] += 1
            return
        if resource.name in self._schema.entity_tables:
            if row.get("entity_id") is None:
                row["entity_id"] = self._next_entity_id
                self._next_entity_id += 1
            yield "entities", {"id": row["entity_id"], "type": resource.name}
        yield resource.name, row
        yield from self._attribute_rows(resource, document, row)
        for relation in resource.relations:
            if relation.kept and relation.join is not None and document.get(relation.field):
                yield from self._related_rows(resource, relation, document, row)
        if resource.name in EDGES and isinstance(document.get("upstreamStepIds"), list):
            edges = EDGES[resource.name]
            for upstream in document["upstreamStepIds"]:
                edge = {"step_id": row["id"], "upstream_step_id": int(upstream)}
                yield edges, {**edge, **_stamps(row)}
        if resource.name == "issues" and document.get("partInventoryId") is not None:
            inventory = {"part_inventory_id": int(document["partInventoryId"])}
            yield (
                "issue_part_inventories",
                {"issue_id": row["id"], **inventory, "from_split_inventory": 0},
            )

    def _encoded(self, resource: Resource, document: Mapping[str, Any], field: Field) -> Any:
        value = document[field.name]
        with suppress(ValueError, TypeError, OverflowError, GraphQLError, RecursionError):
            if field.type == "JSONString" and isinstance(value, str):
                json.loads(value)
                return value  # unchanged, as ION wrote it
            encoded = encode(field, value)
            if not isinstance(encoded, int) or abs(encoded) <= MAX_INTEGER:
                return encoded
        self.unreadable[f"{resource.name}.{field.name}"] += 1
        return None

    def _attribute_rows(
        self, owner: Resource, document: Mapping[str, Any], row: Row
    ) -> Iterator[tuple[str, Row]]:
        if owner.attributes is None:
            return
        resource = self._catalog.resources[owner.attributes]
        column = next(f.column for f in resource.fields if f.name == resource.owner_key)
        definitions = self.attribute_definitions.setdefault(owner.name, {})
        attributes = cast("dict[str, Row]", document.get("attributes") or {})
        for name, attribute in attributes.items():
            kind = str(attribute.get("type") or "STRING")
            definitions.setdefault(name, kind)
            value = attribute.get("value")
            yield (
                resource.name,
                {
                    "id": f"{row['id']}-{name}",
                    "key": name,
                    column: row["id"],
                    "type": kind.lower(),
                    "value": None if value is None else dump_json(value),
                    **_stamps(row),
                },
            )

    def _related_rows(
        self, resource: Resource, relation: Relation, document: Mapping[str, Any], row: Row
    ) -> Iterator[tuple[str, Row]]:
        join = relation.join
        assert join is not None
        own = row.get(own_column(resource, join.own_column))
        for related in document[relation.field]:
            shown = cast("Row", related) if relation.field in SHOWN else {"id": related}
            other = int(shown["id"])
            if relation.field in FILES and other not in self._known_files:
                self._known_files.add(other)
                names = {"filename": shown.get("filename")}
                names |= {"content_type": shown.get("contentType")}
                yield "file_attachments", {"id": other, **names, **_stamps(row)}
            yield join.table, {join.own_column: own, join.other_column: other}


def _stamps(row: Row) -> Row:
    """Return the stamps of a row that belongs to another."""
    columns = ("_created", "_updated", "created_by_id", "updated_by_id")
    stamps = {column: row.get(column) for column in columns}
    return {**stamps, "_etag": secrets.token_hex(16)}
