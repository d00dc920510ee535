"""Masks the documents of a mirror: people, prices and texts; ids, dates and states stay.

It masks every text except the listed ones, so that a new field of the contract is masked too.
"""

import json
import math
import mimetypes
import re
from collections.abc import Mapping
from typing import Any, cast

from ultraviolet.ion.catalog import SHOWN, Catalog
from ultraviolet.ion.model import Field, Resource
from ultraviolet.local_ion.sandbox.rows import RELATION_FIELDS
from ultraviolet.local_ion.sandbox.text_masking import TextMask

Document = dict[str, Any]

KEPT_RESOURCES = frozenset({"permissions", "permission_groups", "validation_functions"})
"""Resources whose texts are ION's own."""
KEPT_FIELDS = frozenset({"id", "_etag", "Etag", "LastSessionId"})
KEPT_VALUES: Mapping[str, re.Pattern[str]] = {
    "currencies.type": re.compile(r"[A-Z]{3}"),
    "units_of_measurements.type": re.compile(r"each|pcs|k?g|lb|oz|[cm]?m|ft|in|m?L"),
    "roles.name": re.compile(r"Admin"),
    "parts.revision": re.compile(r"[A-Z]{0,2}|[0-9]{0,3}|-"),
}
"""Texts that say nothing about a company, by resource and field."""
_PRICE = re.compile(r"cost|price|amount", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?")
_ID_NAME = re.compile(r"id|ids|.*(?:Id|Ids|_id|_ids)")
_NODE_TYPES = frozenset(
    {
        "block", "block-quote", "bulleted-list", "check-list-item", "code", "document", "heading-one",
        "heading-three", "heading-two", "image", "inline", "leaf", "line", "link", "list-item", "mark",
        "numbered-list", "paragraph", "span", "table", "table-cell", "table-row", "text", "value",
        "a", "blockquote", "code_block", "code_line", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img",
        "li", "lic", "ol", "p", "td", "th", "tr", "ul",
    }
)  # fmt: skip
"""Types of nodes in rich text: `p` is seen in scripts, the others are assumed; any other is masked."""
_NODE_NAMES = frozenset(
    {
        "align", "bold", "checked", "children", "code", "columns", "content", "data", "document",
        "href", "italic", "key", "leaves", "level", "marks", "nodes", "object", "rows", "src",
        "strikethrough", "text", "title", "type", "underline", "url", "value",
    }
)  # fmt: skip
"""Names of members in rich text."""
_TYPE_NAMES = frozenset({"type", "object"})
_MIME_TYPES = mimetypes.MimeTypes(filenames=())


class DocumentMask:
    """Masks documents with one secret key."""

    def __init__(self, catalog: Catalog, mask: TextMask) -> None:
        self._mask = mask
        self._catalog = catalog
        fields = [f for resource in catalog.resources.values() for f in resource.fields]
        self._names = _NODE_NAMES | {f.name for f in fields} | {f.column for f in fields}
        self._states = {
            (f.column, value.lower())
            for f in fields
            if f.column in {"type", "status"} and f.enum
            for value in catalog.enum_values(f)
        }

    def document(self, resource: Resource, document: Document) -> Document:
        """Return a document with masked values; computed fields are omitted."""
        relations = RELATION_FIELDS.get(resource.name, ())
        masked = {
            field.name: self._field(resource, field, document[field.name])
            for field in resource.fields
            if (field.stored or field.name in relations) and field.name in document
        }
        for relation in resource.relations:
            related = document.get(relation.field)
            if relation.kept and related and relation.field in SHOWN:
                masked[relation.field] = [
                    {
                        name: value
                        if name == "id" or value is None
                        else self._text("", name, value)
                        for name, value in row.items()
                    }
                    for row in related
                ]
            elif relation.kept and related is not None:
                masked[relation.field] = related
        attributes: Mapping[str, Document] = document.get("attributes") or {}
        owned = self._catalog.resources.get(resource.attributes or "")
        type_field = owned.field("type") if owned else None
        masked["attributes"] = {}
        for key, row in attributes.items():
            name, kind = self._mask.text(key), row.get("type")
            if type_field is None or not self._catalog.is_enum_value(type_field, str(kind)):
                kind = self._json(kind)
            value = self._json(row.get("value"))
            masked["attributes"][name] = {"key": name, "type": kind, "value": value}
        if resource.name == "rules":  # masked code would fail
            masked |= {"code": "pass", "context": None}
        return masked

    def _field(self, resource: Resource, field: Field, value: Any) -> Any:
        if isinstance(value, list):
            return [self._field(resource, field, each) for each in cast("list[Any]", value)]
        is_known = field.enum and self._catalog.is_enum_value(field, str(value))
        if value is None or is_known or resource.name in KEPT_RESOURCES:
            return value
        if field.type in {"Int", "Float", "Decimal"}:
            return self._number(f"{resource.name}.{field.name}", value)
        if field.type in {"ScalarValue", "SlateContent", "JSONString"}:
            return self._json(value)
        is_time = field.type == "DateTime" and _TIME.fullmatch(str(value))
        if is_time or field.type in {"ID", "Boolean"} or field.name in KEPT_FIELDS:
            return value
        return self._text(resource.name, field.name, value)

    def _number(self, name: str, value: Any) -> Any:
        """Mask prices and coordinates."""
        if name in _COORDINATES:
            return self._mask.degrees(float(value))
        if isinstance(value, str) and not _is_number(value):
            return self._mask.text(value)
        if name not in _PRICES and not _PRICE.search(name.partition(".")[2]):
            return value
        if isinstance(value, str):  # a decimal may be a text
            return str(self._mask.number(float(value)))
        return self._mask.number(value)

    def _text(self, resource: str, name: str, value: Any) -> Any:
        if not isinstance(value, str):
            return self._json(value)
        kept = KEPT_VALUES.get(f"{resource}.{name}")
        if kept and kept.fullmatch(value):
            return value
        if name == "contentType" and value in _MIME_TYPES.types_map_inv[True]:
            return value
        if name == "filename":
            stem, dot, extension = value.rpartition(".")
            if dot and f".{extension.lower()}" in _MIME_TYPES.types_map[True]:
                return f"{self._mask.text(stem)}.{extension}"
        if name == "expression":  # a regular expression must stay valid
            return re.escape(self._mask.text(value))
        return self._json(value)

    def _json(self, value: Any, name: str = "") -> Any:
        """Mask the texts and numbers of a JSON value, except ids, times and types of nodes."""
        if isinstance(value, dict):
            members = cast("dict[str, Any]", value)
            return {
                key if key in self._names else self._mask.text(key): self._json(each, key)
                for key, each in members.items()
            }
        if isinstance(value, list):
            return [self._json(each, name) for each in cast("list[Any]", value)]
        if isinstance(value, str):
            return self._json_text(value, name)
        if isinstance(value, bool) or value is None or self._is_id(name):
            return value
        return self._mask.number(value)

    def _is_id(self, name: str) -> bool:
        """Return whether values of this name are ids of ION, not of people or other systems."""
        return name in self._names and _ID_NAME.fullmatch(name) is not None

    def _json_text(self, value: str, name: str) -> str:
        if _TIME.fullmatch(value):
            return value
        if (name in _TYPE_NAMES and value in _NODE_TYPES) or (name, value) in self._states:
            return value
        if self._is_id(name) and value.isdecimal():
            return value
        if value[:1] in {"{", "["}:
            try:
                return json.dumps(self._json(json.loads(value), name), ensure_ascii=False)
            except (ValueError, RecursionError):
                return self._mask.text(value)
        return self._mask.text(value)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


_PRICES = frozenset({"purchase_order_fees.value"})
"""Prices whose name does not say so."""
_COORDINATES = frozenset({"locations.latitude", "locations.longitude"})
