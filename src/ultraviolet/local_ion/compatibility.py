"""How near the local ION is to ION, as data: the state of every root field, and every assumption the code rests on."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import msgspec

from ultraviolet.ion.catalog import Catalog, Resource
from ultraviolet.local_ion.graphql.query_roots import ROOTS
from ultraviolet.local_ion.mutations.crud_registry import handlers
from ultraviolet.local_ion.mutations.registry import SPECIAL
from ultraviolet.local_ion.rules.registry import BEHAVIOURS

_ROOMS = ("local_ion", "ion")
_SENTENCE_END = re.compile(r"(?<=[.;])\s+")


class RootField(msgspec.Struct, frozen=True):
    """A query or mutation and what the local ION does with it."""

    name: str
    kind: str
    state: str


class Assumption(msgspec.Struct, frozen=True):
    """Something no source tells of ION, and the part of the code that rests on it."""

    where: str
    what: str


def root_fields(catalog: Catalog) -> list[RootField]:
    """Give every root field of the contract with its state, queries first."""
    assert catalog.schema.query_type is not None
    assert catalog.schema.mutation_type is not None
    queries = _queries(catalog)
    mutations = _mutations(catalog)
    return [
        *(RootField(n, "query", queries.get(n, "not served")) for n in catalog.schema.query_type.fields),
        *(
            RootField(n, "mutation", mutations.get(n, "not served"))
            for n in catalog.schema.mutation_type.fields
        ),
    ]


def _queries(catalog: Catalog) -> dict[str, str]:
    states = dict.fromkeys(ROOTS, "served by code of its own")
    for resource in catalog.resources.values():
        if resource.list:
            states[resource.list] = f"lists `{resource.type}`"
        if resource.single:
            states[resource.single] = f"shows one `{resource.type}`"
    return states


def _mutations(catalog: Catalog) -> dict[str, str]:
    states = dict.fromkeys(SPECIAL, "served by code of its own")
    for resource in catalog.resources.values():
        ruled = " by its rules" if resource.name in BEHAVIOURS else ""
        for name, verb in _verbs(resource):
            states.setdefault(name, f"{verb} `{resource.type}`{ruled}")
    served = handlers(catalog)
    return {name: state for name, state in states.items() if name in served}


def _verbs(resource: Resource) -> Iterator[tuple[str, str]]:
    named = ((resource.create, "creates"), (resource.update, "changes"), (resource.delete, "deletes"))
    return ((name, verb) for name, verb in named if name is not None)


def assumptions() -> list[Assumption]:
    """Give what the code marks as an assumption, where it says so."""
    found = [each for room in _ROOMS for each in _of_room(room)]
    return sorted(found, key=lambda each: (each.where, each.what))


def _of_room(room: str) -> Iterator[Assumption]:
    root = Path(str(files("ultraviolet")))
    for file in (root / room).rglob("*.py"):
        where = file.relative_to(root).with_suffix("").as_posix()
        yield from (Assumption(where, text) for text in _marked(file.read_text()))


def _marked(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = " ".join(str(node.value.value).split())
            yield from (part.rstrip(".;") for part in _SENTENCE_END.split(text) if "assumed" in part)


def tables(catalog: Catalog) -> str:
    """Write both as Markdown."""
    fields = root_fields(catalog)
    served = sum(each.state != "not served" for each in fields)
    return "\n".join(
        (
            f"{served} of {len(fields)} root fields are served.",
            "",
            "| root field | | state |",
            "| --- | --- | --- |",
            *(f"| `{each.name}` | {each.kind} | {each.state} |" for each in fields),
            "",
            "### What the code assumes",
            "",
            "Collected from the code's own words; each stands where it is used.",
            "",
            "| where | what |",
            "| --- | --- |",
            *(f"| `{each.where}` | {each.what.replace('|', chr(92) + '|')} |" for each in assumptions()),
        )
    )
