"""List pages compiled to SQL are identical to the resolvers' pages."""

import threading
from typing import Any

import msgspec
import pytest
from graphql import GraphQLEnumType, GraphQLObjectType, get_named_type, is_leaf_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.model import Field, Resource
from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.graphql.filters import encode_cursor
from ultraviolet.local_ion.plant.simulator import PlantSimulator, SetupMarker
from ultraviolet.local_ion.store.columns import storage

CATALOG = load_catalog()
RICH = (
    "parts",
    "partInventories",
    "purchaseOrders",
    "purchaseOrderLines",
    "runs",
    "runSteps",
    "suppliers",
    "issues",
    "locations",
)
LISTED = [r for r in CATALOG.resources.values() if r.list]
BUSY = [r for r in LISTED if r.list in RICH]
ADMIN = Viewer(1)
SAMPLES = {
    "integer": st.integers(0, 40),
    "real": st.integers(0, 40).map(float) | st.floats(0, 1000).map(lambda x: round(x, 3)),
    "boolean": st.booleans(),
    "text": st.sampled_from(["", "Valve", "H1-A", "a", "2026"]),
    "time": st.sampled_from(["2026-01-01T00:00:00+00:00", "2020-01-01T00:00:00Z"]),
}
OPERATORS = {
    "integer": ["eq", "neq", "gt", "lte"],
    "real": ["gt", "lt", "gte"],
    "boolean": ["eq"],
    "text": ["eq", "neq", "gt", "lte"],
    "time": ["gt", "lte"],
}


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> LocalIon:
    """A small company with unusual values: many digits, exponents, quotes, other alphabets."""
    data = tmp_path_factory.mktemp("plant")
    ion = LocalIon(data)
    PlantSimulator(
        ion, SetupMarker(data), threading.Event(), size="300", seed=3, changes_per_second=0
    ).set_up()
    part = _create(ion, "Part", partNumber="single")
    _create(ion, "PartInventory", partId=part, quantity=3)
    for number, name in enumerate(
        ('"quoted" \\ and\ttabbed', "Żółw 螺丝 🚀", "line\nbreak \x1f\x7f\u2028")
    ):
        given = {
            "partNumber": name,
            "cost": [1 / 3, 1e16, 12345678.9012][number],
            "description": name,
        }
        _create(ion, "Part", **given)
    return ion


def _create(ion: LocalIon, kind: str, **given: Any) -> int:
    name = kind[0].lower() + kind[1:]
    document = (
        f"mutation($input: Create{kind}Input!)"
        f" {{ create{kind}(input: $input) {{ {name} {{ id }} }} }}"
    )
    return ion.execute(document, {"input": given}, None, ADMIN)["data"][f"create{kind}"][name]["id"]


class Question(msgspec.Struct, frozen=True):
    """A query of a list page."""

    root: str
    arguments: str
    select: str
    variables: dict[str, Any]
    filters: str | None

    def document(self) -> str:
        field = f"{self.root}{self.arguments} {{ {self.select} }}"
        kinds = {"$filters": self.filters, "$flag": "Boolean!"}
        declared = ", ".join(f"{name}: {kind}" for name, kind in kinds.items() if name in field)
        return f"query{f'({declared})' if declared else ''} {{ {field} }}"


def _members(draw: st.DrawFn, kind: GraphQLObjectType, depth: int) -> str:
    """Draw fields of a type: scalars and relations up to a depth."""
    leaves = [n for n, f in kind.fields.items() if is_leaf_type(get_named_type(f.type))]
    chosen = draw(st.lists(st.sampled_from(leaves or ["__typename"]), min_size=1, max_size=12))
    shown = [
        draw(st.sampled_from([n, f"{n} @include(if: $flag)", f"x{i}: {n}"]))
        for i, n in enumerate(chosen)
    ]
    if depth:
        inner = [
            n
            for n, f in kind.fields.items()
            if isinstance(get_named_type(f.type), GraphQLObjectType)
            and not any(a.endswith("!") for a in (str(a.type) for a in f.args.values()))
        ]
        for name in (
            draw(st.lists(st.sampled_from(inner), max_size=3, unique=True)) if inner else []
        ):
            target = get_named_type(kind.fields[name].type)
            assert isinstance(target, GraphQLObjectType)
            shown.append(f"{name} {{ {_below(draw, target, depth - 1)} }}")
    return " ".join(
        draw(
            st.sampled_from(
                [shown, [*shown, "__typename"], [f"... on {kind.name} {{ {' '.join(shown)} }}"]]
            )
        )
    )


def _below(draw: st.DrawFn, kind: GraphQLObjectType, depth: int) -> str:
    if not kind.name.endswith("Connection"):
        return _members(draw, kind, depth)
    node = get_named_type(get_named_type(kind.fields["edges"].type).fields["node"].type)
    return f"edges {{ node {{ {_members(draw, node, 0)} }} }}"


def _operand(draw: st.DrawFn, field: Field) -> dict[str, Any]:
    kind = storage(field)
    if kind == "enum":
        values = CATALOG.schema.type_map[field.type]
        assert isinstance(values, GraphQLEnumType)
        return {"eq": draw(st.sampled_from(list(values.values)))}
    value = draw(SAMPLES[kind])
    return {draw(st.sampled_from(OPERATORS[kind])): str(value) if field.type == "ID" else value}


def _filters(draw: st.DrawFn, resource: Resource) -> dict[str, Any]:
    known = CATALOG.schema.type_map[str(resource.filters)].fields
    simple = [
        f
        for f in resource.fields
        if f.name in known and storage(f) in {*SAMPLES, "enum"} and f.type != "Decimal"
    ]
    chosen = draw(st.lists(st.sampled_from(simple), max_size=2, unique=True)) if simple else []
    return {f.name: _operand(draw, f) for f in chosen}


def _paging(draw: st.DrawFn, resource: Resource) -> str:
    given = []
    if resource.sort:
        kinds = CATALOG.schema.type_map[resource.sort]
        assert isinstance(kinds, GraphQLEnumType)
        chosen = draw(st.lists(st.sampled_from(list(kinds.values)), max_size=2))
        given.append(f"sort: [{', '.join(chosen)}]")
    given.append(
        draw(
            st.sampled_from(
                [
                    "",
                    "first: 0",
                    "first: 3",
                    "first: 50",
                    "first: 7",
                    "last: 2",
                    "first: 9, last: 2",
                ]
            )
        )
    )
    places = {name: draw(st.none() | st.integers(0, 12)) for name in ("after", "before")}
    given.extend(
        f'{name}: "{encode_cursor(place)}"' for name, place in places.items() if place is not None
    )
    return ", ".join(g for g in given if g)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    resource = draw(st.sampled_from(LISTED) | st.sampled_from(BUSY))
    kind = CATALOG.schema.type_map[resource.type]
    assert isinstance(kind, GraphQLObjectType)
    node = f"node {{ {_members(draw, kind, 2)} }}"
    edge = draw(
        st.sampled_from([node, f"cursor {node}", f"{node} at: cursor __typename", "cursor"])
    )
    info = draw(
        st.sampled_from(
            [
                "",
                "pageInfo { hasNextPage hasPreviousPage startCursor endCursor count }",
                "pageInfo { totalCount }",
            ]
        )
    )
    given, variables = [_paging(draw, resource)], {"flag": draw(st.booleans())}
    if resource.filters and draw(st.integers(0, 2)) == 0:
        variables["filters"] = _filters(draw, resource)
        given.append("filters: $filters")
    arguments = ", ".join(g for g in given if g)
    select = draw(
        st.sampled_from([f"edges {{ {edge} }} {info}", f"{info} all: edges {{ {edge} }}"])
    )
    return Question(
        str(resource.list),
        f"({arguments})" if arguments else "",
        select,
        variables,
        resource.filters,
    )


def both(
    ion: LocalIon, document: str, variables: dict[str, Any], viewer: Viewer = ADMIN
) -> tuple[bytes, bytes]:
    """Return the responses of the resolvers and of the compiled SQL."""
    plain, quick = (
        ion.execute(document, variables, None, viewer, as_json=wire) for wire in (False, True)
    )
    return msgspec.json.encode(plain), msgspec.json.encode(quick)


def compiled(
    ion: LocalIon, document: str, variables: dict[str, Any] | None = None, viewer: Viewer = ADMIN
) -> bool:
    """Return whether the edges of the first root field are JSON text from SQL."""
    answer = ion.execute(document, variables, None, viewer, as_json=True)
    return isinstance(next(iter(answer["data"].values()))["edges"], msgspec.Raw)


@settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(questions())
def test_compiled_and_resolved_lists_are_identical(plant: LocalIon, question: Question) -> None:
    resolved, written = both(plant, question.document(), {**question.variables})
    assert written == resolved


TYPICAL = """query($first: Int, $filters: PurchaseOrdersInputFilters) {
  purchaseOrders(first: $first, filters: $filters, sort: [ID_ASC]) {
    edges { cursor node {
      id status description _etag _created _updated isOpen estimatedTotalCost createdById supplierId entityId
      supplier { id name address createdBy { email } } createdBy { name }
      _PurchaseOrderLinesCount attributes { key value } labels { value }
    } }
    pageInfo { hasNextPage endCursor totalCount }
  } }"""


def test_typical_page_is_one_statement(plant: LocalIon) -> None:
    variables = {"first": 5, "filters": {"status": {"neq": "CANCELED"}}}
    assert compiled(plant, TYPICAL, variables)
    resolved, written = both(plant, TYPICAL, variables)
    assert written == resolved
    assert len(msgspec.json.decode(written)["data"]["purchaseOrders"]["edges"]) > 1


@pytest.mark.parametrize("rich", ["revisions { id }", "timeline { __typename }"])
def test_unsupported_selection_uses_the_resolvers(plant: LocalIon, rich: str) -> None:
    document = f"{{ parts(first: 2) {{ edges {{ node {{ id {rich} }} }} }} }}"
    assert not compiled(plant, document)


@pytest.fixture(scope="module")
def single(plant: LocalIon) -> int:
    """A part with one inventory, whose lists do not grow with their depth."""
    document = '{ parts(filters: {partNumber: {eq: "single"}}) { edges { node { id } } } }'
    return plant.execute(document, None, None, ADMIN)["data"]["parts"]["edges"][0]["node"]["id"]


@pytest.mark.parametrize("levels", [3, 4, 8, 40, 90])
def test_every_depth_of_lists_is_served(plant: LocalIon, single: int, levels: int) -> None:
    """SQLite's parser overflows beyond a depth; the resolvers answer such a selection."""
    select = "id quantity"
    for _ in range(levels):
        select = f"partsInventory(filters: {{quantity: {{gt: 1}}}}) {{ part {{ {select} }} }}"
    document = "query($id: ID) { parts(filters: {id: {eq: $id}}) { edges { node { %s } } } }"
    for _ in range(2):
        resolved, written = both(plant, document % select, {"id": single})
        assert written == resolved
        leaf = msgspec.json.encode({"id": single, "quantity": 3})
        assert written.count(leaf) == 1


@pytest.mark.parametrize("levels", [1, 3, 4, 8, 40])
def test_every_depth_of_filters_is_served(plant: LocalIon, single: int, levels: int) -> None:
    def nested(leaf: dict[str, Any]) -> dict[str, Any]:
        for level in range(levels):
            other = {"or_": [{"part": {"id": {"eq": -level}}}, {"part": leaf}]}
            leaf = {
                "partsInventory": {
                    "quantity": {"gt": 1},
                    **(other if level % 3 else {"part": leaf}),
                }
            }
        return leaf

    document = "query($f: PartsInputFilters) { parts(filters: $f) { edges { node { id } } } }"
    for leaf, found in (({"id": {"eq": single}}, [single]), ({"id": {"eq": -1}}, [])):
        resolved, written = both(plant, document, {"f": nested(leaf)})
        assert written == resolved
        edges = msgspec.json.decode(written)["data"]["parts"]["edges"]
        assert [edge["node"]["id"] for edge in edges] == found


def test_filter_may_have_thousands_of_alternatives(plant: LocalIon) -> None:
    wanted = {"or_": [{"partNumber": {"eq": str(n)}} for n in range(3000)]}
    document = "query($f: PartsInputFilters) { parts(filters: $f) { edges { node { id } } } }"
    resolved, written = both(plant, document, {"f": wanted})
    assert written == resolved
    assert msgspec.json.decode(written) == {"data": {"parts": {"edges": []}}}


def test_too_complex_filter_is_an_error(plant: LocalIon) -> None:
    wanted: dict[str, Any] = {"id": {"gt": 0}}
    for _ in range(60):
        wanted = {"or_": [wanted, {"id": {"eq": 1}}]}
    document = "query($f: PartsInputFilters) { parts(filters: $f) { edges { node { id } } } }"
    resolved, written = both(plant, document, {"f": wanted})
    assert written == resolved
    assert b"The filter is too complex" in written


def test_unusual_values_are_formatted_alike(plant: LocalIon) -> None:
    document = "{ parts(sort: [ID_DESC], first: 3) { edges { node { partNumber description cost attributes { key value } } } } }"
    resolved, written = both(plant, document, {})
    assert written == resolved
    costs = [
        edge["node"]["cost"] for edge in msgspec.json.decode(written)["data"]["parts"]["edges"]
    ]
    assert costs == [12345678.9012, 1e16, 1 / 3]


def test_cached_document_uses_new_variables(plant: LocalIon) -> None:
    document = """query($long: Boolean!, $name: String) { parts(first: 2) { edges { node {
      id description @include(if: $long) unitOfMeasure(filters: {type: {eq: $name}}) { type } } } } }"""
    for variables in (
        {"long": True, "name": "EACH"},
        {"long": False, "name": "nothing"},
        {"long": True, "name": "Each"},
    ):
        resolved, written = both(plant, document, variables)
        assert written == resolved


def test_hidden_objects_are_null_in_both_ways(plant: LocalIon) -> None:
    document = "{ purchaseOrders(first: 3) { edges { node { id supplier { name } _PurchaseOrderLinesCount } } } }"
    buyer = Viewer(1, frozenset({"purchaseOrders"}))
    assert compiled(plant, document, viewer=buyer)
    for viewer in (buyer, ADMIN, buyer):
        resolved, written = both(plant, document, {}, viewer)
        assert written == resolved
    (node, *_) = msgspec.json.decode(written)["data"]["purchaseOrders"]["edges"]
    assert node["node"]["supplier"] is None
