"""The compatibility report: the state of every root field, and every assumption in the code."""

import ast
import re
from collections.abc import Iterator
from importlib.resources import files
from operator import attrgetter
from pathlib import Path

import msgspec

from ultraviolet.ion.catalog import Catalog
from ultraviolet.local_ion.graphql.query_roots import ROOT_FIELDS
from ultraviolet.local_ion.mutations.registry import SPECIAL_MUTATIONS, create_handlers
from ultraviolet.local_ion.rules.registry import HOOKS

NOT_SERVED = "not served"
_PACKAGES = ("local_ion", "ion")
_SENTENCE_END = re.compile(r"(?<=[.;])\s+")


class RootField(msgspec.Struct, frozen=True):
    """A query or mutation and its state in the local ION."""

    name: str
    kind: str
    state: str


class Assumption(msgspec.Struct, frozen=True):
    """A fact about ION without a source, and the module that relies on it."""

    where: str
    what: str


def root_fields(catalog: Catalog) -> list[RootField]:
    """Return every root field of the contract with its state, queries first."""
    query_type, mutation_type = catalog.schema.query_type, catalog.schema.mutation_type
    assert query_type is not None
    assert mutation_type is not None
    served = create_handlers(catalog)
    mutations = dict.fromkeys(served.keys() & SPECIAL_MUTATIONS, "served by its own code")
    queries: dict[str, str] = {}
    for resource in catalog.resources.values():
        if resource.list:
            queries[resource.list] = f"lists `{resource.type}`"
        if resource.single:
            queries[resource.single] = f"shows one `{resource.type}`"
        suffix = " by its rules" if resource.name in HOOKS else ""
        for name, verb in (
            (resource.create, "creates"),
            (resource.update, "changes"),
            (resource.delete, "deletes"),
        ):
            if name in served:
                mutations.setdefault(name, f"{verb} `{resource.type}`{suffix}")
    queries |= dict.fromkeys(ROOT_FIELDS, "served by its own code")
    return [
        *(RootField(n, "query", queries.get(n, NOT_SERVED)) for n in query_type.fields),
        *(RootField(n, "mutation", mutations.get(n, NOT_SERVED)) for n in mutation_type.fields),
    ]


def assumptions() -> list[Assumption]:
    """Return the assumptions that docstrings mark, with their modules."""
    root = Path(str(files("ultraviolet")))
    found = [
        Assumption(file.relative_to(root).with_suffix("").as_posix(), text)
        for package in _PACKAGES
        for file in (root / package).rglob("*.py")
        for text in _marked_sentences(file.read_text())
    ]
    return sorted(found, key=attrgetter("where", "what"))


def _marked_sentences(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = " ".join(str(node.value.value).split())
            for sentence in _SENTENCE_END.split(text):
                if "assumed" in sentence:
                    yield sentence.rstrip(".;")


def tables(catalog: Catalog) -> str:
    """Return the report as Markdown tables."""
    fields = root_fields(catalog)
    served = sum(each.state != NOT_SERVED for each in fields)
    lines = [
        f"{served} of {len(fields)} root fields are served.",
        "",
        "| root field | | state |",
        "| --- | --- | --- |",
        *(f"| `{each.name}` | {each.kind} | {each.state} |" for each in fields),
        "",
        "### Assumptions in the code",
        "",
        "Collected from the docstrings of the code that relies on them.",
        "",
        "| where | what |",
        "| --- | --- |",
    ]
    for each in assumptions():
        escaped = each.what.replace("|", "\\|")
        lines.append(f"| `{each.where}` | {escaped} |")
    return "\n".join(lines)
