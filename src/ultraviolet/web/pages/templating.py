"""Jinja2 environment, filters and common context of the pages."""

import functools
from functools import cache
from pathlib import Path
from typing import Any, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response
from litestar.di import NamedDependency
from litestar.enums import MediaType

from ultraviolet.clock import readable
from ultraviolet.ion.labels import UNITS, choice_label
from ultraviolet.text import counted, money_text, number_text
from ultraviolet.web.middleware.auth import AnyRequest, known_caller
from ultraviolet.web.pages.access.device_names import device_name
from ultraviolet.web.pages.charts import seconds, share
from ultraviolet.web.pages.documentation.addresses import documentation_of
from ultraviolet.web.pages.formats import addresses, names, values
from ultraviolet.web.pages.formats.audit import (
    action_label,
    actor_label,
    detail_labels,
    subject_label,
    subject_path,
)
from ultraviolet.web.pages.integration_choice import viewed_integration
from ultraviolet.web.pages.navigation import current_address, visible_groups
from ultraviolet.web.pages.objects.cells import changes, is_plain_list, item_names
from ultraviolet.web.pages.theme import theme_of

TEMPLATES = Path(__file__).parent.parent / "templates"


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
            "ago": values.ago,
            "asset": cache(functools.partial(addresses.asset, root)),
            "count": "{:,}".format,
            "counted": counted,
            "seconds": seconds,
            "share": share,
            "canonical": values.canonical,
            "kind": names.kind_label,
            "item_names": item_names,
            "is_plain_list": is_plain_list,
            "json_text": values.json_text,
            "rich_text": values.rich_text,
            "matched_text": values.matched_text,
            "number": number_text,
            "changes": changes,
            "label": names.label,
            "choice_label": choice_label,
            "singular": names.singular,
            "plural": names.plural,
            "is_midnight": values.is_midnight,
            "money": money_text,
            "day": values.day,
            "pretty": values.pretty,
            "clock": readable,
            "code": values.with_code,
            "without_commands": values.without_commands,
            "moments": values.with_moments,
            "tone": names.tone_of,
            "unit": UNITS.get,
            "words": names.words,
            "cause": names.cause_label,
            "mismatch": names.MISMATCHES.get,
            "actor": actor_label,
            "audit_action": action_label,
            "audit_details": detail_labels,
            "audit_subject": subject_label,
            "audit_path": subject_path,
            "device": device_name,
            "json": values.as_json,
            "with_cursor": addresses.with_cursor,
            "origin": functools.partial(names.origin, root),
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
