"""Compilation of ION's filters, sort orders and cursors to SQL."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

from graphql import GraphQLError
from msgspec import structs

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Field, Link, Relation, Resource
from ultraviolet.ion.naming import constant
from ultraviolet.local_ion.graphql.computed_fields import ATTRIBUTE_VALUE, computed_sql
from ultraviolet.local_ion.graphql.derived_relations import (
    FILTERED_TARGETS,
    derived_pairs,
    own_key,
    relation_source,
)
from ultraviolet.local_ion.graphql.special_filters import (
    SESSION_VALUES,
    SPECIAL_VALUES,
    session_owner,
    special_sort,
)
from ultraviolet.local_ion.store.columns import encode

Sql = tuple[str, list[Any]]
"""An SQL expression and its parameters."""

_STAMP_SYNONYMS = {
    "_created": "Created",
    "_updated": "Updated",
    "_etag": "Etag",
    "Created": "_created",
    "Updated": "_updated",
}
_OPERATORS = {
    "eq": "{column} = ?",
    "neq": "{column} <> ?",
    "gt": "{column} > ?",
    "gte": "{column} >= ?",
    "lt": "{column} < ?",
    "lte": "{column} <= ?",
    "like": "{column} LIKE ? ESCAPE '\\'",
    "notlike": "{column} NOT LIKE ? ESCAPE '\\'",
    "ilike": "lower({column}) LIKE lower(?) ESCAPE '\\'",
    "notilike": "lower({column}) NOT LIKE lower(?) ESCAPE '\\'",
}
MAX_NESTED_CONDITIONS = 3
"""Levels of related filters as nested conditions; SQLite's parser overflows with 7 of them."""
_CURSOR_PREFIX = "arrayconnection:"


def column_sql(resource: Resource, field: Field, alias: str) -> str:
    """Return the expression of a field; never show the secret of an API key."""
    if (resource.name, field.column) == ("api_keys", "client_secret"):
        return "NULL"
    has_files = resource.kind == "attribute" or resource.name == "run_steps_fields"
    if has_files and field.name == "value":
        return f"({ATTRIBUTE_VALUE.replace('{t}', alias)})"
    if field.stored:
        return f'{alias}."{field.column}"'
    return computed_sql(resource.name, field, alias)


def link_key(resource: Resource, link: Link, alias: str) -> str:
    """Return the expression of the id of a linked object."""
    field = resource.field(link.key)
    assert field is not None
    return column_sql(resource, field, alias)


def key_columns(resource: Resource) -> list[str]:
    """Return the columns of a resource's key."""
    return [f.column for k in resource.key for f in resource.fields if f.name == k]


class Conditions:
    """Compiles the filters of one statement, with unique aliases."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._aliases = 0
        self._depth = 0
        self._tables: list[Sql] = []

    def new_alias(self) -> str:
        """Return an unused table alias."""
        self._aliases += 1
        return f"f{self._aliases}"

    def where(self, resource: Resource, filters: Mapping[str, Any] | None, alias: str) -> Sql:
        """Return the condition of a filter; all members must hold."""
        parts: list[str] = []
        params: list[Any] = []
        for name, value in (filters or {}).items():
            if value is None:
                continue
            sql, bound = self._member(resource, name, value, alias)
            parts.append(sql)
            params.extend(bound)
        return (" AND ".join(parts) or "1"), params

    def _member(self, resource: Resource, name: str, value: Any, alias: str) -> Sql:
        if name in {"or_", "and_"}:
            conditions = [self.where(resource, member, alias) for member in value]
            joined = _join(name[:-1].upper(), [f"({sql})" for sql, _ in conditions])
            return f"({joined})", [p for _, params in conditions for p in params]
        special = SPECIAL_VALUES.get((resource.name, name))
        if special is not None:
            sql, params = operators_sql(special.field, "v", value)
            values = special.select.replace("{t}", alias)
            return f"EXISTS (SELECT 1 FROM ({values}) WHERE {sql})", params
        names = (name, _STAMP_SYNONYMS.get(name))
        field = next((f for f in resource.fields if f.name in names), None)
        field = field or next((f for f in resource.fields if f.column in {name, name[1:]}), None)
        if field is not None:
            return operators_sql(field, column_sql(resource, field, alias), value)
        if name == "sessions":  # a check-in that passes, and the check-out after it
            inner = self.new_alias()
            passes, params = self.sessions_where(value, inner)
            owner = session_owner(resource, inner, alias)
            where = f"{inner}.event_type = 'check_in' AND {owner} AND {passes}"
            return f"EXISTS (SELECT 1 FROM session_events {inner} WHERE {where})", params
        if name == "ionValue":
            return self._ion_value(value, alias)
        return self._related(resource, name, value, alias)

    def _related(self, resource: Resource, name: str, value: Any, alias: str) -> Sql:
        link = next((x for x in resource.links if x.field == name), None)
        relation = next((x for x in resource.relations if x.field == name), None)
        other = link or relation
        linked = FILTERED_TARGETS.get(name)
        if other is None and linked and derived_pairs(resource.name, name) is not None:
            # A relation to one object without a foreign key.
            other = Relation(name, self._catalog.resources[linked].type, linked, "none")
        if other is None:
            return self._absent(resource, name, value)
        target, inner = self._catalog.resources[other.resource], self.new_alias()
        self._depth += 1
        sql, params = self.where(target, value, inner)
        self._depth -= 1
        if isinstance(other, Relation):
            source = relation_source(resource, other, target, inner, self.new_alias())
            if source is None:  # never has any
                return "0", []
            (table, owner), key = source, f'{alias}."{own_key(resource, other)}"'
        else:
            table, owner = f'"{target.name}" {inner}', f"{inner}.id"
            key = link_key(resource, other, alias)
        if self._depth < MAX_NESTED_CONDITIONS:
            return f"EXISTS (SELECT 1 FROM {table} WHERE {owner} = {key} AND {sql})", params
        return self._flat(f"SELECT {owner} FROM {table} WHERE {sql}", params, key)

    def _flat(self, select: str, params: list[Any], key: str) -> Sql:
        """Return whether a key is selected; selections of deeper levels are tables of one WITH."""
        if self._depth > MAX_NESTED_CONDITIONS:
            name = self.new_alias()
            self._tables.append((f"{name} AS ({select})", params))
            return f"{key} IN {name}", []
        tables, self._tables = self._tables, []
        if tables:
            select = f"WITH {', '.join(text for text, _ in tables)} {select}"
        return f"{key} IN ({select})", [*(p for _, some in tables for p in some), *params]

    def _absent(self, resource: Resource, name: str, value: Any) -> Sql:
        """Return the condition of a value that only other objects with this filter have.

        ION declares the filter of reviews for review requests; their other values are null (assumed).
        """
        same = (r for r in self._catalog.resources.values() if r.filters == resource.filters)
        for other in same:
            if (field := other.field(name)) is not None:
                return operators_sql(field, "NULL", value)
            if any(link.field == name for link in other.links):
                return "0", []
        raise GraphQLError(f"Filter {name} of {resource.type} is not served by this local ION")

    def sessions_where(self, value: Mapping[str, Any], inner: str) -> Sql:
        """Return the condition of a filter of sessions on their check-in."""
        conditions: list[str] = []
        params: list[Any] = []
        for name, member in value.items():
            expression = SESSION_VALUES.get(name)
            if name in {"or_", "and_"}:
                each = [self.sessions_where(one, inner) for one in member]
                sql = _join(name[:-1].upper(), [f"({text})" for text, _ in each])
                sql, bound = f"({sql})", [p for _, some in each for p in some]
            elif expression is None:
                sql, bound = self.where(
                    self._catalog.resources["session_events"], {name: member}, inner
                )
            else:
                kind, text = expression
                field = Field(name, name, kind, enum=kind == "Eventtypeenum")
                sql, bound = operators_sql(field, text.replace("{t}", inner), member)
            conditions.append(sql)
            params.extend(bound)
        return " AND ".join(conditions) or "1", params

    def _ion_value(self, value: Mapping[str, Any], alias: str) -> Sql:
        """Return whether the value is a part or user that passes a filter, by its id (assumed)."""
        parts: list[str] = []
        params: list[Any] = []
        for name, member in value.items():
            inner = self.new_alias()
            target = self._catalog.resources[f"{name}s"]
            sql, bound = self.where(target, member, inner)
            found = f"json_extract({alias}.value, '$')"
            parts.append(
                f'EXISTS (SELECT 1 FROM "{target.name}" {inner} WHERE {inner}.id = {found} AND {sql})'
            )
            params.extend(bound)
        return " AND ".join(parts) or "1", params


def operators_sql(field: Field, column: str, value: Mapping[str, Any]) -> Sql:
    """Return the condition of a field's operators; all of them must hold."""
    if field.list and set(value) - {"isnull"}:  # any element of a list
        each = structs.replace(field, list=False)
        sql, params = operators_sql(each, "each.value", value)
        return f"EXISTS (SELECT 1 FROM json_each({column}) each WHERE {sql})", params
    parts: list[str] = []
    params: list[Any] = []
    if field.type == "ScalarValue":
        column = f"json_extract({column}, '$')"
    for name, operand in value.items():
        if name == "isnull":
            parts.append(f"{column} IS {'' if operand else 'NOT '}NULL")
        elif operand is None:
            parts.append(f"{column} IS {'NOT ' if name == 'neq' else ''}NULL")
        elif name == "in":
            parts.append(f"{column} IN (SELECT value FROM json_each(?))")
            params.append(json.dumps([_operand(field, o) for o in operand]))
        elif name == "fuzzyMatch":
            parts.append(f"similarity({column}, ?) >= ?")
            params.extend((operand.get("value"), operand.get("similarity", 0.5)))
        else:
            parts.append(_OPERATORS[name].format(column=column))
            params.append(str(operand) if name.endswith("like") else _operand(field, operand))
    return " AND ".join(parts) or "1", params


def _join(operator: str, conditions: list[str]) -> str:
    """Join conditions as a balanced tree, because SQLite limits the depth of an expression."""
    if not conditions[1:]:
        return conditions[0] if conditions else "1"
    middle = len(conditions) // 2
    left, right = _join(operator, conditions[:middle]), _join(operator, conditions[middle:])
    return f"({left} {operator} {right})"


def _operand(field: Field, value: Any) -> Any:
    if field.type == "ScalarValue":
        return int(value) if isinstance(value, bool) else value
    return encode(field, value)


def order_by(resource: Resource, sort: Iterable[str] | None, alias: str) -> str:
    """Return the ORDER BY terms of ION's sort and then the key."""
    never_null = {f'{alias}."{c}"' for c in ("id", "_updated", "_created")}
    terms: list[str] = []
    for name in sort or ():
        wanted, _, direction = name.rpartition("_")
        expression = sort_sql(resource, wanted, alias)
        term = f"{expression} {direction}"
        if expression not in never_null:
            term += f" NULLS {'LAST' if direction == 'ASC' else 'FIRST'}"
        terms.append(term)
    return ", ".join([*terms, *(f'{alias}."{k}"' for k in key_columns(resource))])


def sort_sql(resource: Resource, name: str, alias: str) -> str:
    """Return the expression of a sort value without its direction."""
    special = special_sort(resource.name, name, alias)
    if special is not None:
        return special
    for field in resource.fields:
        constants = (constant(field.name), field.column.upper())
        if name in constants or name in (f"_{each}" for each in constants):
            return column_sql(resource, field, alias)
    raise GraphQLError(f"Sorting {resource.type} by {name} is not served by this local ION")


def encode_cursor(offset: int) -> str:
    """Return ION's cursor of a row in a list."""
    return base64.b64encode(f"{_CURSOR_PREFIX}{offset}".encode()).decode()


def decode_cursor(cursor: str | None) -> int | None:
    """Return the offset of a cursor; None for an empty one."""
    if not cursor:
        return None
    try:
        return int(base64.b64decode(cursor).decode().removeprefix(_CURSOR_PREFIX))
    except (ValueError, binascii.Error) as error:
        raise GraphQLError(f"Invalid cursor {cursor}") from error
