"""The tables of the local ION, derived from the catalog."""

from collections.abc import Iterable, Mapping

from graphql import GraphQLEnumType

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Field, Resource
from ultraviolet.local_ion.store.columns import Storage, storage

STAMP_NAMES = {
    "created": ("_created", "Created"),
    "updated": ("_updated", "Updated"),
    "etag": ("_etag", "Etag"),
}
EXTRA_COLUMNS: Mapping[str, tuple[tuple[str, Storage], ...]] = {
    "part_kit_inventories": (("quantity", "real"),),
    "plan_plan_items": (("plan_input_id", "integer"),),
    "organizations": (("settings", "json"),),
    "steps": (("datagrid", "json"), ("last_session_id", "text")),
    "run_steps": (("datagrid", "json"), ("last_session_id", "text")),
    "session_events": (("event_type", "enum"),),
    "api_keys": (("permissions", "json"), ("service_user_id", "integer")),
}
"""Columns without a field in the API."""
_UNREFERENCED_COLUMNS = {"created_by_id", "updated_by_id"}


class Table:
    """A table: its columns, its key and the columns of its stamps."""

    def __init__(
        self,
        name: str,
        columns: Mapping[str, Storage],
        key: tuple[str, ...],
        resource: Resource | None,
    ) -> None:
        self.name = name
        self.columns = columns
        self.key = key
        self.resource = resource
        fields = [f for f in resource.fields if f.stored] if resource else []
        self.fields: Mapping[str, Field] = {f.column: f for f in fields}
        self.created = _first_column(fields, STAMP_NAMES["created"])
        self.updated = _first_column(fields, STAMP_NAMES["updated"])
        self.etag = _first_column(fields, STAMP_NAMES["etag"])
        self.has_integer_id = key == ("id",) and columns["id"] == "integer"


def _first_column(fields: Iterable[Field], names: tuple[str, ...]) -> str | None:
    return next((f.column for f in fields if f.name in names), None)


class StoreSchema:
    """The tables of a catalog and the default values of new rows."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.tables = _load_tables(catalog)
        entity_types = catalog.schema.type_map["Entitytypeenum"]
        assert isinstance(entity_types, GraphQLEnumType)
        self.entity_tables = frozenset(
            name
            for name in (value.lower() for value in entity_types.values)
            if name in self.tables and "entity_id" in self.tables[name].columns
        )
        """Tables whose rows each own an entity."""
        self.default_rows: dict[str, dict[str, object]] = {}

    def references(self, table: Table) -> dict[str, str]:
        """Return the foreign key columns of a table, each with the table it refers to."""
        if table.resource is None:
            return {}
        links = {link.column: link.resource for link in table.resource.links}
        return {
            column: target
            for column, target in links.items()
            if column in table.columns
            and column not in _UNREFERENCED_COLUMNS
            and target in self.tables
            and self.tables[target].has_integer_id
        }


def _load_tables(catalog: Catalog) -> dict[str, Table]:
    """Return the tables of all resources and the join tables between them."""
    tables: dict[str, Table] = {}
    for resource in catalog.resources.values():
        if resource.type:
            stored: dict[str, Storage] = {f.column: storage(f) for f in resource.fields if f.stored}
            stored.update(EXTRA_COLUMNS.get(resource.name, ()))
            by_name = {f.name: f.column for f in resource.fields}
            names = tuple(by_name[k] for k in resource.key)
            if resource.kind != "attribute":
                stored.update({k: "integer" for k in names if stored[k] == "real"})
            tables[resource.name] = Table(resource.name, stored, names, resource)
    for resource in catalog.resources.values():
        for relation in resource.relations:
            join = relation.join
            if join is not None and join.table not in tables:
                key = (join.own_column, join.other_column)
                columns: dict[str, Storage] = dict.fromkeys(key, "integer")
                columns.update(EXTRA_COLUMNS.get(join.table, ()))
                tables[join.table] = Table(join.table, columns, key, None)
    return tables
