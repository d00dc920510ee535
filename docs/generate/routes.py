"""Generate the page of routes: deliveries, pages, health checks and API."""

from collections.abc import Iterator

from docs.generate.commands import type_of
from docs.generate.document import Json, openapi, resolved
from docs.generate.markdown import code, line, sentence, table
from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from ultraviolet.web import health
from ultraviolet.web.live import live
from ultraviolet.web.middleware.auth import require_role
from ultraviolet.web.pages import router as pages_router
from ultraviolet.web.pages.templating import Renderer

_INTRO = """\
# Routes

This page lists every route of the hub with the required role. Each role includes the previous ones: viewer, operator,
admin.

## Deliveries

| route | role | effect |
| --- | --- | --- |
| `POST /hooks/{token}` | the secret token | accepts a delivery of ION and responds when it is on disk |

## Pages

[Pages](../pages.md) describes the content of each page. Routes other than `GET` are forms of the pages.
"""
_API = """\
## API

All operations are under `/api/v1` and need the header `Authorization: Bearer KEY`. The OpenAPI document at
`/api/openapi.json` contains the same. Error responses are [problems](errors.md).
"""
_SCHEMAS = """\
## Schemas

These are the objects in requests and responses. In a list, `items` contains one page and `next` the `cursor` of the next
page, null at the end.
"""


def page() -> str:
    """Return the page."""
    heads = ("route", "role", "effect")
    machines = Router("/", route_handlers=[*health.HANDLERS, live])
    return "\n".join(
        [
            _INTRO,
            table(heads, _rows(all_pages())),
            "\n## Health checks and live updates\n",
            table(heads, _rows(machines)),
            f"\n{_API}",
            "\n\n".join(_operations()),
            f"\n{_SCHEMAS}",
            "\n\n".join(_schemas()),
        ]
    )


def all_pages() -> Router:
    """Return a router with all pages, as in the application."""
    return pages_router.router(Renderer())


def routes(router: Router) -> list[tuple[str, str, str, str]]:
    """Return path, method, role and description of every route, ordered by path."""
    return sorted(
        (route.path_format, method, _role(handler), sentence(handler.fn.__doc__))
        for route in router.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if method not in ("OPTIONS", "HEAD")
    )


def _rows(router: Router) -> list[tuple[str, str, str]]:
    return [(code(f"{method} {path}"), role, about) for path, method, role, about in routes(router)]


def _role(handler: HTTPRouteHandler) -> str:
    roles = [guard.role for guard in handler.guards or () if isinstance(guard, require_role)]
    return roles[0] if roles else "none"


def _operations() -> Iterator[str]:
    by_tag: dict[str, list[str]] = {}
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            tag = (operation.get("tags") or ["other"])[0]
            by_tag.setdefault(tag, []).append(_operation(method, path, operation))
    for tag, found in by_tag.items():
        yield f"### {tag[0].upper()}{tag[1:]}\n\n" + "\n\n".join(found)


def _operation(method: str, path: str, operation: Json) -> str:
    role = next(
        (one for each in operation.get("security", []) for found in each.values() for one in found),
        "none",
    )
    parts = [
        f"#### {method.upper()} {path}",
        f"Role: {role}. {line(operation.get('description', ''))}",
    ]
    found = [resolved(one) for one in operation.get("parameters", [])]
    parameters = [_parameter(one) for one in found if one["in"] != "header"]
    parts += [
        f"Optional headers: {', '.join(headers)}." for headers in [_headers(found)] if headers
    ]
    if parameters:
        parts.append(table(("parameter", "in", "type", "meaning"), parameters))
    body = operation.get("requestBody", {}).get("content", {})
    parts += [f"Request body: {_named(kind, content)}." for kind, content in body.items()]
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            kinds = [_named(kind, content) for kind, content in answer.get("content", {}).items()]
            parts.append(
                f"Response {status}{': ' if kinds else ', without a body'}{', '.join(kinds)}."
            )
    return "\n\n".join(parts)


def _parameter(one: Json) -> tuple[str, str, str, str]:
    return (
        code(one["name"]),
        one["in"],
        type_of(one.get("schema", {})),
        line(one.get("description", "")),
    )


def _headers(found: list[Json]) -> list[str]:
    return [code(one["name"]) for one in found if one["in"] == "header"]


def _named(kind: str, content: Json) -> str:
    """Return the media type of a body with a link to its schema."""
    names = [f"[{name}](#{name.lower()})" for name in _references(content.get("schema", {}))]
    return f"`{kind}`" + (f" {' or '.join(names)}" if names else "")


def _references(schema: Json) -> Iterator[str]:
    if "$ref" in schema:
        yield schema["$ref"].rsplit("/", 1)[-1]
    for one in schema.get("oneOf", []):
        yield from _references(one)
    if isinstance(schema.get("items"), dict):
        yield from _references(schema["items"])


def _schemas() -> Iterator[str]:
    for name, schema in openapi()["components"]["schemas"].items():
        needed = schema.get("required", [])
        rows = [
            (
                code(field),
                type_of(one),
                "yes" if field in needed else "",
                line(one.get("description", "")),
            )
            for field, one in schema.get("properties", {}).items()
        ]
        about = line(schema.get("description", ""))
        shown = table(("field", "type", "required", "meaning"), rows)
        yield "\n\n".join(part for part in (f"### {name}", about, shown) if part)
