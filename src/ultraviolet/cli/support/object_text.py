"""Objects as text for people: fields by their labels, and values as lists of pages show them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ultraviolet.cli.support import output
from ultraviolet.cli.support.api import Json
from ultraviolet.text import money_text, number_text, shorten

if TYPE_CHECKING:
    from ultraviolet.web.queries.columns import Column

_MAX_CHANGES = 3
_MAX_VALUE_LENGTH = 20


def field_label(name: str) -> str:
    """Return the label of a field by ION's name; of a custom attribute, its name."""
    from ultraviolet.ion import labels
    from ultraviolet.ion.attributes import attribute_name

    return attribute_name(name) or labels.field_label(name).label


def column_value(column: "Column", value: Any) -> Any:
    """Return the text of an amount, a number or a choice; any other value as it is."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return money_text(value) if column.format == "money" else number_text(value, column.name)
    if column.kind == "choice" and isinstance(value, str):
        from ultraviolet.ion.labels import choice_label

        return choice_label(value)
    return value


def changed_fields(names: Iterable[str]) -> str:
    """Return the labels of changed fields, without those that ION sets itself."""
    from ultraviolet.mirror.object_state import SET_BY_ION

    return _shortened([field_label(name) for name in names if name not in SET_BY_ION]) or "–"


class ObjectText:
    """Texts of the objects of one resource."""

    def __init__(self, resource: str) -> None:
        """Use the fields of this resource."""
        from ultraviolet.ion.catalog import load_catalog
        from ultraviolet.web.queries.columns import columns

        self._known = columns(load_catalog().resources[resource])

    def fields(self, document: Mapping[str, Any], links: Mapping[str, Json]) -> Json:
        """Return label → value of all fields except the id; those that ION sets itself last.

        `links` are the linked objects by the name of the link, whose names precede their ids.
        """
        from ultraviolet.ion.attributes import FIELD, PREFIX, rows
        from ultraviolet.mirror.object_state import SET_BY_ION

        values = {name: value for name, value in document.items() if name != "id"}
        attributes = {f"{PREFIX}{name}": row.get("value") for name, row in rows(document)}
        if attributes:
            del values[FIELD]
        by_ion = {name: values.pop(name) for name in document if name in SET_BY_ION & set(values)}
        texts: Json = {}
        for name, value in {**values, **attributes, **by_ion}.items():
            label = field_label(name)
            link = self._known[name].link if name in self._known else None
            title = links[link.field]["title"] if link and link.field in links else None
            texts[f"{label} ({name})" if label in texts else label] = (
                f"{title} ({value})" if title else self._value(name, value)
            )
        return texts

    def changes(self, changes: Iterable[Json]) -> Iterator[Json]:
        """Return a row for each field that changed visibly, with its label and both values."""
        from ultraviolet.mirror.object_state import SET_BY_ION

        for change in changes:
            name = change["name"]
            values = {key: self._value(name, change[key]) for key in ("old", "new")}
            if name not in SET_BY_ION and values["old"] != values["new"]:
                texts = {key: output.as_text(value, name=name) for key, value in values.items()}
                yield {"name": field_label(name), **texts}

    def version(self, version: Json) -> Json:
        """Return a version with its origin and its visible changes as text."""
        is_update = version["change"] == "update"
        changes = list(self.changes(version["changes"])) if is_update else []
        nothing = "no visible change" if is_update and version["changes"] else version["change"]
        texts = [
            f"{change['name']}: {shorten(change['old'], _MAX_VALUE_LENGTH)}"
            f" → {shorten(change['new'], _MAX_VALUE_LENGTH)}"
            for change in changes
        ]
        origin = version["origin"]
        return {
            **version,
            "origin": " ".join(str(part) for part in (origin["kind"], origin.get("ref")) if part),
            "changes": _shortened(texts) or nothing,
        }

    def _value(self, name: str, value: Any) -> Any:
        column = self._known.get(name)
        return column_value(column, value) if column else value


def _shortened(texts: Sequence[str]) -> str:
    """Return the first texts, and the number of the others."""
    more = len(texts) - _MAX_CHANGES
    return ", ".join([*texts[:_MAX_CHANGES], *([f"+{more}"] if more > 0 else [])])
