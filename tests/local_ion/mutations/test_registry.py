"""Every mutation of the contract is served, and every object can be created, changed and deleted."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    is_leaf_type,
)
from tests.local_ion.in_process_ion import Ion, nodes
from tests.local_ion.rules.test_organization import OWNERS

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.mutations.registry import (
    SPECIAL_MUTATIONS,
    create_handlers,
)

CATALOG = load_catalog()
COUNT = itertools.count()
PLAIN = {
    "String": "x",
    "Int": 1,
    "Float": 1.0,
    "Boolean": True,
    "DateTime": "2026-01-02T03:04:05+00:00",
}
RICH = {"SlateContent": [], "JSONString": "{}", "ScalarValue": 1, "Decimal": 1, "ID": 1}
LINKED = {
    "entityId": "locations",
    "reviewerId": "users",
    "functionId": "validation_functions",
    "fieldId": "steps_fields",
    "mbomId": "mboms",
    "parentId": "",
    "upstreamStepId": "steps",
    "originIssueId": "issues",
    "relatedIssueId": "issues",
    "childPlanItemId": "plan_items",
    "parentPlanItemId": "plan_items",
}


@pytest.fixture(scope="module")
def ion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ion]:
    made = Ion(tmp_path_factory.mktemp("ion"))
    yield made
    made.ion.close()


class Maker:
    """Creates the objects that a mutation's input needs."""

    def __init__(self, ion: Ion) -> None:
        self.ion = ion

    def arguments(self, mutation: str, resource: Resource) -> dict[str, Any]:
        """Return the minimal arguments of a mutation."""
        root = self.ion.ion.schema.mutation_type
        assert root is not None
        args = root.fields[mutation].args
        return {
            n: self.value(n, a.type, resource)
            for n, a in args.items()
            if n == "input" or _needed(a.type)
        }

    def value(self, name: str, kind: Any, resource: Resource) -> Any:
        known, named = LINKED.get(name), get_named_type(kind)
        if isinstance(named, GraphQLInputObjectType):
            return {n: self.value(n, f.type, resource) for n, f in self._members(named)}
        if isinstance(named, GraphQLEnumType):
            return next(iter(named.values))
        link = known or next((x.resource for x in resource.links if x.key == name), None)
        if link:
            return self.make(CATALOG.resources[link])["entityId" if name == "entityId" else "id"]
        if named.name == "String":
            return f"{name} {next(COUNT)}"
        return (PLAIN | RICH)[named.name]

    def _members(self, kind: GraphQLInputObjectType) -> Iterator[tuple[str, GraphQLInputField]]:
        wanted = ("stepId", "mbomId") if "Datagrid" in kind.name or "MBomItem" in kind.name else ()
        return ((n, f) for n, f in kind.fields.items() if _needed(f.type) or n in wanted)

    def _redline(self) -> dict[str, Any]:
        """Create a redline by the status of a step."""
        step = self.make(CATALOG.resources["run_steps"])
        self.ion.update("runStep", step["id"], status="REDLINE")
        return self.ion.get("runStep", step["id"], "redlines { id _etag }")["redlines"][0]

    def make(self, resource: Resource) -> dict[str, Any]:
        """Create one object, or return an existing one if it cannot be created."""
        select = " ".join(
            f.name
            for f in resource.fields
            if f.name in {"id", "_etag", "Etag", "entityId", *resource.key}
        )
        if resource.name == "redlines":
            return self._redline()
        if resource.create is None:
            return self.ion.data(
                f"{{ {resource.list}(first: 1) {{ edges {{ node {{ {select} }} }} }} }}"
            )["edges"][0]["node"]
        arguments = self.arguments(resource.create, resource)
        root = self.ion.ion.schema.mutation_type
        assert root is not None
        payload = get_named_type(root.fields[resource.create].type)
        shown = next(
            n for n, f in payload.fields.items() if get_named_type(f.type).name == resource.type
        )  # type: ignore[union-attr]
        document = self.ion.document(resource.create, *arguments, select=f"{shown} {{ {select} }}")
        return self.ion.data(document, **arguments)[shown]


def _needed(kind: Any) -> bool:
    return isinstance(kind, GraphQLNonNull)


OF_TYPE: dict[str, type | tuple[type, ...]] = {
    "String": str, "ID": str, "DateTime": str, "JSONString": str, "Int": int, "Float": (int, float), "Boolean": bool,
}  # fmt: skip


def wrong_values(ion: Ion, resource: Resource) -> list[tuple[str, Any]]:
    """Return the scalars of all objects of a resource that are not of their type."""
    kind = CATALOG.schema.type_map[resource.type]
    assert isinstance(kind, GraphQLObjectType)
    fields = {
        name: field.type
        for name, field in kind.fields.items()
        if is_leaf_type(get_named_type(field.type))
        and not any(_needed(a.type) for a in field.args.values())
    }
    shown = f"{{ {resource.list} {{ edges {{ node {{ {' '.join(fields)} }} }} }} }}"
    found = nodes(ion.data(shown))
    assert found, f"There is nothing in {resource.list}"
    return [
        (n, each[n]) for each in found for n, field in fields.items() if not _is_of(field, each[n])
    ]


def _is_of(kind: Any, value: Any) -> bool:
    if value is None:
        return not _needed(kind)
    plain, named = get_nullable_type(kind), get_named_type(kind)
    if isinstance(plain, GraphQLList):
        return isinstance(value, list) and all(_is_of(plain.of_type, each) for each in value)
    if isinstance(named, GraphQLEnumType):
        return value in named.values
    wanted = OF_TYPE.get(named.name, object)
    return isinstance(value, wanted) and (named.name == "Boolean" or not isinstance(value, bool))


def made_kinds() -> list[Resource]:
    others = {
        "api_keys",
        "abom_items",
        "file_attachments",
        "abom_installations",
    }  # made otherwise, and tested where they are at home
    kinds = [r for r in CATALOG.resources.values() if r.create and r.kind == "object"]
    return [r for r in kinds if r.name not in others]


def test_every_mutation_is_served() -> None:
    mutations = CATALOG.schema.mutation_type
    assert mutations is not None
    served = create_handlers(CATALOG)
    assert [] == [name for name in mutations.fields if name not in served]
    assert list(mutations.fields) == list(served)


def test_every_special_mutation_is_tested() -> None:
    """Tests name every special mutation; attribute definitions are parametrized."""
    tests = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    named = set(re.findall(r"\w+", tests))
    named |= {f"update{n[0].upper()}{n[1:]}" for n in re.findall(r'\.update\("(\w+)"', tests)}
    named |= {
        f"{verb}Organization{kind}Attributes" for verb in ("update", "delete") for kind in OWNERS
    }
    assert [] == [name for name in SPECIAL_MUTATIONS if name not in named]


@pytest.mark.parametrize("resource", made_kinds(), ids=lambda r: r.name)
def test_created_object_can_be_updated_and_deleted(ion: Ion, resource: Resource) -> None:
    maker = Maker(ion)
    made = maker.make(resource)
    assert [] == (wrong_values(ion, resource) if resource.list else [])
    key = {k: made[k] for k in resource.key}
    etag = made.get("_etag", made.get("Etag"))
    if resource.update:
        given = maker.arguments(resource.update, resource)["input"]
        named = {name: value for name, value in {**key, "etag": etag}.items() if name in given}
        etags: list[str] = []
        for _ in range(2):
            shown = ion.mutate(resource.update, **{**given, **named})
            (changed,) = [v for v in shown.values() if isinstance(v, dict)]
            etag = changed.get("_etag", changed.get("Etag"))
            etags.append(etag)
            named = {name: etag if name == "etag" else value for name, value in named.items()}
        assert etags[0] == etags[1], "the second update changes nothing"
    if resource.delete:
        root = ion.ion.schema.mutation_type
        assert root is not None
        takes = set(root.fields[resource.delete].args)
        wants = {"etag": etag} if takes != {"id"} else {}
        ion.mutate(resource.delete, **key, **wants)
        assert (
            resource.single is None
            or resource.key != ("id",)
            or ion.get(resource.single, made["id"]) is None
        )


def test_nullable_member_is_not_required() -> None:
    kind = CATALOG.schema.type_map["CreatePartInput"]
    assert isinstance(kind, GraphQLInputObjectType)
    assert _needed(kind.fields["partNumber"].type)
    assert get_nullable_type(kind.fields["partNumber"].type) is not kind.fields["partNumber"].type


def test_mutation_without_its_input_is_an_error(ion: Ion) -> None:
    root = CATALOG.schema.mutation_type
    assert root is not None
    optional = [
        name
        for name, field in root.fields.items()
        if [*field.args] in (["input"], ["deleteInput"])
        and not isinstance(next(iter(field.args.values())).type, GraphQLNonNull)
    ]
    assert optional
    for name in optional:
        payload = "{ __typename }"
        argument = next(iter(root.fields[name].args))
        for document in (
            f"mutation {{ {name} {payload} }}",
            f"mutation {{ {name}({argument}: null) {payload} }}",
        ):
            assert f"{name} requires its {argument}." == ion.error(document)


def test_bulk_creation_of_nothing_is_empty(ion: Ion) -> None:
    assert {"mbomItems": []} == ion.data(
        "mutation { createMultipleMbomItems(input: {}) { mbomItems { id } } }"
    )
    assert {"parts": []} == ion.data(
        "mutation { createOrUpdateMultipleParts(input: {}) { parts { id } } }"
    )
