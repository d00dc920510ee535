"""Generate the reference of the SQL views from the catalog and the contract: meanings, values and joins."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from docs.generate import join_diagram
from docs.generate.markdown import code, line, table
from graphql import GraphQLEnumType, GraphQLSchema

from ultraviolet.db import sql_views
from ultraviolet.ion import catalog
from ultraviolet.ion.contract import derive
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource

_INTRO = """\
# SQL views

The hub's database has one view per mirrored resource, with one row per object that is not deleted and one column per
field, under ION's column name. [SQL and exports](../how-to/sql-and-exports.md) describes their use, and
[Use the data in pandas](../how-to/pandas.md) describes one of several tools. The database contains the same list in the table
`view_columns`, and on PostgreSQL also as comments of the columns.

Ids are text. On SQLite, times are RFC 3339 texts, booleans are 0 and 1, and `json` is text. On PostgreSQL the types are
`bigint`, `double precision`, `boolean`, `text`, `timestamptz` and `json`. A `json` column contains any JSON value; a text
has quotes, which `value ->> '$'` removes on SQLite and `value #>> '{}'` on PostgreSQL.

An arrow (→) marks a join: the column contains the `id` of a row of the named view. With several integrations, also
compare `integration`. The values of an enum may grow with ION; a view shows unknown values unchanged.

A view ends with a column for each custom attribute that the hub has seen, such as `attribute_priority`.
[Custom attributes](../how-to/sql-and-exports.md#custom-attributes) describes them.

## Common columns

All views have these columns, which are not repeated below:
"""
_MAX_JOINING_VIEWS = 12
"""Above this number, the views that join a view are counted instead of listed."""


def page() -> str:
    """Return the page."""
    common = _columns_table(
        [(code(c.name), c.type, c.comment) for c in (*sql_views.OWN, *sql_views.PROVENANCE)]
    )
    sections = [text for domain in _domains() for text in _domain(domain)]
    return f"{_INTRO}\n{common}\n\n" + "\n\n".join(sections)


def diagrams() -> Sequence[str]:
    """Return the names of the domains that have joins between their views."""
    return [domain for domain in _domains() if _joins(domain)]


def diagram(domain: str) -> str:
    """Return the diagram of the joins between the views of a domain as SVG."""
    names = [sql_views.view_name(resource) for resource in _views(domain)]
    title = f"Joins between the views of {_title(domain).lower()}"
    return join_diagram.draw(names, _joins(domain), title)


def _domains() -> Sequence[str]:
    """Return the names of the domains in alphabetical order of their titles."""
    found = {resource.domain for resource in catalog.load_catalog().mirrored}
    return sorted(found, key=_title)


def _title(domain: str) -> str:
    return resource_label(_views(domain)[0].name).group


@cache
def _joins(domain: str) -> Sequence[join_diagram.Join]:
    names = [sql_views.view_name(resource) for resource in _views(domain)]
    joins = {
        (sql_views.view_name(resource), sql_views.PREFIX + link.resource)
        for resource in _views(domain)
        for link in resource.links
    }
    return sorted(one for one in joins if one[1] in names and one[0] != one[1])


@cache
def _schema() -> GraphQLSchema:
    return derive.schema()


def _views(domain: str) -> list[Resource]:
    return [one for one in catalog.load_catalog().mirrored if one.domain == domain]


def _domain(domain: str) -> Iterator[str]:
    found = _views(domain)
    yield f"## {_title(domain)}"
    if _joins(domain):
        yield (
            f"![Joins between the views of {_title(domain).lower()}](joins-{domain}.svg)\n\n"
            "An arrow points from a view to the view whose `id` it contains."
        )
    yield table(("view", "meaning"), [(_link(one), _meaning(one)) for one in found])
    for one in found:
        yield _view(one)


def _view(resource: Resource) -> str:
    known = catalog.load_catalog()
    common = {column.name for column in (*sql_views.OWN, *sql_views.PROVENANCE)}
    links = {link.key: link for link in resource.links}
    rows: list[tuple[str, str, str, str]] = []
    for column in sql_views.columns(known, resource):
        if column.name in common:
            continue
        field = resource.field(column.field)
        kind = _schema().type_map.get(field.type) if field else None
        link = links.get(column.field)
        about = column.comment if field is None else column.comment.partition(", ")[2]
        if link:
            target = known.resources[link.resource]
            about = (
                f"→ {_link(target)}" if target in known.mirrored else f"id of {link.type} in ION"
            )
        elif isinstance(kind, GraphQLEnumType):
            about = ", ".join(map(code, kind.values))
        rows.append((code(column.name), column.type, code(column.field), about))
    parts = [
        f"### {sql_views.view_name(resource)}\n\n{_meaning(resource)}",
        _columns_table(rows, ("column", "type", "field in ION", "values and joins")),
        _joining(resource),
    ]
    return "\n\n".join(part for part in parts if part)


def _joining(resource: Resource) -> str:
    """Return the columns of other views that contain ids of this view."""
    found = [
        f"{_link(one)} by {code(sql_views.column_name(link.column))}"
        for one in catalog.load_catalog().mirrored
        for link in one.links
        if link.resource == resource.name
    ]
    if len(found) > _MAX_JOINING_VIEWS:
        return f"{len(found)} columns of other views contain ids of this view."
    return f"Joined from: {', '.join(found)}." if found else ""


def _meaning(resource: Resource) -> str:
    described = line(getattr(_schema().type_map.get(resource.type), "description", ""))
    return described or f"{resource.title}."


def _link(resource: Resource) -> str:
    name = sql_views.view_name(resource)
    return f"[{name}](#{name})"


def _columns_table(
    rows: Iterable[Sequence[str]], heads: Sequence[str] = ("column", "type", "meaning")
) -> str:
    return table(heads, rows)
