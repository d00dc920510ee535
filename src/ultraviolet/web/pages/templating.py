"""Jinja2 environment, filters and common context of the pages."""

import functools
import hashlib
import json
import re
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode, urlsplit

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.di import NamedDependency
from litestar.enums import MediaType
from markupsafe import Markup, escape

from ultraviolet import clock as ultraviolet_clock
from ultraviolet.asgi import DESIGN
from ultraviolet.errors import InvalidError
from ultraviolet.ion.attributes import attribute_name
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.outgoing import is_loopback
from ultraviolet.text import counted
from ultraviolet.web.middleware.auth import AnyRequest, known_caller
from ultraviolet.web.pages.access.device_names import device_name
from ultraviolet.web.pages.audit_labels import (
    action_label,
    actor_label,
    detail_labels,
    subject_label,
)
from ultraviolet.web.pages.charts import seconds, share
from ultraviolet.web.pages.documentation.addresses import documentation_of
from ultraviolet.web.pages.integration_choice import viewed_integration
from ultraviolet.web.pages.navigation import current_address, visible_groups
from ultraviolet.web.pages.objects.cells import changes, item_names

TEMPLATES = Path(__file__).parent.parent / "templates"
STATIC = Path(__file__).parent.parent / "static"
THEME_COOKIE = "ultraviolet_theme"
THEMES = ("light", "dark")
SYSTEM_THEME = "system"
"""Follow the setting of the device."""
MAX_LINE_CHARACTERS = 100
"""Limit for JSON values on one line."""
_MAX_ADDRESS_CHARACTERS = 8000
_MAX_NUMBER_DIGITS = 18
_MAX_EXACT_AMOUNT = 1e9
"""Larger amounts are rounded to cents."""
_UNITS = ((86400, "day"), (3600, "hr"), (60, "min"), (1, "sec"))
_GOOD = {"active", "done", "fresh", "applied", "verified", "ok", "create", "connected", "equal"}
_WARN = {
    "stale",
    "partial",
    "paused",
    "running",
    "waiting",
    "unverified",
    "rotated",
    "skipped",
    "warning",
    "pending",
}
_BAD = {"failed", "not_understood", "revoked", "deleted", "delete", "error", "refused", "missing"}
_ORIGINS = {
    "event": "event",
    "replay": "replay of event",
    "heal": "targeted read",
    "poll": "poll",
    "fetch": "sync",
    "verify": "verification",
}
_LABELS = {
    "nothing_new": "no change",
    "cancelled": "canceled",
    "not_chosen": "not selected",
    "taken": "received",
    "put_off": "deferred",
}
_CAUSES = {
    "no_event_sent": "No event sent",
    "event_lost": "Event lost",
    "event_not_understood": "Unreadable event",
    "empty_to_populated": "First value set",
    "link": "Linked field",
    "partial_create": "Incomplete new object",
    "told_in_part": "Incomplete event",
    "computed": "Computed field",
    "late": "Late event",
    "permission": "Missing permission",
}
_MISMATCHES = {
    "integer": "not a whole number",
    "real": "not a number",
    "boolean": "not true or false",
    "time": "not a time",
    "text": "not text",
    "id": "not an ID",
}
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(?:Z|\+00:00| UTC)", re.ASCII
)
"""A time in UTC within a sentence."""
_CODE = re.compile(r"`([^`]+)`")


class Renderer:
    """Renders templates as pages."""

    def __init__(self, root: str = "") -> None:
        """`root` is what the paths of this hub begin with for its clients; templates write it before each path."""
        self.root = root
        self._environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        filters: dict[str, Any] = {
            "ago": ago,
            "asset": cache(functools.partial(asset, root)),
            "count": "{:,}".format,
            "counted": counted,
            "seconds": seconds,
            "share": share,
            "canonical": canonical,
            "hour": hour,
            "kind": kind_label,
            "item_names": item_names,
            "json_text": json_text,
            "plain_number": plain_number,
            "changes": changes,
            "label": label,
            "singular": singular,
            "plural": plural,
            "money": money,
            "day": day,
            "pretty": pretty,
            "clock": clock,
            "code": with_code,
            "moments": with_moments,
            "tone": tone_of,
            "words": words,
            "cause": cause_label,
            "mismatch": _MISMATCHES.get,
            "actor": actor_label,
            "audit_action": action_label,
            "audit_details": detail_labels,
            "audit_subject": subject_label,
            "device": device_name,
            "json": as_json,
            "with_cursor": with_cursor,
            "origin": functools.partial(origin, root),
        }
        self._environment.filters.update(filters)
        cast("dict[str, Any]", self._environment.globals)["root"] = root

    def page(
        self, request: AnyRequest, template: str, *, status: int = 200, **context: Any
    ) -> Response[str]:
        """Render a page for the caller; browsers must not cache it."""
        caller = known_caller(request)
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        given = {
            "caller": caller,
            "theme": theme_of(request),
            "navigation": visible_groups(caller),
            "help": documentation_of(request.url.path),
            "here": current_address(request.url.path),
            "searched": request.query_params.get("q", "") if request.url.path == "/search" else "",
            "csrf": caller.csrf or "" if caller else "",
            "path": request.url.path,
            "query": dict(request.query_params),
            "address": address,
            "form_page": address,
        }
        html = self._environment.get_template(template).render(given | context)
        headers = {"Cache-Control": "no-store"}
        cookies = viewed_integration(request) if status == 200 else []  # noqa: PLR2004
        return Response(
            html, status_code=status, media_type=MediaType.HTML, headers=headers, cookies=cookies
        )


get_renderer = cache(Renderer)
"""Returns the renderer of a root; its compiled templates are shared."""
GivenRenderer = NamedDependency[Renderer]
"""The renderer, as a page's route asks for it."""


def theme_of(request: AnyRequest) -> str:
    """Return the selected theme; empty for the system theme."""
    chosen = request.cookies.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


def asset(root: str, name: str) -> str:
    """Return the path of a static file, which changes with its content, so that browsers may keep it."""
    file = next(file for folder in (STATIC, DESIGN) if (file := folder / name).exists())
    return f"{root}/static/{name}?v={hashlib.sha256(file.read_bytes()).hexdigest()[:10]}"


def runner(api_url: str, query: str, variables: dict[str, Any]) -> str:
    """Return the address that opens the query runner with a text; nothing where its place is not known.

    Only a local ION's is: it stands at the root of its API. Where ION keeps its own is not documented.
    """
    if not is_loopback(urlsplit(api_url).hostname or ""):
        return ""
    address = f"{api_url}/?{urlencode({'query': query, 'variables': json.dumps(variables)})}"
    return address if len(address) < _MAX_ADDRESS_CHARACTERS else ""


def confirm(sent: Any, name: str, kept: str) -> None:
    """Raise InvalidError unless the form repeats the name."""
    if str(sent.get("confirm", "")).strip() != name:
        message = f"{kept} To confirm, type “{name}” exactly as shown."
        raise InvalidError(message, field="confirm")


def number_in(sent: Any, field: str) -> int:
    """Read a number that the form must have; raises InvalidError."""
    given = str(sent.get(field, ""))
    if not (given.isascii() and given.isdecimal() and len(given) <= _MAX_NUMBER_DIGITS):
        raise InvalidError(
            f"“{given[:_MAX_NUMBER_DIGITS]}” is not a valid choice. Select an entry of the list.",
            field=field,
        )
    return int(given)


def ago(moment: str) -> str:
    """Return a time relative to now."""
    seconds = (ultraviolet_clock.utc_now() - datetime.fromisoformat(moment)).total_seconds()
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            said = f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
            return f"in {said}" if seconds < 0 else f"{said} ago"
    return "just now"


def clock(moment: str) -> str:
    """Write a moment for reading, in UTC."""
    return (
        datetime.fromisoformat(moment).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        + " UTC"
    )


def hour(moment: str) -> str:
    """Write the time of day of a moment of today, else its day, in UTC."""
    known = datetime.fromisoformat(moment).astimezone(UTC)
    today = known.date() == ultraviolet_clock.utc_now().date()
    return known.strftime("%H:%M:%S" if today else "%Y-%m-%d")


def canonical(text: str) -> str | None:
    """Return a time of ION in canonical form; None if it is invalid."""
    try:
        return ultraviolet_clock.normalize_rfc3339(text)
    except ValueError:
        return None


def kind_label(origin_kind: str) -> str:
    """Name the kind of an origin."""
    return "webhook" if origin_kind == "event" else _ORIGINS.get(origin_kind, origin_kind)


def to_minute(moment: str | None) -> str:
    """Return a time of a filter to the minute; empty without one."""
    return f"{moment[:16].replace('T', ' ')} UTC" if moment else ""


def json_text(value: Any) -> str:
    """Return a value as compact JSON, for an attribute that a script reads."""
    return msgspec.json.encode(value).decode()


def plain_number(value: Any) -> str:
    """Return a number without floating point noise."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def singular(resource: str) -> str:
    """Return the name of one object of a resource."""
    return resource_label(resource).singular


def plural(resource: str) -> str:
    """Return the name of the objects of a resource."""
    return resource_label(resource).plural


def label(field: str) -> str:
    """Return the name of a field or custom attribute for people."""
    return attribute_name(field) or field_label(field).label


def money(value: Any) -> str:
    """Return an amount with two decimals, or more if it has them."""
    if not isinstance(value, int | float):
        return str(value)
    exact = f"{value:,.10g}" if abs(value) < _MAX_EXACT_AMOUNT else f"{value:,.2f}"
    decimals = len(exact.partition(".")[2])
    return f"{value:,.2f}" if decimals <= 2 else exact  # noqa: PLR2004


def day(moment: str) -> str:
    """Return the date of a time without its time of day, as ION wrote it."""
    return moment[:10]


def pretty(value: Any) -> str:
    """Write a value as JSON on many lines."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def tone_of(word: str) -> str:
    """Choose the color of a state."""
    plain = word.lower()
    for name, group in (("good", _GOOD), ("warn", _WARN), ("bad", _BAD)):
        if plain in group:
            return name
    return "plain"


def words(name: str) -> str:
    """Return the label of a code name."""
    return _LABELS.get(name, name.replace("_", " "))


def cause_label(cause: str) -> str:
    """Return the label of a cause of drift."""
    return _CAUSES.get(cause, cause.replace("_", " "))


def as_json(value: Any) -> str:
    """Write a value as JSON, short ones on one line."""
    line = json.dumps(value, ensure_ascii=False, default=str)
    if len(line) <= MAX_LINE_CHARACTERS:
        return line
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def with_code(text: str) -> Markup:
    """Write the parts of a message between backticks as code."""
    parts = [
        Markup("<code>{}</code>").format(part) if number % 2 else with_moments(part)
        for number, part in enumerate(_CODE.split(text))
    ]
    return Markup("").join(parts)


def with_moments(text: str) -> Markup:
    """Write the times in a sentence as elements, which scripts show in the zone of the viewer."""
    written = Markup()
    end = 0
    for found in _MOMENT.finditer(text):
        moment = canonical(f"{found[1]}T{found[2]}Z")
        if moment:
            shown = Markup('<time datetime="{}" data-clock class="nowrap">{}</time>')
            written += escape(text[end : found.start()]) + shown.format(moment, clock(moment))
            end = found.end()
    return written + escape(text[end:])


def with_cursor(query: dict[str, Any], cursor: str) -> str:
    """Write the query of the next page."""
    return urlencode({**query, "cursor": cursor})


def origin(root: str, given: Any) -> Markup:
    """Name the origin of a content, with a link if it has a page."""
    values: dict[str, Any] = msgspec.to_builtins(given)
    kind, ref = str(values.get("kind", "?")), values.get("ref")
    page = {"event": "events", "replay": "events", "fetch": "fetches"}.get(kind)
    name = _ORIGINS.get(kind, kind)
    if page and ref:
        return Markup('{} <a href="{}/{}/{}">{}</a>').format(name, root, page, ref, ref)
    return Markup("{}").format(name)
