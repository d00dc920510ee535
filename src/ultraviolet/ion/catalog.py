"""The catalog: ION's resources with their fields, links and relations."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Raw, json, structs

from ultraviolet.ion.model import Dependent, Field, ParsedContract, Resource
from ultraviolet.ion.naming import camel, plain, plural

if TYPE_CHECKING:
    from graphql import GraphQLSchema

    from ultraviolet.ion.contract.derive import Version

_CATALOG_FILE = Path(__file__).parent / "contract" / "catalog.json"


class Catalog:
    """All resources, by name and by type."""

    def __init__(
        self,
        resources: Mapping[str, Resource],
        types: Raw,
        selected: frozenset[str] | None = None,
        version: "Version" = "all",
    ) -> None:
        """Set all resources and the names of the selected ones; None selects all."""
        self._version: Version = version
        self.resources = resources
        self._types = types
        self._selected = selected
        self._selections: dict[frozenset[str], Catalog] = {}
        self._by_type = {r.type: r for r in resources.values() if r.type}
        self._names: dict[str, Resource] = {}
        for r in resources.values():
            for name in (r.name, r.type, r.list, r.single, plural(r.type) if r.type else ""):
                self._names.setdefault(plain(name or ""), r)
        for r in resources.values():
            self._names.setdefault(plain(r.name.removesuffix("s")), r)
            if r.kind == "join":  # as public warehouse models of 2023 name the tables
                self._names.setdefault(plain(r.name.replace("entity_", "entities_", 1)), r)
        self._names.pop("", None)

    @property
    def schema(self) -> "GraphQLSchema":
        """The complete GraphQL schema with derived types. Loading takes 20 MB and 0.2 seconds."""
        from ultraviolet.ion.contract import compiled  # noqa: PLC0415

        return compiled.schema(self._version)

    def sdl(self) -> str:
        """Return the complete schema as SDL."""
        from graphql import print_schema  # noqa: PLC0415

        return print_schema(self.schema)

    def types(self) -> Mapping[str, frozenset[str]]:
        """Return the field names or enum values of each type of the schema."""
        return json.decode(self._types, type=dict[str, frozenset[str]])

    def is_enum_value(self, field: Field, value: str) -> bool:
        """Return whether the contract has a value of an enum field, in any case."""
        return value.upper() in self.enum_values(field)

    def enum_values(self, field: Field) -> frozenset[str]:
        """Return the values of an enum field in the contract, which are in upper case."""
        return self._enum_values.get(field.type, frozenset())

    @cached_property
    def _enum_values(self) -> Mapping[str, frozenset[str]]:
        enums = {f.type for r in self.resources.values() for f in r.fields if f.enum}
        return {name: values for name, values in self.types().items() if name in enums}

    def by_type(self, name: str) -> Resource | None:
        """Return the resource of a GraphQL object type."""
        return self._by_type.get(name)

    def resolve(self, name: str) -> Resource | None:
        """Return a resource by table, type, singular or plural name, in any case and style."""
        return self._names.get(plain(name))

    def following(self, names: Iterable[str] | None) -> "Catalog":
        """Return a catalog that mirrors only these resources; None selects all."""
        if names is None:
            return self
        selected = frozenset(names)
        if selected not in self._selections:  # shared by all integrations with this selection
            self._selections[selected] = Catalog(self.resources, self._types, selected)
        return self._selections[selected]

    def with_fields(self, fields: Mapping[str, tuple[Field, ...]]) -> "Catalog":
        """Return a catalog whose resources have more fields, by name of the resource."""
        extended = {
            name: structs.replace(
                self.resources[name], fields=(*self.resources[name].fields, *more)
            )
            for name, more in fields.items()
        }
        return Catalog({**self.resources, **extended}, self._types, self._selected)

    def of_version(self, version: "Version") -> "Catalog":
        """Return the catalog of a version of ION's API: its root fields and fields only."""
        if version == "all":
            return self
        schema = Catalog(self.resources, self._types, None, version).schema
        roots = {
            name
            for root in (schema.query_type, schema.mutation_type)
            for name in (root.fields if root else ())
        }
        resources: dict[str, Resource] = {}
        for name, resource in self.resources.items():
            shown = getattr(schema.type_map.get(resource.type), "fields", None)
            given = {
                root: value if (value := getattr(resource, root)) in roots else None
                for root in ("single", "list", "create", "update", "delete")
            }
            fields = tuple(f for f in resource.fields if shown is None or f.name in shown)
            resources[name] = structs.replace(resource, fields=fields, **given)
        return Catalog(resources, self._types, self._selected, version)

    def follows(self, name: str) -> bool:
        """Return whether a resource is mirrored."""
        return name in self.mirrored_names

    @cached_property
    def mirrored_names(self) -> frozenset[str]:
        """The names of the mirrored resources."""
        return frozenset(r.name for r in self.mirrored)

    @cached_property
    def mirrored(self) -> tuple[Resource, ...]:
        """The selected resources."""
        return tuple(
            r for r in self.mirrorable if self._selected is None or r.name in self._selected
        )

    @cached_property
    def mirrorable(self) -> tuple[Resource, ...]:
        """The resources that can be mirrored: those that can be listed and paged by id.

        Rows with a composite key are not mirrored; their events mark the joined objects as stale.
        """
        return tuple(
            r
            for r in self.resources.values()
            if r.kind == "object"
            and r.list
            and r.filters
            and r.key == ("id",)
            and r.name not in _NOT_MIRRORED
        )

    @cached_property
    def _dependents(self) -> Mapping[str, tuple[Dependent, ...]]:
        found: dict[str, dict[Dependent, None]] = defaultdict(dict)
        mirrored = {r.name for r in self.mirrored}
        for resource in self.mirrored:
            for field in resource.fields:
                for source in field.sources:
                    _add_dependents(found, self.resources, resource, source)
                if field.listed_in:
                    found[resource.name][Dependent(resource.name, own_ids=field.listed_in)] = None
                if field.sharing:
                    found[resource.name][Dependent(resource.name, shared=field.sharing)] = None
                for other in field.every_of:
                    found[other][Dependent(resource.name)] = None
            for relation in resource.relations:
                if relation.kept and relation.field in SHOWN:
                    found[relation.resource][
                        Dependent(resource.name, their_list=relation.field)
                    ] = None
        return {
            name: tuple(d for d in deps if d.resource in mirrored) for name, deps in found.items()
        }

    def dependents(self, resource: str) -> tuple[Dependent, ...]:
        """Return the dependents of objects of this resource."""
        return self._dependents.get(resource, ())

    @cached_property
    def shared(self) -> Mapping[str, frozenset[str]]:
        """The fields, by resource, whose equal values make objects depend on each other."""
        return {r.name: frozenset(f.sharing for f in r.fields if f.sharing) for r in self.mirrored}

    @cached_property
    def silent(self) -> tuple[Resource, ...]:
        """Resources for whose new objects ION sends no event, a documented limitation."""
        return tuple(r for r in self.mirrored if r.name == "purchase_order_lines")


SHOWN: Mapping[str, str] = {
    "labels": "id value",
    "requirements": "id title",
    "fileAttachments": "id filename contentType",
    "assets": "id filename contentType",
}
"""Kept relations of which a document holds these fields instead of only the ids."""

_NOT_MIRRORED = {
    "api_keys",
    "webhook_events",
    "webhook_receivers",
    "webhook_headers",
    "webhook_subscriptions",
}


@cache
def load_catalog() -> Catalog:
    """Load the catalog that `make catalog` generates from the contract."""
    contract = json.decode(_CATALOG_FILE.read_bytes(), type=ParsedContract)
    return Catalog(contract.resources, contract.types)


def _add_dependents(
    found: dict[str, dict[Dependent, None]],
    others: Mapping[str, Resource],
    resource: Resource,
    source: str,
) -> None:
    link = next((x for x in resource.links if x.field == source), None)
    if link:
        found[link.resource][Dependent(resource.name, their_key=link.key)] = None
        return
    relation = next(x for x in resource.relations if x.field == source)
    if relation.kind == "foreign_key":
        found[relation.resource][Dependent(resource.name, own_key=relation.key)] = None
    elif relation.join:
        if relation.join.table in others:  # the rows of the join table are objects
            between = Dependent(resource.name, own_key=camel(relation.join.own_column))
            found[relation.join.table][between] = None
        for back in others[relation.resource].relations:
            if back.join and back.join.table == relation.join.table and back.kept:
                found[relation.resource][Dependent(resource.name, own_ids=back.field)] = None
