"""Text formats of values: times, numbers, JSON and messages."""

import json
import re
from datetime import datetime
from typing import Any, cast

import msgspec
from markupsafe import Markup, escape

from ultraviolet import clock as ultraviolet_clock
from ultraviolet.ion.labels import UNITS, field_label
from ultraviolet.text import money_text, number_text

MAX_LINE_CHARACTERS = 100
"""Limit for JSON values on one line."""
_UNITS = ((86400, "day"), (3600, "hr"), (60, "min"), (1, "sec"))
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?:Z|\+00:00| UTC)", re.ASCII
)
"""A time in UTC within a sentence."""
_COMMAND = re.compile(r"(?:^|`)ultraviolet ")
_CODE = re.compile(r"`([^`]+)`")


def ago(moment: str) -> str:
    """Return a time relative to now."""
    seconds = (ultraviolet_clock.utc_now() - datetime.fromisoformat(moment)).total_seconds()
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            said = f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
            return f"in {said}" if seconds < 0 else f"{said} ago"
    return "just now"


def canonical(text: str) -> str | None:
    """Return a time of ION in canonical form; None if it is invalid."""
    try:
        return ultraviolet_clock.normalize_rfc3339(text)
    except ValueError:
        return None


def is_midnight(text: str) -> bool:
    """Return whether a time of ION is midnight in UTC: a date, which is another day elsewhere."""
    return (canonical(text) or "")[10:26] == "T00:00:00.000000"


def day(moment: str) -> str:
    """Return the date of a time without its time of day, as ION wrote it."""
    return moment[:10]


def json_text(value: Any) -> str:
    """Return a value as compact JSON, for an attribute that a script reads."""
    return msgspec.json.encode(value).decode()


def pretty(value: Any) -> str:
    """Write a value as JSON on many lines."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def as_json(value: Any) -> str:
    """Write a value as JSON, short ones on one line."""
    line = json.dumps(value, ensure_ascii=False, default=str)
    if len(line) <= MAX_LINE_CHARACTERS:
        return line
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


class _Node(msgspec.Struct, frozen=True):
    """A node of rich text: a leaf with a text, or an element with children."""

    text: str | None = None
    children: list["_Node"] | None = None

    @property
    def content(self) -> str | None:
        """The text of the node and its children; None if it is not a node of rich text."""
        if self.text is not None or self.children is None:
            return self.text
        parts = [child.content for child in self.children]
        return None if None in parts else "".join(part or "" for part in parts)


def rich_text(value: Any) -> str | None:
    """Return the text of ION's rich text, a paragraph per line; None for another value."""
    try:
        nodes = msgspec.convert(value, list[_Node])
    except msgspec.ValidationError:
        return None
    paragraphs = [node.content for node in nodes]
    return None if None in paragraphs else "\n".join(part or "" for part in paragraphs)


def matched_text(value: Any, field: str, currency: str) -> str:
    """Return the value of a search match as lists show it."""
    shown_as = field_label(field).format
    if shown_as == "money":
        return f"{money_text(value)} {currency}".rstrip()
    if isinstance(value, str | int | float):
        text, unit = number_text(value, field), UNITS.get(shown_as)
        return f"{text} {unit}" if unit else text
    items = cast("list[Any]", value) if isinstance(value, list) else [value]
    if all(isinstance(item, str | int | float) for item in items):
        return ", ".join(map(str, items))
    return rich_text(items) or json.dumps(value, ensure_ascii=False)


def with_code(text: str) -> Markup:
    """Write the parts of a message between backticks as code."""
    parts = [
        Markup("<code>{}</code>").format(part) if number % 2 else with_moments(part)
        for number, part in enumerate(_CODE.split(text))
    ]
    return Markup("").join(parts)


def without_commands(step: str) -> str:
    """Return a next step without its commands, for a page that has a button or link for it."""
    clauses = (part for part in step.split("; ") if not _COMMAND.search(part))
    text = "; ".join(clauses)
    return text[:1].upper() + text[1:]


def with_moments(text: str) -> Markup:
    """Write the times in a sentence as elements, which scripts show in the zone of the viewer."""
    written = Markup()
    end = 0
    for found in _MOMENT.finditer(text):
        moment = canonical(f"{found[1]}T{found[2]}Z")
        if moment:
            shown = Markup('<time datetime="{}" data-clock class="nowrap">{}</time>')
            written += escape(text[end : found.start()]) + shown.format(
                moment, ultraviolet_clock.readable(moment)
            )
            end = found.end()
    return written + escape(text[end:])
