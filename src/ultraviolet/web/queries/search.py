"""Search all resources by id and by text.

Text is found through the search index. Objects that changed since the index was updated are
scanned. A text may begin with the name of a resource: "purchase order 12", "PO-12", "part IGN-10".
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import Connection, RowMapping, Text, and_, case, func, select

from ultraviolet.db import text_index
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import link_kinds, links, objects, versions
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.mirror import search_index
from ultraviolet.web.queries.field_paths import read_currencies
from ultraviolet.web.queries.links import object_title

MAX_HITS = 50
_MAX_SCANNED_OBJECTS = 2_000
"""Maximum number of objects to scan: those not yet indexed, or for a text too short for the index."""
_FREQUENT = (
    "purchase_orders",
    "parts",
    "parts_inventory",
    "runs",
    "issues",
    "suppliers",
    "purchase_order_lines",
    "receipts",
    "procedures",
    "plans",
    "mboms",
    "locations",
)
"""The resources that people look for most, in this order."""
_TECHNICAL_GROUPS = frozenset(
    {"Associations", "Automation", "Files and labels", "ION webhooks", "People and access"}
)
_SEPARATOR = re.compile(r"[\s#:-]+|(?<=[^\W\d])(?=\d)")
"""What may be between the name of a resource and an id or a text."""
_MAX_ORDERS_OF_SUPPLIER = 10
_CONTAINED = 3
"""The kind of a match in another field than the title."""
_IN_ID_LIST = 4
"""The kind of a match with an id of other objects, such as the steps before a step."""
_MAX_IN_ID_LISTS = 10
_MAX_CANDIDATES = 2 * MAX_HITS
"""Maximum number of objects to read by the index."""


class Hit(msgspec.Struct, frozen=True):
    """A matching object, and the field that matches."""

    integration_id: int
    resource: str
    kind: str
    """The title of the resource."""
    id: str
    title: str | None
    field: str
    """The field, or a custom attribute such as `attributes.Drawing`."""
    value: Any
    document: Mapping[str, Any]
    currency: str = ""
    """The currency of a value that is an amount of money, if known."""


class SearchResult(msgspec.Struct, frozen=True):
    """Search results.

    `complete` is false if there may be more, `indexed` if the index is outdated.
    """

    hits: list[Hit]
    complete: bool
    indexed: bool = True
    with_more_orders: list[Hit] = []
    """The suppliers that have more purchase orders than the hits."""


def search(
    connection: Connection,
    catalog: Catalog,
    text: str,
    resource: str | None = None,
    integration_id: int | None = None,
) -> SearchResult:
    """Find objects by id or by text, ignoring case.

    The kind of the match comes first, then how often people look for the resource. With a resource
    or an integration, find only its objects.
    """
    text = text.replace("\0", "")  # not allowed in queries, and never part of indexed text
    names = [resource] if resource else [each.name for each in catalog.mirrored]
    integration_ids = [
        id_
        for id_ in connection.execute(select(integrations.c.id)).scalars()
        if integration_id in (None, id_)
    ]
    found = _find(connection, catalog, text, names, integration_ids)
    ranked = {_key_of(hit): (_match(hit, text), 1) for hit in found.hits}
    hits = {_key_of(hit): hit for hit in found.hits}
    if named := next(_named(catalog, text, names), None):
        given, rest = named
        own = _find(connection, catalog, rest, given, integration_ids)
        hits |= {_key_of(hit): hit for hit in own.hits}
        for hit in own.hits:
            place = (_match(hit, rest), 0)
            ranked[_key_of(hit)] = min(place, ranked.get(_key_of(hit), place))
    with_more_orders: list[Hit] = []
    if "purchase_orders" in names:
        among = hits.values()
        if "suppliers" not in names:
            among = _find(connection, catalog, text, ["suppliers"], integration_ids).hits
        suppliers = [hit for hit in among if hit.resource == "suppliers" and hit.field != "id"]
        orders, with_more_orders = _orders_of(connection, catalog, suppliers)
        for hit in orders:
            if _key_of(hit) not in hits:
                hits[_key_of(hit)] = hit
                ranked[_key_of(hit)] = (_CONTAINED, 1)

    def place_of(hit: Hit) -> tuple[Any, ...]:
        kind, unnamed = ranked[_key_of(hit)]
        last = (kind == _IN_ID_LIST, bool(unnamed) and _is_access(hit.resource))
        return *last, kind, unnamed, _use_rank(hit.resource), len(hit.id), hit.id

    best = sorted(hits.values(), key=place_of)
    in_lists = [hit for hit in best if _is_id_list(hit.value)][:_MAX_IN_ID_LISTS]
    best = [*(hit for hit in best if not _is_id_list(hit.value)), *in_lists][:MAX_HITS]
    complete = found.complete and len(best) == len(hits)
    best = _with_currencies(connection, catalog, best)
    return SearchResult(best, complete, found.indexed, with_more_orders)


def _find(
    connection: Connection,
    catalog: Catalog,
    text: str,
    names: Sequence[str],
    integration_ids: Sequence[int],
) -> SearchResult:
    """Find objects of these resources by id or by text."""
    frequent = case(
        {name: number for number, name in enumerate(sorted(names, key=_use_rank))},
        value=objects.c.resource,
    )
    by_id = select(objects).where(
        objects.c.integration_id.in_(integration_ids),
        objects.c.resource.in_(names),
        objects.c.id == text,
    )
    rows = connection.execute(by_id.order_by(frequent).limit(MAX_HITS)).mappings().all()
    hits = {_key(row): _hit(catalog, row, "id", row["id"]) for row in rows}
    known = and_(
        objects.c.integration_id == versions.c.integration_id,
        objects.c.resource == versions.c.resource,
        objects.c.id == versions.c.id,
    )
    versioned = select(objects).select_from(versions.join(objects, known))
    unindexed: list[RowMapping] = []
    for outdated_id in search_index.outdated_integrations(connection):
        if outdated_id not in integration_ids:
            continue
        changed = versioned.where(
            search_index.not_indexed(outdated_id), objects.c.resource.in_(names)
        )
        limit = _MAX_SCANNED_OBJECTS + 1 - len(unindexed)
        unindexed += connection.execute(changed.limit(limit)).mappings()
    scanned = unindexed[:_MAX_SCANNED_OBJECTS]
    scanned.sort(key=lambda row: _use_rank(row["resource"]))
    complete = _add_hits(catalog, text, hits, scanned)
    if len(text) < text_index.GRAM_CHARACTERS:
        current = select(objects).where(
            objects.c.deleted_at.is_(None),
            objects.c.integration_id.in_(integration_ids),
            objects.c.resource.in_(names),
        )
        some = current.limit(_MAX_SCANNED_OBJECTS).subquery()
        short = select(some).where(some.c.doc.cast(Text).icontains(text, autoescape=True))
        _add_hits(catalog, text, hits, connection.execute(short).mappings())
        complete = False
    else:
        indexed = _read_indexed(connection, text, names, integration_ids)
        complete &= _add_hits(catalog, text, hits, indexed) and len(indexed) < _MAX_CANDIDATES
    indexed_enough = len(unindexed) <= _MAX_SCANNED_OBJECTS
    return SearchResult(list(hits.values()), complete, indexed_enough)


def _named(catalog: Catalog, text: str, names: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """Yield the resources that the beginning of a text may mean, and the rest of the text.

    "purchase order 12", "PO-12" and "order 12" mean a purchase order; the longest name is first.
    """
    for separator in reversed(list(_SEPARATOR.finditer(text))):
        name, rest = text[: separator.start()].strip().lower(), text[separator.end() :].strip()
        if not name or not rest:
            continue
        labels = {one: resource_label(one).singular.lower() for one in names}
        resolved = catalog.resolve(name)
        whole = [
            one
            for one, label in labels.items()
            if (resolved and one == resolved.name)
            or name == label
            or (len(name) > 1 and name == "".join(word[0] for word in label.split()))
        ]
        if given := whole or [one for one, label in labels.items() if label.endswith(f" {name}")]:
            yield given, rest


def _orders_of(
    connection: Connection, catalog: Catalog, suppliers: Sequence[Hit]
) -> tuple[list[Hit], list[Hit]]:
    """Return the newest purchase orders of each supplier, and the suppliers that have more."""
    by_key = {(hit.integration_id, hit.id): hit for hit in suppliers}
    if not by_key:
        return [], []
    newest = func.row_number().over(
        partition_by=(links.c.integration_id, links.c.target_id),
        order_by=(objects.c.changed_at.desc(), objects.c.id),
    )
    numbered = (
        select(objects, links.c.target_id, newest.label("number"))
        .select_from(links)
        .join(link_kinds, link_kinds.c.id == links.c.kind)
        .join(
            objects,
            and_(
                objects.c.integration_id == links.c.integration_id,
                objects.c.resource == "purchase_orders",
                objects.c.id == links.c.id,
            ),
        )
        .where(
            link_kinds.c.resource == "purchase_orders",
            link_kinds.c.field == "supplierId",
            links.c.integration_id.in_({key[0] for key in by_key}),
            links.c.target_id.in_({key[1] for key in by_key}),
            objects.c.deleted_at.is_(None),
        )
        .subquery()
    )
    query = select(numbered).where(numbered.c.number <= _MAX_ORDERS_OF_SUPPLIER + 1)
    orders: list[Hit] = []
    with_more: list[Hit] = []
    for row in connection.execute(query).mappings():
        supplier = by_key.get((row["integration_id"], row["target_id"]))
        if supplier is None:
            continue
        if row["number"] > _MAX_ORDERS_OF_SUPPLIER:
            with_more.append(supplier)
        else:
            orders.append(_hit(catalog, row, "supplierId", supplier.title or supplier.id))
    return orders, with_more


def _read_indexed(
    connection: Connection, text: str, names: Sequence[str], integration_ids: Sequence[int]
) -> list[RowMapping]:
    """Return the first objects that match by the index, those that people look for most first.

    Outdated entries are filtered out later. Access resources are only read if there is room.
    """
    found = text_index.texts_containing(connection, text.lower()).subquery()
    matching = select(found).where(found.c.integration_id.in_(integration_ids))
    among = matching.where(found.c.resource.in_(names)).limit(_MAX_CANDIDATES)
    places = connection.execute(among).all()
    access = [place for place in places if _is_access(place[1])]
    if access and len(places) == _MAX_CANDIDATES:
        others = [name for name in names if not _is_access(name)]
        among = matching.where(found.c.resource.in_(others)).limit(_MAX_CANDIDATES)
        places = [*connection.execute(among), *access][:_MAX_CANDIDATES]
    rows: list[RowMapping] = []
    by_use = sorted({(_use_rank(place[1]), place[0], place[1]) for place in places})
    for _, found_in, name in by_use:
        ids = [place[2] for place in places if (place[0], place[1]) == (found_in, name)]
        query = select(objects).where(
            objects.c.integration_id == found_in,
            objects.c.resource == name,
            objects.c.id.in_(ids),
        )
        rows += connection.execute(query).mappings()
    return rows


def _add_hits(
    catalog: Catalog, text: str, hits: dict[tuple[Any, ...], Hit], rows: Iterable[RowMapping]
) -> bool:
    """Add matching rows to the hits; return False if there are more than the maximum.

    Matches in lists of ids take no room from the others.
    """
    said = text.lower()
    in_lists = sum(_is_id_list(hit.value) for hit in hits.values())
    for row in rows:
        if len(hits) - in_lists >= MAX_HITS:
            return False
        resource = catalog.resources.get(row["resource"])
        if row["deleted_at"] is not None or _key(row) in hits or resource is None:
            continue
        values = search_index.searchable_values(resource, row["doc"]).items()
        matching = [(name, value) for name, value in values if _matches(value, said)]
        if matching:
            field, value = min(matching, key=lambda one: _is_id_list(one[1]))
            hits[_key(row)] = _hit(catalog, row, field, value)
            in_lists += _is_id_list(value)
    return True


def _matches(value: Any, said: str) -> bool:
    """Return whether a value contains a lower-case text, or a list of ids has it as an id."""
    if _is_id_list(value):
        return said in map(str, value)
    return said in search_index.searchable_text(value).lower()


def _is_id_list(value: Any) -> bool:
    """Return whether a value is a list of integers, which ION has only for ids and pages."""
    return isinstance(value, list) and all(type(one) is int for one in cast("list[Any]", value))


def _with_currencies(connection: Connection, catalog: Catalog, hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits with the currencies of the amounts that match."""
    amounts: defaultdict[tuple[int, str], list[Hit]] = defaultdict(list)
    for hit in hits:
        if field_label(hit.field).format == "money":
            amounts[hit.integration_id, hit.resource].append(hit)
    found: dict[tuple[int, str, str], str] = {}
    for (integration_id, name), some in amounts.items():
        resource, documents = catalog.resources[name], [hit.document for hit in some]
        read = read_currencies(connection, catalog, integration_id, resource, documents)
        found |= zip(map(_key_of, some), read, strict=True)
    return [msgspec.structs.replace(hit, currency=found.get(_key_of(hit), "")) for hit in hits]


def _key(row: RowMapping) -> tuple[Any, ...]:
    return row["integration_id"], row["resource"], row["id"]


def _key_of(hit: Hit) -> tuple[int, str, str]:
    return hit.integration_id, hit.resource, hit.id


def _match(hit: Hit, text: str) -> int:
    """Return the kind of a match: exact, begins or is in the title, another field, a list of ids."""
    title, text = (hit.title or "").lower(), text.lower()
    if text in (hit.id, title):
        return 0
    if title.startswith(text):
        return 1
    if text in title:
        return 2
    return _IN_ID_LIST if _is_id_list(hit.value) else _CONTAINED


def _use_rank(resource: str) -> tuple[int, str]:
    """Order resources by how often people look for them, access resources last."""
    if resource in _FREQUENT:
        return _FREQUENT.index(resource), resource
    is_technical = resource_label(resource).group in _TECHNICAL_GROUPS
    return len(_FREQUENT) + is_technical + _is_access(resource), resource


def _is_access(resource: str) -> bool:
    """Return whether a resource is about access, such as permission groups, and not about users."""
    is_in_group = resource_label(resource).group == "People and access" and resource != "users"
    return is_in_group or resource.startswith("permission_")


def _hit(catalog: Catalog, row: RowMapping, field: str, value: Any) -> Hit:
    return Hit(
        row["integration_id"],
        row["resource"],
        catalog.resources[row["resource"]].title,
        row["id"],
        object_title(row["doc"]),
        field,
        value,
        row["doc"],
    )
