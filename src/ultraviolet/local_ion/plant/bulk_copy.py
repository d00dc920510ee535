"""A large plant grows out of a smaller one: the same history again and again, one statement a table, audit log included."""

from collections.abc import Mapping, Sequence

from ultraviolet.local_ion.store.store import Table, Transaction, references

SHARED = frozenset(
    {
        "users", "user_roles", "teams", "team_users", "team_roles", "roles", "permissions", "permission_groups",
        "permission_group_roles", "permission_permission_groups", "organizations", "currencies", "units_of_measurements",
        "labels", "locations", "locations_attributes", "issue_disposition_types", "validation_functions", "api_keys",
        "webhook_receivers", "webhook_receiver_headers", "webhook_subscriptions", "webhook_headers", "webhook_events",
    }
)  # fmt: skip
"""What a company has once, however much it buys and builds."""
NAMED: Mapping[str, str] = {"parts": "part_number", "suppliers": "name", "procedures": "title"}
"""What tells one copy from the other, to people and to unique keys."""
UNREFERENCED: Mapping[str, str] = {
    "part_inventory_id": "parts_inventory",
    "purchase_order_line_id": "purchase_order_lines",
    "run_step_id": "run_steps",
}
"""Ids of tables that tie others together, which no foreign key of the catalog names."""


class Growth:
    """Copies of what a plant has, each with ids of its own; ids go on where those of the copy before end."""

    def __init__(self, transaction: Transaction) -> None:
        """Measure what is to be copied, once, before the first copy."""
        store = transaction.store
        self._tables = store.tables
        self._entities = store.entity_tables
        self._steps = {
            name: int(transaction.scalar(f'SELECT coalesce(max("{_id(table)}"), 0) FROM "{name}"'))
            for name, table in store.tables.items()
            if name not in SHARED
        }
        self._copied = [name for name, last in self._steps.items() if last]
        mirrored = {resource.name for resource in store.catalog.mirrored}
        self.objects = sum(
            int(transaction.scalar(f'SELECT count(*) FROM "{name}"'))
            for name in self._copied
            if name in mirrored
        )
        """How many objects a copy adds."""

    def copy(self, transaction: Transaction, number: int) -> None:
        """Write a copy; the first is number 1."""
        transaction.connection.execute("PRAGMA defer_foreign_keys = ON")
        for name in self._copied:
            table = self._tables[name]
            columns = ", ".join(f'"{c}"' for c in table.columns)
            values = ", ".join(self._value(table, c, number) for c in table.columns)
            transaction.connection.execute(
                f'INSERT INTO "{name}" ({columns}) SELECT {values} FROM "{name}" WHERE {self._first(table)}'
            )

    def _first(self, table: Table) -> str:
        where = f'"{_id(table)}" <= {self._steps[table.name]}'
        if table.name != "entities":
            return where
        return f"{where} AND type IN ({', '.join(repr(name) for name in self._copied)})"

    def _value(self, table: Table, column: str, number: int) -> str:
        owner = _owner(table)
        if column == "id" and owner is not None:
            return f"({self._value(table, owner, number)}) || '-' || \"key\""
        target = self._target(table, column)
        if target is not None and target in self._steps:
            moved = f'"{column}" + {number * self._steps[target]}'
            if target == "entities" and table.name not in self._entities:
                theirs = "SELECT id FROM entities WHERE type IN ({})"
                return f'CASE WHEN "{column}" IN ({theirs.format(_listed(self._copied))}) THEN {moved} ELSE "{column}" END'
            return moved
        if column == table.etag:
            return "lower(hex(randomblob(16)))"
        return f"\"{column}\" || ' {number}'" if NAMED.get(table.name) == column else f'"{column}"'

    def _target(self, table: Table, column: str) -> str | None:
        if column == "id" and table.numbered:
            return table.name
        if column == "family_id":
            return table.name if table.numbered else "procedures"
        return references(table, self._tables).get(column) or UNREFERENCED.get(column)


def _id(table: Table) -> str:
    return "id" if table.numbered else _owner(table) or table.key[0]


def _owner(table: Table) -> str | None:
    """Give the column of an attribute's owner, which is a part of its id."""
    if table.resource is None or table.resource.kind != "attribute":
        return None
    return next(f.column for f in table.resource.fields if f.name == table.resource.owner_key)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
