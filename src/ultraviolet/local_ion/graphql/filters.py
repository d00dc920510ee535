"""From ION's filters, sort and cursors to SQL."""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from graphql import GraphQLError

from ultraviolet.ion.catalog import Catalog, Field, Link, Relation, Resource
from ultraviolet.ion.naming import constant
from ultraviolet.local_ion.graphql.computed_fields import expression
from ultraviolet.local_ion.store.columns import encode, storage

Sql = tuple[str, list[Any]]
"""A condition and its bound values."""

_SAME_NAME = {
    "_created": "Created",
    "_updated": "Updated",
    "_etag": "Etag",
    "Created": "_created",
    "Updated": "_updated",
}
_SHARED_COLUMNS = {"entity_id", "family_id"}
"""Columns that a join table has in common with its own side, rather than its own side's id."""


def own_column(resource: Resource, column: str) -> str:
    """Give the column on a relation's own side that its join table's column equals."""
    return column if column in _SHARED_COLUMNS and resource.name != "entities" else "id"


def column_sql(resource: Resource, field: Field, alias: str) -> str:
    """Give the expression for a field: its column, or what computes it; a key's secret is never shown again."""
    if (resource.name, field.column) == ("api_keys", "client_secret"):
        return "NULL"
    if field.stored:
        return f'{alias}."{field.column}"'
    return expression(resource.name, field, alias)


def field_named(resource: Resource, name: str) -> Field | None:
    """Find a scalar field, under the several names that ION's filters have for the same stamps."""
    wanted = (name, _SAME_NAME.get(name))
    return next((f for f in resource.fields if f.name in wanted), None)


class Conditions:
    """Writes filters as SQL; one object for one statement, so that its aliases are unique."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._aliases = 0

    def alias(self) -> str:
        """Give a new table alias."""
        self._aliases += 1
        return f"f{self._aliases}"

    def where(self, resource: Resource, filters: Mapping[str, Any] | None, alias: str) -> Sql:
        """Write a filter over a resource; several members must all hold."""
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
            return self._group(resource, name, value, alias)
        field = field_named(resource, name)
        if field is not None:
            return operators(field, column_sql(resource, field, alias), value)
        link = next((x for x in resource.links if x.field == name), None)
        if link is not None:
            return self._through_link(link, value, alias)
        relation = next((x for x in resource.relations if x.field == name), None)
        if relation is not None and relation.kind != "none":
            return self._through_relation(resource, relation, value, alias)
        raise GraphQLError(f"Filter {name} of {resource.type} is not served by this local ION yet")

    def _group(self, resource: Resource, name: str, value: Iterable[Any], alias: str) -> Sql:
        parts: list[str] = []
        params: list[Any] = []
        for member in value:
            sql, bound = self.where(resource, member, alias)
            parts.append(f"({sql})")
            params.extend(bound)
        joined = (" OR " if name == "or_" else " AND ").join(parts)
        return f"({joined or '1'})", params

    def _through_link(self, link: Link, value: Mapping[str, Any], alias: str) -> Sql:
        target, inner = self._catalog.resources[link.resource], self.alias()
        sql, params = self.where(target, value, inner)
        return (
            f'EXISTS (SELECT 1 FROM "{target.name}" {inner} WHERE {inner}.id = {alias}."{link.column}" AND {sql})',
            params,
        )

    def _through_relation(
        self, resource: Resource, relation: Relation, value: Mapping[str, Any], alias: str
    ) -> Sql:
        target, inner = self._catalog.resources[relation.resource], self.alias()
        sql, params = self.where(target, value, inner)
        if relation.join is None:
            own = "entity_id" if relation.kind == "entity" and resource.name != "entities" else "id"
            column = relation.column or "entity_id"
            return (
                f'EXISTS (SELECT 1 FROM "{target.name}" {inner} WHERE {inner}."{column}" = {alias}."{own}" AND {sql})',
                params,
            )
        join, between = relation.join, self.alias()
        own = own_column(resource, join.own_column)
        other = own_column(target, join.other_column)
        return (
            f'EXISTS (SELECT 1 FROM "{join.table}" {between} JOIN "{target.name}" {inner}'
            f' ON {inner}."{other}" = {between}."{join.other_column}"'
            f' WHERE {between}."{join.own_column}" = {alias}."{own}" AND {sql})'
        ), params


def operators(field: Field, column: str, value: Mapping[str, Any]) -> Sql:
    """Write one field's operators; several must all hold."""
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
            parts.append(_OPERATORS[name](column))
            params.append(str(operand) if name.endswith("like") else _operand(field, operand))
    return " AND ".join(parts) or "1", params


def _operand(field: Field, value: Any) -> Any:
    if field.type == "ScalarValue":
        return int(value) if isinstance(value, bool) else value
    if storage(field) == "integer":
        return int(value)
    return encode(field, value)


_OPERATORS: dict[str, Callable[[str], str]] = {
    "eq": lambda c: f"{c} = ?",
    "neq": lambda c: f"{c} <> ?",
    "gt": lambda c: f"{c} > ?",
    "gte": lambda c: f"{c} >= ?",
    "lt": lambda c: f"{c} < ?",
    "lte": lambda c: f"{c} <= ?",
    "like": lambda c: f"{c} LIKE ? ESCAPE '\\'",
    "notlike": lambda c: f"{c} NOT LIKE ? ESCAPE '\\'",
    "ilike": lambda c: f"lower({c}) LIKE lower(?) ESCAPE '\\'",
    "notilike": lambda c: f"lower({c}) NOT LIKE lower(?) ESCAPE '\\'",
}


def order(resource: Resource, sort: Iterable[str] | None, alias: str, key: Iterable[str]) -> str:
    """Write ION's sort; the key decides between equals."""
    terms: list[str] = []
    for name in sort or ():
        wanted, _, direction = name.rpartition("_")
        terms.append(
            f"{sorted_by(resource, wanted, alias)} {direction} NULLS {'LAST' if direction == 'ASC' else 'FIRST'}"
        )
    never_null = {f'{alias}."{c}"' for c in ("id", "_updated", "_created")}
    plain = [t.split(" NULLS")[0] if t.split(" ")[0] in never_null else t for t in terms]
    return ", ".join([*plain, *(f'{alias}."{k}"' for k in key)])


def sorted_by(resource: Resource, name: str, alias: str) -> str:
    """Give the expression for a sort value without its direction."""
    for field in resource.fields:
        if name in {
            constant(field.name),
            f"_{constant(field.name)}",
            field.column.upper(),
            f"_{field.column.upper()}",
        }:
            return column_sql(resource, field, alias)
    raise GraphQLError(f"Sorting {resource.type} by {name} is not served by this local ION yet")


def cursor(offset: int) -> str:
    """Write ION's cursor of a row of a list."""
    return base64.b64encode(f"arrayconnection:{offset}".encode()).decode()


def offset(text: str | None) -> int | None:
    """Read a cursor; an empty one is none."""
    if not text:
        return None
    try:
        return int(base64.b64decode(text).decode().removeprefix("arrayconnection:"))
    except (ValueError, binascii.Error) as error:
        raise GraphQLError(f"Invalid cursor {text}") from error
