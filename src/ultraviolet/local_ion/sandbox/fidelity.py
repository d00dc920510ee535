"""Compares the computed fields that ION reported with the local ION's results for the same rows.

The report contains no values of objects: it names fields, states, and kinds of values such as
"number, higher".
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from math import isclose
from pathlib import Path
from typing import Any, cast

import msgspec

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Field, Resource
from ultraviolet.ion.queries import is_read, normalize_document
from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.computed_fields import EXPRESSIONS
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.sandbox import loader
from ultraviolet.local_ion.sandbox.loader import Document, Loaded, Mirror
from ultraviolet.local_ion.sandbox.missing_rows import MissingRows
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID

PAGE_OBJECTS = 500
MAX_CASES = 5
"""Number of differences of a field in the report, the most common first."""
RELATIVE_TOLERANCE = 1e-9
_VALUES = frozenset({"true", "false"})
"""Texts that are states, not data of a company."""


class DifferenceCase(msgspec.Struct, frozen=True):
    """A kind of difference with its number of objects and an anonymous example."""

    ion: str
    local_ion: str
    objects: int
    example: dict[str, str]
    """States and kinds of the values of one such object, and the numbers of related objects."""


class FieldComparison(msgspec.Struct, frozen=True):
    """The comparison of one computed field."""

    resource: str
    field: str
    rule: bool
    """Whether the local ION has a rule; without one, its value is null."""
    objects: int
    """Number of compared objects."""
    omitted: int
    """Number of objects that are not compared, because mirrors lack rows that they need."""
    different: int
    cases: list[DifferenceCase]


class SchemaDifference(msgspec.Struct, frozen=True):
    """A type whose members differ between ION's schema and the contract."""

    type: str
    only_in_ion: list[str]
    only_in_contract: list[str]


class FidelityReport(msgspec.Struct, frozen=True):
    """The differences between an ION and the local ION."""

    objects: int
    """Number of compared objects."""
    skipped: int
    """Number of objects that the mirror has not confirmed, which are not compared."""
    fields: list[FieldComparison]
    compared_types: int
    """Number of compared types; 0 if the hub has not read ION's schema."""
    schema: list[SchemaDifference]
    not_mirrored: list[str]
    """Tables that are empty in the comparison, because mirrors do not have their rows."""


class _RecordingMirror:
    """A mirror whose confirmed computed fields are recorded in a file while it is read."""

    def __init__(self, mirror: Mirror, file: Path) -> None:
        self._mirror = mirror
        self.skipped = 0
        self._database = sqlite3.connect(file, isolation_level=None)
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute(
            "CREATE TABLE reported"
            " (number INTEGER PRIMARY KEY, resource TEXT, id TEXT, fields TEXT)"
        )
        self._database.execute("CREATE INDEX reported_of ON reported (resource, number)")

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers of objects by resource."""
        return self._mirror.counts

    def objects(self, resource: Resource) -> Iterator[tuple[Document, bool]]:
        """Return the objects of a resource, and record their computed fields."""
        names = [field.name for field in computed_fields(resource)]
        statement = "INSERT INTO reported (resource, id, fields) VALUES (?, ?, ?)"
        self._database.execute("BEGIN")
        for document, fresh in self._mirror.objects(resource):
            self.skipped += not fresh
            if fresh and names:
                fields = {name: document[name] for name in names if name in document}
                row = (resource.name, str(document["id"]), json.dumps(fields))
                self._database.execute(statement, row)
            yield document, fresh
        self._database.execute("COMMIT")

    def pages(self, resource: Resource) -> Iterator[dict[str, dict[str, Any]]]:
        """Return the recorded fields by object, a page at a time."""
        query = (
            "SELECT number, id, fields FROM reported WHERE resource = ? AND number > ?"
            " ORDER BY number LIMIT ?"
        )
        last = 0
        while True:
            rows = self._database.execute(query, (resource.name, last, PAGE_OBJECTS)).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield {id_: json.loads(fields) for _, id_, fields in rows}

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def compare(
    folder: Path, mirror: Mirror, ion_types: Mapping[str, Sequence[str]] | None
) -> FidelityReport:
    """Load a mirror into a local ION in this folder, and compare the computed fields.

    `ion_types` are the members of the types of ION's schema, None if they are unknown.
    """
    with closing(_RecordingMirror(mirror, folder / "reported.db")) as recording:
        loaded = loader.load(folder, recording, None)
        ion = LocalIon(folder)
        try:
            return _compare(ion, recording, loaded, ion_types)
        finally:
            ion.close()


def _compare(
    ion: LocalIon,
    recording: _RecordingMirror,
    loaded: Loaded,
    ion_types: Mapping[str, Sequence[str]] | None,
) -> FidelityReport:
    objects = 0
    fields: list[FieldComparison] = []
    for resource in ion.catalog.mirrorable:
        comparison = _ResourceComparison(
            ion.catalog, resource, MissingRows(resource, loaded.not_mirrored)
        )
        for reported in recording.pages(resource):
            objects += len(reported)
            comparison.add(reported, _read(ion, resource, reported))
        fields.extend(comparison.result())
    types = ion_types or {}
    return FidelityReport(
        objects,
        recording.skipped,
        sorted(fields, key=lambda one: (-one.different, one.resource, one.field)),
        len(types),
        _compare_schema(ion.catalog, types),
        loaded.not_mirrored,
    )


def computed_fields(resource: Resource) -> list[Field]:
    """Return the fields of a resource that ION computes and a mirror reads."""
    return [f for f in resource.fields if not f.stored and is_read(f.name)]


def _read(
    ion: LocalIon, resource: Resource, reported: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return objects of the local ION by id, with the fields that an example shows."""
    names = " ".join(f.name for f in resource.fields if f.name not in {"id", "prettyStr"})
    query = (
        f"query ($filters: {resource.filters}) {{ page: {resource.list}(filters: $filters)"
        f" {{ edges {{ node {{ id {names} }} }} }} }}"
    )
    variables = {"filters": {"id": {"in": list(reported)}}}
    answer = ion.execute(query, variables, None, Viewer(ADMINISTRATOR_ID))
    nodes = [edge["node"] for edge in answer["data"]["page"]["edges"]]
    return {str(node["id"]): normalize_document(resource, node) for node in nodes}


class _ResourceComparison:
    """Collects the differences of one resource."""

    def __init__(self, catalog: Catalog, resource: Resource, missing_rows: MissingRows) -> None:
        self._catalog = catalog
        self._resource = resource
        self._missing_rows = missing_rows
        self._objects: Counter[str] = Counter()
        self._omitted: Counter[str] = Counter()
        self._cases: dict[str, Counter[tuple[str, str]]] = {}
        self._examples: dict[tuple[str, str, str], dict[str, str]] = {}

    def add(
        self, reported: Mapping[str, Mapping[str, Any]], computed: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Compare objects by id; an object that the local ION rejected is not compared."""
        for id_, document in reported.items():
            if id_ not in computed:
                continue
            omitted = self._missing_rows.affected_fields(document)
            self._omitted.update(omitted)
            for name, value in document.items():
                if name in omitted:
                    continue
                self._objects[name] += 1
                other = computed[id_].get(name)
                if not _is_equal(value, other):
                    self._add_case(name, value, other, computed[id_])

    def _add_case(self, name: str, value: Any, other: Any, document: Mapping[str, Any]) -> None:
        field = self._resource.field(name)
        assert field is not None
        kinds = kind_of(self._catalog, field, value), kind_of(self._catalog, field, other)
        if _is_number(value) and _is_number(other):
            relation = "higher" if value > other else "lower"
            kinds = f"{kinds[0]}, {relation}", kinds[1]
        cases = self._cases.setdefault(name, Counter())
        cases[kinds] += 1
        if cases[kinds] == 1 and len(cases) <= 2 * MAX_CASES:
            self._examples[name, *kinds] = {
                shown.name: kind_of(self._catalog, shown, document.get(shown.name))
                for shown in self._resource.fields
                if document.get(shown.name) not in (None, 0, "", [])
                and shown.name not in {"id", name, "prettyStr"}
            }

    def result(self) -> Iterator[FieldComparison]:
        """Return the comparison of each field."""
        rules = EXPRESSIONS.get(self._resource.name, {})
        for name in self._objects.keys() | self._omitted.keys():
            cases = self._cases.get(name, Counter())
            yield FieldComparison(
                self._resource.name,
                name,
                name in rules,
                self._objects[name],
                self._omitted[name],
                cases.total(),
                [
                    DifferenceCase(*kinds, count, self._examples.get((name, *kinds), {}))
                    for kinds, count in cases.most_common(MAX_CASES)
                ],
            )


def kind_of(catalog: Catalog, field: Field, value: Any) -> str:  # noqa: PLR0911  one return per kind
    """Return a description of a value that contains nothing of a company's data."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "list" if value else "empty list"
    if _is_number(value):
        is_count = field.name.startswith("_") and field.name.endswith("Count")
        return str(value) if is_count or not value else "number"
    if not isinstance(value, str):
        return "object"
    if field.enum and value:
        return value if catalog.is_enum_value(field, value) else "unknown value"
    if value in _VALUES or not value:
        return value or "empty text"
    return "time" if field.type == "DateTime" else "text"


def _is_equal(value: Any, other: Any) -> bool:
    if _is_number(value) and _is_number(other):
        return isclose(value, other, rel_tol=RELATIVE_TOLERANCE)
    if isinstance(value, list) and isinstance(other, list):
        sides = cast("list[Any]", value), cast("list[Any]", other)
        return sorted(map(json.dumps, sides[0])) == sorted(map(json.dumps, sides[1]))
    return value == other


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare_schema(
    catalog: Catalog, ion_types: Mapping[str, Sequence[str]]
) -> list[SchemaDifference]:
    known = catalog.types()
    differences = [
        SchemaDifference(
            name,
            sorted(set(members) - known.get(name, frozenset())),
            sorted(known.get(name, frozenset()) - set(members)),
        )
        for name, members in sorted(ion_types.items())
    ]
    return [each for each in differences if each.only_in_ion or each.only_in_contract]
