"""Compile ION's filter language to SQL conditions on the mirror.

Example: `{"status": {"eq": "ORDERED"}, "supplier": {"name": {"ilike": "%acme%"}}}`. All members
must match. `or_` and `and_` take lists of filters. A link or a list of links takes a filter of
the linked objects; `{"supplier.name": …}` is short for it, and `{"attributes.Priority": …}` is a
custom attribute. `eq`, `neq` and `in` compare texts exactly, but accept enum values in any case and
reject unknown ones; `gt`, `gte`, `lt` and `lte` compare texts without regard to case, in the order
by which lists are sorted. Besides ION's language, `not_` takes a filter that must not match, also because a field
has no value or a link no object. An operand can be another field of the same object,
`{"needDate": {"lt": {"field": "estimatedArrivalDate"}}}`, or a relative time, `today+14d`, which is
resolved for each query. Names come from the contract; values are always bound.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.sql.selectable import FromClause

from ultraviolet.db import sql
from ultraviolet.db.tables.mirror import links, objects
from ultraviolet.errors import InvalidError
from ultraviolet.ion.attributes import FIELD, PREFIX
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import AUTHOR_KEYS, Link, Relation, Resource
from ultraviolet.mirror import field_indexes
from ultraviolet.mirror.linked_order import select_link_kind
from ultraviolet.mirror.search_index import UNSEARCHED_FIELDS
from ultraviolet.text import did_you_mean, listed
from ultraviolet.web.queries.columns import (
    Column,
    bind,
    columns,
    did_you_mean_field,
    own_column,
    parse_operand,
)

Filter = Mapping[str, Any]
OPERATORS = (
    "eq",
    "neq",
    "in",
    "gt",
    "gte",
    "lt",
    "lte",
    "like",
    "notlike",
    "ilike",
    "notilike",
    "isnull",
)
_TEXT_TYPES = ("text", "json")
_MAX_DEPTH = 8
_MAX_PARTS = 100
_MAX_SCANNED_OBJECTS = 2_000
"""Number of recent objects in which a value that the contract lacks is looked up."""
_GROUPS: dict[str, Callable[..., ColumnElement[bool]]] = {"or_": or_, "and_": and_}
_COMPARISONS: dict[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "eq": operator.eq,
    "neq": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
_KEY_COMPARISONS = {
    "eq": operator.eq,
    **dict.fromkeys(("gt", "gte"), operator.ge),
    **dict.fromkeys(("lt", "lte"), operator.le),
}
"""Comparisons of sort keys, which contain only the beginning of long texts."""


def parse_filter(written: str) -> Filter:
    """Parse a filter from a query parameter; raise InvalidError."""
    try:
        return msgspec.json.decode(written, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise _filter_error(
            f'Invalid JSON filter: {error}. Example: {{"status": {{"eq": "ORDERED"}}}}'
        ) from error


class FilterCompiler:
    """Compiles a filter to a condition on `objects`; use one instance per statement.

    With `links_of`, an integration, the table of links finds the objects by their linked objects.
    It has no links of deleted objects or to authors, and suits statements that read all objects of a resource.
    """

    def __init__(
        self, connection: Connection, catalog: Catalog, links_of: int | None = None
    ) -> None:
        self._connection = connection
        self._catalog = catalog
        self._links_of = links_of
        self._parts_left = _MAX_PARTS

    def compile(self, resource: Resource, wanted: Filter) -> ColumnElement[bool]:
        """Return the condition that an object matches a filter; raise InvalidError."""
        return self._all(resource, wanted, objects, 1)

    def _all(
        self, resource: Resource, wanted: Any, of: FromClause, depth: int
    ) -> ColumnElement[bool]:
        if not isinstance(wanted, dict) or depth > _MAX_DEPTH:
            raise _filter_error(
                f"A filter of {resource.title} must be a JSON object at most {_MAX_DEPTH} levels deep."
            )
        members = cast("dict[str, Any]", wanted)
        return and_(
            true(), *(self._member(resource, *member, of, depth) for member in members.items())
        )

    def _member(
        self, resource: Resource, name: str, wanted: Any, of: FromClause, depth: int
    ) -> ColumnElement[bool]:
        self._parts_left -= 1
        if self._parts_left < 0:
            raise _filter_error(f"A filter can have at most {_MAX_PARTS} parts.")
        if name in _GROUPS:
            if not isinstance(wanted, list) or not wanted:
                raise _filter_error(f"{name} must be a list of filters.")
            parts = cast("list[Any]", wanted)
            return _GROUPS[name](*(self._all(resource, part, of, depth + 1) for part in parts))
        if name == "not_":  # a comparison with no value is not true
            return not_(func.coalesce(self._all(resource, wanted, of, depth + 1), false()))
        known = columns(resource)
        column = own_column(resource, known, name)
        if column:
            if not isinstance(wanted, dict):
                raise _filter_error(f'{name} must be an object of operators, such as {{"eq": …}}.')
            operators = cast("dict[str, Any]", wanted).items()
            return and_(
                true(), *(self._operator(resource, known, column, of, *each) for each in operators)
            )
        if name == FIELD and isinstance(wanted, dict):
            of_each = cast("dict[str, Any]", wanted)
            return self._all(
                resource, {f"{PREFIX}{key}": each for key, each in of_each.items()}, of, depth + 1
            )
        first, _, rest = name.partition(".")
        for joined in (*resource.links, *resource.relations):
            if joined.field == first and (
                isinstance(joined, Link) or (joined.kind == "foreign_key" and joined.key)
            ):
                of_target = {rest: wanted} if rest else wanted
                return self._linked(resource, joined, of_target, of, depth)
        near = did_you_mean_field(
            name, resource, (one.field for one in (*resource.links, *resource.relations))
        )
        raise _filter_error(f"{resource.title} cannot be filtered by {name}.{near}")

    def _choices(
        self, resource: Resource, column: Column, name: str, given: list[Any]
    ) -> list[Any]:
        """Return the operands of an enum field as ION writes them; raise InvalidError."""
        field = resource.field(column.place)
        valid = self._catalog.enum_values(field) if field else frozenset[str]()
        if not valid or name not in ("eq", "neq", "in"):
            return given
        unknown = unknown_choices(self._connection, resource, column, given, valid)
        for each in sorted(unknown):
            if each.upper() not in valid:
                raise _filter_error(
                    f"{column.name} must be one of {listed(sorted(valid))};"
                    f" “{each}” is not.{did_you_mean(each, valid)}"
                )
        return [each.upper() if each in unknown else each for each in given]

    def _operator(
        self,
        resource: Resource,
        known: Mapping[str, Column],
        column: Column,
        of: FromClause,
        name: str,
        given: Any,
    ) -> ColumnElement[bool]:
        if name not in OPERATORS:
            raise _filter_error(
                f"{column.name}: unknown operator {name}. Operators: {', '.join(OPERATORS)}."
            )
        if name == "isnull" and not isinstance(given, bool):
            raise _filter_error(f"{column.name}: isnull must be true or false; “{given}” is not.")
        text = sql.text_of(self._connection, of, column.place, column.type)
        if name == "isnull" or given is None:
            absent = given if name == "isnull" else name == "eq"
            return text.is_(None) if absent else text.is_not(None)
        value = sql.value_of(self._connection, of, column.place, column.type)
        if isinstance(given, dict):
            other = _other_field(resource, known, column, name, cast("dict[str, Any]", given))
            compared = sql.value_of(self._connection, of, other.place, other.type)
            return self._compare(column, name, value, compared)
        if name.endswith("like"):
            text = value if column.type == "json" else text  # without the quotes of JSON
            return self._like(column, of, text, name, str(given))
        if column.kind == "other":
            raise _filter_error(
                f"{column.name} is a list or a document; it supports only isnull, like and ilike."
            )
        if name == "in":
            values = cast("list[Any]", given if isinstance(given, list) else [given])
            values = self._choices(resource, column, name, values)
            return value.in_([bind(_operand(column, each)) for each in values])
        [given] = self._choices(resource, column, name, [given])
        operand = bind(_operand(column, given))
        exact = self._compare(column, name, value, operand)
        return and_(*self._by_key(column, of, name, operand), exact)

    @staticmethod
    def _compare(
        column: Column, name: str, value: ColumnElement[Any], operand: ColumnElement[Any]
    ) -> ColumnElement[bool]:
        if column.type in _TEXT_TYPES and name in _KEY_COMPARISONS and name != "eq":
            return _COMPARISONS[name](func.lower(value), func.lower(operand))
        return _COMPARISONS[name](value, operand)

    def _by_key(
        self, column: Column, of: FromClause, name: str, operand: ColumnElement[Any]
    ) -> Iterator[ColumnElement[bool]]:
        """Yield a wider condition on the sort key of a field, for which an index may exist."""
        if of is objects and name in _KEY_COMPARISONS:
            key = field_indexes.sort_key(self._connection, column.place, column.type)
            if column.type in _TEXT_TYPES:
                operand = func.substr(func.lower(operand), 1, field_indexes.INDEXED_CHARACTERS)
            yield _KEY_COMPARISONS[name](key, operand)

    def _like(
        self, column: Column, of: FromClause, text: ColumnElement[Any], name: str, pattern: str
    ) -> ColumnElement[bool]:
        if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
            raise _filter_error(
                f"{column.name}: the backslash at the end of the pattern escapes nothing."
            )
        if name.endswith("ilike"):
            found = text.ilike(pattern, escape="\\")
            parts = _literal_parts(pattern)
            if name == "ilike" and len(parts) == 1 and column.type == "text":
                return and_(*self._by_key(column, of, "eq", literal(parts[0])), found)
        else:
            found = sql.like(self._connection, text, pattern)
        return not_(found) if name.startswith("not") else found

    def _linked(
        self, resource: Resource, joined: Link | Relation, wanted: Any, of: FromClause, depth: int
    ) -> ColumnElement[bool]:
        """Return the condition that a linked object that is not deleted matches a filter."""
        target, other = self._catalog.resources[joined.resource], objects.alias()
        query = select(other.c.id).where(
            other.c.integration_id
            == (of.c.integration_id if self._links_of is None else self._links_of),
            other.c.resource == target.name,
            other.c.deleted_at.is_(None),
        )
        link = links.alias()
        if (
            isinstance(joined, Link)
            and joined.key not in AUTHOR_KEYS
            and self._links_of is not None
        ):
            kind = select_link_kind(resource.name, joined.key, target.name).scalar_subquery()
            query = query.where(self._all(target, wanted, other, depth + 1))
            linked = select(link.c.id).where(
                link.c.integration_id == self._links_of,
                link.c.kind == kind,
                link.c.target_id.in_(query),
            )
            return of.c.id.in_(linked)
        if isinstance(joined, Link):
            key = sql.text_of(self._connection, of, joined.key, "id")
            query = query.where(other.c.id == key)
        else:
            query = query.where(
                link.c.integration_id == of.c.integration_id,
                link.c.target_id == of.c.id,
                link.c.kind
                == select_link_kind(target.name, joined.key, resource.name).scalar_subquery(),
                other.c.id == link.c.id,
            )
        return query.where(self._all(target, wanted, other, depth + 1)).exists()


def unknown_choices(
    connection: Connection,
    resource: Resource,
    column: Column,
    given: Iterable[Any],
    valid: frozenset[str],
) -> set[str]:
    """Return the texts that are not exactly a value of an enum field.

    ION may have values that the contract lacks: a recent object proves them.
    """
    unknown = {each for each in given if isinstance(each, str)} - valid
    if not unknown:
        return unknown
    value = sql.value_of(connection, objects, column.place, column.type).label("value")
    recent = select(value).where(objects.c.resource == resource.name)
    found = recent.order_by(objects.c.changed_at.desc()).limit(_MAX_SCANNED_OBJECTS).subquery()
    return unknown - set(connection.execute(select(found.c.value).distinct()).scalars())


def required_comparisons(resource: Resource, wanted: Filter) -> Iterator[tuple[Column, str, Any]]:
    """Yield the comparisons of own fields that each match must meet: column, operator, value."""
    known = columns(resource)
    for name, given in wanted.items():
        if name == "and_":
            for part in given:
                yield from required_comparisons(resource, part)
        elif column := own_column(resource, known, name):
            for name_of_operator, operand in given.items():
                yield column, name_of_operator, operand


def is_indexable(column: Column, name: str, given: Any) -> bool:
    """Return whether an index of the field makes this comparison faster."""
    if column.kind in ("flag", "other") or column.name == "id" or isinstance(given, dict):
        return False
    return name in _KEY_COMPARISONS or (
        name == "ilike" and column.type == "text" and len(_literal_parts(given)) == 1
    )


def search_text(column: Column, name: str, given: Any) -> str:
    """Return the text that the search index must contain for this comparison; "" if none."""
    searched = column.kind in ("text", "choice") and column.name not in UNSEARCHED_FIELDS
    searched = searched and not column.is_attribute  # indexed as JSON, with escapes
    return max(_literal_parts(given), key=len) if searched and name in ("like", "ilike") else ""


def escape_pattern(text: str) -> str:
    """Return the pattern of LIKE that matches exactly this text."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def _literal_parts(pattern: Any) -> list[str]:
    """Return the texts between the wildcards of a pattern."""
    return [
        re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL)
        for part in re.findall(r"(?:^|[%_])((?:\\.|[^\\%_])*)", str(pattern), re.DOTALL)
    ]


def is_comparable(column: Column, other: Column) -> bool:
    """Return whether two fields of an object can be compared: they have the same type."""
    if column.kind == "other" or column.name == other.name:
        return False
    return column.type == other.type or {column.type, other.type} == {"integer", "real"}


def _other_field(
    resource: Resource,
    known: Mapping[str, Column],
    column: Column,
    name: str,
    given: Mapping[str, Any],
) -> Column:
    """Return the field that `{"field": name}` names as the operand of a comparison."""
    other = own_column(resource, known, str(given.get("field")))
    if other is None or len(given) > 1 or name not in _COMPARISONS:
        near = did_you_mean_field(str(given.get("field")), resource)
        raise _filter_error(
            f'{column.name}: compare with another field as {{"gt": {{"field": "needDate"}}}},'
            f" by one of {', '.join(_COMPARISONS)}.{near}"
        )
    if not is_comparable(column, other):
        raise _filter_error(
            f"{column.name} cannot be compared with {other.name}: the types differ."
        )
    return other


def _operand(column: Column, given: Any) -> Any:
    try:
        return parse_operand(column.type, given)
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        kinds = {
            "integer": "a number",
            "real": "a number",
            "id": "an id",
            "boolean": "true or false",
        }
        raise _filter_error(
            f"{column.name} must be {kinds.get(column.type, 'a time')}; “{given}” is not."
        ) from error


def _filter_error(message: str) -> InvalidError:
    return InvalidError(message, field="filter")
