"""The contract as data: resources, fields, links, relations; the only place that knows ION's entities."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import DecodeError, Raw, json

from ultraviolet.ion.naming import camel, plain, plural

if TYPE_CHECKING:
    from graphql import GraphQLSchema
from ultraviolet.ion.model import Dependent, ParsedContract, Resource


class Catalog:
    """All resources, by name and by type."""

    def __init__(
        self, resources: Mapping[str, Resource], types: Raw, followed: frozenset[str] | None = None
    ) -> None:
        """Take all resources, and the names of those to mirror where it is not all that can be."""
        self.resources = resources
        self._types = types
        self._followed = followed
        self._narrower: dict[frozenset[str], Catalog] = {}
        self._by_type = {r.type: r for r in resources.values() if r.type}
        self._names = _name_index(resources)

    @property
    def schema(self) -> "GraphQLSchema":
        """The complete GraphQL schema, derived types included; only who serves or prints it needs it."""
        from ultraviolet.ion.contract import derive as contract  # noqa: PLC0415  it costs 20 MB and half a second

        return contract.schema()

    def sdl(self) -> str:
        """Print the complete schema."""
        from graphql import print_schema  # noqa: PLC0415  as above

        return print_schema(self.schema)

    def types(self) -> Mapping[str, frozenset[str]]:
        """Return the names of the fields of every type of the schema, the values of enums among them."""
        return json.decode(self._types, type=dict[str, frozenset[str]])

    def by_type(self, name: str) -> Resource | None:
        """Find the resource of a GraphQL object type."""
        return self._by_type.get(name)

    def resolve(self, name: str) -> Resource | None:
        """Find a resource by any of its names: any case and style, singular, plural, table or type."""
        return self._names.get(plain(name))

    def following(self, names: Iterable[str] | None) -> "Catalog":
        """Return the catalog of who mirrors only these resources; None means all that can be."""
        if names is None:
            return self
        chosen = frozenset(names)
        if chosen not in self._narrower:
            # Once for each choice: many integrations may have made the same.
            self._narrower[chosen] = Catalog(self.resources, self._types, chosen)
        return self._narrower[chosen]

    def follows(self, name: str) -> bool:
        """Return whether a resource is mirrored."""
        return name in self._mirrored_names

    @cached_property
    def _mirrored_names(self) -> frozenset[str]:
        return frozenset(r.name for r in self.mirrored)

    @cached_property
    def mirrored(self) -> tuple[Resource, ...]:
        """What is mirrored: everything that can be, unless fewer were chosen."""
        return tuple(
            r for r in self.mirrorable if self._followed is None or r.name in self._followed
        )

    @cached_property
    def mirrorable(self) -> tuple[Resource, ...]:
        """What a hub can mirror: objects that can be listed and paged by their id, except ION's own plumbing.

        Rows with a composite key are not mirrored themselves; their events make the objects they tie stale.
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
                    _depend(found, self.resources, resource, source)
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
        """Return who carries values that ION computes from objects of this resource."""
        return self._dependents.get(resource, ())

    @cached_property
    def shared(self) -> Mapping[str, frozenset[str]]:
        """Give, by resource, the fields by whose common value objects depend on each other."""
        return {r.name: frozenset(f.sharing for f in r.fields if f.sharing) for r in self.mirrored}

    @cached_property
    def silent(self) -> tuple[Resource, ...]:
        """Resources whose creations ION does not announce (Violet Labs, known limitations)."""
        return tuple(r for r in self.mirrored if r.name == "purchase_order_lines")


SHOWN: Mapping[str, str] = {
    "labels": "id value",
    "requirements": "id title",
    "fileAttachments": "id filename contentType",
    "assets": "id filename contentType",
}
"""Kept relations of which a document shows more than the ids: what it shows."""

_NOT_MIRRORED = {
    "api_keys",
    "webhook_events",
    "webhook_receivers",
    "webhook_headers",
    "webhook_subscriptions",
}


@cache
def load_catalog() -> Catalog:
    """Read the contract.

    The first process after a change of it parses it and leaves what it read beside the compiled modules, as Python
    does with those; for all others it costs some milliseconds, and no parser of GraphQL.
    """
    folder = Path(__file__).parent
    path = folder / "__pycache__" / f"contract.{_fingerprint(folder)}.json"
    try:
        noted = json.decode(path.read_bytes(), type=ParsedContract)
    except (OSError, DecodeError):
        from ultraviolet.ion.contract.parse import parse_contract  # noqa: PLC0415  as above

        noted = parse_contract()
        _keep(path, noted)
    return Catalog(noted.resources, noted.types)


def _fingerprint(folder: Path) -> str:
    digest = sha256(Path(__file__).read_bytes())
    for path in (folder / "naming.py", *sorted((folder / "contract").glob("*.[gp]*"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _keep(path: Path, noted: ParsedContract) -> None:
    with suppress(OSError):  # an installation that may not be written is read anew each time
        path.parent.mkdir(exist_ok=True)
        for old in path.parent.glob("contract.*.json"):
            old.unlink(missing_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_bytes(json.encode(noted))
        new.chmod(
            0o644
        )  # the contract is no secret, and other users of this installation need it too
        new.replace(path)


def _depend(
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
        if relation.join.table in others:  # the rows between are objects themselves
            between = Dependent(resource.name, own_key=camel(relation.join.own_column))
            found[relation.join.table][between] = None
        for back in others[relation.resource].relations:
            if back.join and back.join.table == relation.join.table and back.kept:
                found[relation.resource][Dependent(resource.name, own_ids=back.field)] = None


def _name_index(resources: Mapping[str, Resource]) -> dict[str, Resource]:
    index: dict[str, Resource] = {}
    for r in resources.values():
        for name in (
            r.name,
            r.type,
            r.list or "",
            r.single or "",
            plural(r.type) if r.type else "",
        ):
            index.setdefault(plain(name), r)
    for r in resources.values():
        index.setdefault(plain(r.name.removesuffix("s")), r)
    index.pop("", None)
    return index
