"""Bulk copies: a large plant repeats a smaller one, with one statement per table."""

from collections.abc import Mapping

from ultraviolet.local_ion.store.tables import Table
from ultraviolet.local_ion.store.transaction import Transaction

SHARED_TABLES = frozenset(
    {
        "users", "user_roles", "teams", "team_users", "team_roles", "roles", "permissions",
        "permission_groups", "permission_group_roles", "permission_permission_groups",
        "organizations", "currencies", "units_of_measurements", "labels", "locations",
        "locations_attributes", "issue_disposition_types", "validation_functions", "api_keys",
        "webhook_receivers", "webhook_receiver_headers", "webhook_subscriptions",
        "webhook_headers", "webhook_events", "location_subtypes", "part_subtypes", "contacts",
        "barcode_templates", "barcode_patterns", "mbom_approval_roles", "integrations", "invites",
        "issue_disposition_type_roles", "requirements", "rules",
    }
)  # fmt: skip
"""Tables that a company has only once."""
NAME_COLUMNS: Mapping[str, str] = {
    "parts": "part_number",
    "suppliers": "name",
    "procedures": "title",
}
"""Columns that get the number of the copy as a suffix."""
UNDECLARED_REFERENCES: Mapping[str, str] = {
    "entity_id": "entities",
    "part_id": "parts",
    "part_kit_item_id": "part_kit_items",
    "plan_id": "plans",
    "plan_input_id": "plan_inputs",
    "plan_item_id": "plan_items",
    "run_id": "runs",
    "part_inventory_id": "parts_inventory",
    "purchase_order_line_id": "purchase_order_lines",
    "run_step_id": "run_steps",
}
"""References of join tables that the catalog does not declare."""


COMPOSED_IDS: Mapping[str, tuple[str, str]] = {"datagrid_values": ("row_id", "column_id")}
"""Columns whose values compose the id of a row."""


class BulkCopy:
    """Copies all rows of a plant; each copy shifts the ids by the highest original id."""

    def __init__(self, tx: Transaction) -> None:
        """Measure the original rows, before the first copy."""
        self._schema = tx.schema
        self._offsets = {
            name: int(tx.scalar(f'SELECT coalesce(max("{_id_column(table)}"), 0) FROM "{name}"'))
            for name, table in tx.schema.tables.items()
            if name not in SHARED_TABLES
        }
        self._copied = [name for name, offset in self._offsets.items() if offset]
        self._copied_list = ", ".join(f"'{name}'" for name in self._copied)
        mirrored = {resource.name for resource in tx.catalog.mirrored}
        self.objects = sum(
            int(tx.scalar(f'SELECT count(*) FROM "{name}"'))
            for name in self._copied
            if name in mirrored
        )
        """The number of objects in one copy."""

    def copy(self, tx: Transaction, number: int) -> None:
        """Write a copy; the first one has number 1."""
        tx.connection.execute("PRAGMA defer_foreign_keys = ON")
        for name in self._copied:
            table = self._schema.tables[name]
            columns = ", ".join(f'"{c}"' for c in table.columns)
            values = ", ".join(self._value(table, c, number) for c in table.columns)
            where = f'"{_id_column(table)}" <= {self._offsets[name]}'
            if name == "entities":
                where += f" AND type IN ({self._copied_list})"
            tx.connection.execute(
                f'INSERT INTO "{name}" ({columns}) SELECT {values} FROM "{name}" WHERE {where}'
            )

    def _value(self, table: Table, column: str, number: int) -> str:
        owner = _attribute_owner_column(table)
        parts = (owner, "key") if owner else COMPOSED_IDS.get(table.name)
        if column == "id" and parts is not None:
            return " || '-' || ".join(f"({self._value(table, part, number)})" for part in parts)
        target = self._referenced_table(table, column)
        if target is not None and target in self._offsets:
            shifted = f'"{column}" + {number * self._offsets[target]}'
            if target == "entities" and table.name not in self._schema.entity_tables:
                entities = f"SELECT id FROM entities WHERE type IN ({self._copied_list})"
                return f'CASE WHEN "{column}" IN ({entities}) THEN {shifted} ELSE "{column}" END'
            return shifted
        if column == table.etag:
            return "lower(hex(randomblob(16)))"
        if NAME_COLUMNS.get(table.name) == column:
            return f"\"{column}\" || ' {number}'"
        return f'"{column}"'

    def _referenced_table(self, table: Table, column: str) -> str | None:
        if column == "id" and table.has_integer_id:
            return table.name
        if column == "family_id":
            return table.name if table.has_integer_id else "procedures"
        references = self._schema.references(table)
        return references.get(column) or UNDECLARED_REFERENCES.get(column)


def _id_column(table: Table) -> str:
    if table.has_integer_id:
        return "id"
    return _attribute_owner_column(table) or COMPOSED_IDS.get(table.name, table.key)[0]


def _attribute_owner_column(table: Table) -> str | None:
    """Return the column of an attribute's owner, whose id is part of the attribute's id."""
    if table.resource is None or table.resource.kind != "attribute":
        return None
    owner_key = table.resource.owner_key
    return next(f.column for f in table.resource.fields if f.name == owner_key)
