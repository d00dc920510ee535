"""Report values that do not fit the type of their column: one finding per field."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, select

from ultraviolet.command_text import command
from ultraviolet.db import attributes
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import objects
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Finding
from ultraviolet.ion.attributes import PREFIX
from ultraviolet.ion.catalog import Catalog

KIND = "invalid_value"
MAX_COUNTED = 5_000
"""Objects of a resource that are counted; a finding then says “at least”."""
_MAX_SHOWN_CHARACTERS = 60
_TYPES = {
    "integer": "a whole number",
    "real": "a number",
    "boolean": "true or false",
    "time": "a time",
    "text": "text",
    "id": "an id",
}


def report(
    connection: Connection, catalog: Catalog, integration_id: int, resources: Collection[str]
) -> None:
    """Update the findings of some resources to the content of the mirror."""
    if not resources:
        return
    table = objects.c
    query = select(integrations.c.name).where(integrations.c.id == integration_id)
    integration = str(connection.execute(query).scalar_one())
    invalid = select(table.id, table.invalid_values).where(
        table.integration_id == integration_id,
        table.invalid_values.is_not(None),
        table.deleted_at.is_(None),
    )
    for name in sorted(resources):
        resource = catalog.resources[name]
        counts: Counter[str] = Counter()
        examples: dict[str, tuple[str, Any]] = {}
        query = invalid.where(table.resource == name).limit(MAX_COUNTED)
        rows = connection.execute(query).all()
        for row in rows:
            for field, value in row.invalid_values.items():
                counts[field] += 1
                if field not in examples or _id_order(row.id) < _id_order(examples[field][0]):
                    examples[field] = row.id, value
        more = "at least " if len(rows) == MAX_COUNTED else ""
        found: list[Finding] = []
        for field, (id_, value) in sorted(examples.items()):
            shown = repr(value)
            if len(shown) > _MAX_SHOWN_CHARACTERS:
                shown = f"{shown[:_MAX_SHOWN_CHARACTERS]}…"
            kind = resource.kinds.get(field, "")
            message = (
                f"{more}{counts[field]} of {resource.title.lower()} have a {field}"
                f" that is not {_TYPES.get(kind, 'a value of its type')}, such as {name} {id_} with {shown};"
                " filters, SQL views and exports treat it as null"
            )
            show = command("object show", name, id_, integration=integration)
            next_step = f"Correct the value in ION; `{show}` shows it as ION sent it"
            found.append(Finding(KIND, "warning", message, next_step, subject=f"{name}.{field}"))
        custom = attributes.names(connection, integration_id, name)
        fields = [*resource.kinds, *(f"{PREFIX}{attribute}" for attribute in custom)]
        subjects = [f"{name}.{field}" for field in fields]
        finding_store.save_findings(connection, integration_id, (KIND,), found, subjects=subjects)


def _id_order(id_: str) -> tuple[int, str]:
    return len(id_), id_
