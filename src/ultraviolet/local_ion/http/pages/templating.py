"""Renders the templates of the pages, with security headers and the cookie of the pages."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from litestar import MediaType, Response

from ultraviolet.ion.labels import resource_label
from ultraviolet.local_ion.http.state import AppState

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent.parent / "templates"
PROMINENT = ("purchase_orders", "parts", "runs", "parts_inventory", "issues", "suppliers")
"""The resources in the navigation."""
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
"""Other sites must not embed a page on which one click changes data."""
RUNNER_HEADERS = HEADERS | {"content-security-policy": "frame-ancestors 'none'; base-uri 'none'"}
"""The query runner creates styles and workers itself."""


class Renderer:
    """Renders templates to responses."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._navigation = [(f"/resources/{name}", _plural(name)) for name in PROMINENT]

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.policies["json.dumps_kwargs"] = {}  # in the order of the members
        filters: dict[str, Any] = {
            "count": "{:,}".format,
            "plural": _plural,
            "singular": _singular,
            "query": _query,
        }
        environment.filters.update(filters)
        return environment

    def page(
        self,
        template: str,
        here: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] = HEADERS,
        **values: Any,
    ) -> Response[str]:
        """Return a page; `here` is its address in the navigation."""
        values |= {"here": here, "navigation": self._navigation}
        text = self._environment.get_template(template).render(values)
        return Response(
            text,
            status_code=status,
            media_type=MediaType.HTML,
            headers={**headers},
            cookies=[self._state.cookie],
        )


def _singular(name: str) -> str:
    return resource_label(name).singular


def _plural(name: str) -> str:
    return resource_label(name).plural


def _query(values: Mapping[str, Any]) -> str:
    """Return the query of an address, without empty values."""
    given = {name: value for name, value in values.items() if value not in ("", None)}
    return f"?{urlencode(given)}" if given else ""
