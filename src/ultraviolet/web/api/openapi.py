"""Complete the OpenAPI document: schema names, summaries, examples and shared headers."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

import msgspec
from litestar import Litestar, Request, Router
from litestar.openapi.plugins import JsonRenderPlugin

from ultraviolet.hub.ingest import event_files
from ultraviolet.hub.ingest.event_files import Line
from ultraviolet.web.api.openapi_examples import Examples
from ultraviolet.web.api.openapi_types import state_types
from ultraviolet.web.http.problem_details import MEDIA_TYPE, TYPE_PREFIX

Json = dict[str, Any]

_TAGS = {
    "integrations": "The ION environments this hub is connected to.",
    "setup": "Receiver and subscriptions in ION.",
    "webhook URLs": "Endpoints that ION sends events to.",
    "events": "Webhook events from ION.",
    "objects": "Objects of the mirror, their history, comparison and export.",
    "sql": "SQL statements on the mirror.",
    "changes": "All changes of the mirror in order, as a stream or in pages.",
    "fetches": "Syncs: reads of a whole integration.",
    "verifications": "Comparisons of the mirror with ION.",
    "drift": "Corrections: changes that webhooks alone would have left wrong, fixed by reading ION.",
    "alerts": "Problems that need attention, and the destinations that are notified.",
    "access": "Users, API keys and the audit log.",
    "status": "Status of the hub.",
}
_HEADERS: dict[str, Json] = {
    "Request-Id": {
        "description": "Id of the request in the log of the hub.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "Quota (`q`) of requests per window (`w`, in seconds).",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "Remaining requests (`r`) and seconds until the quota resets (`t`).",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}},
    "ETag": {
        "description": "Version of the response; see If-None-Match and If-Match.",
        "schema": {"type": "string"},
    },
}
_COMMON_HEADERS = {
    "X-Request-Id": "Request-Id",
    "RateLimit-Policy": "RateLimit-Policy",
    "RateLimit": "RateLimit",
}
_PARAMETERS: dict[str, Json] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "A unique value for each operation. A request repeated with the same key and body within"
        " 24 hours is not executed again; it returns the first response.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "Known ETags. If one is still current, the response is 304 without a body.",
        "schema": {"type": "string"},
        "example": '"3q2-7w"',
    },
}
_JSON = "application/json"
_STRUCT_PACKAGES = ("ultraviolet.hub.", "ultraviolet.web.")
_FILE_EXAMPLES = {
    "text/csv": "integration,id,status\nplant,12,ORDERED\n",
    "text/event-stream": "id: MSA0NzExIDIwMjYtMTEtMjRUMjA6NTg6MDNa\nevent: change\n"
    'data: {"resource": "purchase_orders", "id": "12", "version": 3, "change": "update"}\n\n',
    "application/jsonl": '{"id": 12, "status": "ORDERED"}\n',
}
_LINES = {
    "events": event_files.format_line(
        [
            Line(
                4711,
                "2026-11-24T20:58:03.000000+00:00",
                "0d2f" * 16,
                {},
                "verified",
                body='{"eventId": 7}',
            )
        ]
    ).decode(),
    "sql": '{"columns": [{"name": "id", "type": "text"}, {"name": "cost", "type": "real"}]}\n'
    '{"rows": [["12", 4.5], ["13", null]]}\n{"row_count": 2}\n',
}
"""Examples of JSON lines by tag: exported and imported events, and results of SQL."""
_GENERIC = re.compile(r"^(\w+)_(?:[\w.]*\.)?(\w+)_$")
_MODULE = re.compile(r"^([a-z]\w*)_([A-Z]\w*)$")


class OpenApiDocument(JsonRenderPlugin):
    """Serves the OpenAPI document."""

    _document: bytes | None = None

    def receive_router(self, router: Router) -> None:
        """Remove the framework's own page for unknown addresses; the hub has one."""
        router.routes = [route for route in router.routes if route.path.endswith(".json")]

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:  # noqa: ARG002  required by the base class
        """Return the document as JSON, completed on the first request."""
        if self._document is None:
            self._document = msgspec.json.encode(complete(openapi_schema))
        return self._document


def create_document(application: Litestar) -> Json:
    """Return the completed document of an application."""
    return complete(application.openapi_schema.to_schema())


def complete(generated: Json) -> Json:
    """Return the document that Litestar generates from the routes, completed."""
    document: Json = msgspec.json.decode(_rename_schemas(generated))
    schemas = document["components"]["schemas"]
    document["components"] |= {"headers": _HEADERS, "parameters": _PARAMETERS}
    used = {tag for _, operation in operations(document) for tag in operation["tags"]}
    document["tags"] = [
        {"name": name, "description": _TAGS.get(name, "")}
        for name in [*_TAGS, *sorted(used - _TAGS.keys())]
    ]
    docstrings = _docstrings()
    for name, schema in schemas.items():
        schema["title"] = name
        if "enum" in schema:
            schema.setdefault("description", f"A value of {name}.")
            continue
        key = _struct_key(name, schema["properties"])
        schema.setdefault("description", docstrings.get(key, f"A page of {name}."))
    examples = Examples(schemas)
    for method, operation in operations(document):
        description = " ".join(str(operation.get("description", "")).split("\n\n")[0].split())
        first = re.split(r"(?<=[.])\s|;\s|:\s", description, maxsplit=1)[0]
        operation["summary"] = first.rstrip(".")
        for status, response in operation["responses"].items():
            if status == "204":
                response["description"] = "Done; the response has no body."
            elif status.startswith("2"):
                response["description"] = _describe_body(response, schemas)
        _add_shared_headers(method, operation)
        _add_examples(operation, examples)
    state_types(document)
    return document


def _describe_body(response: Json, schemas: Json) -> str:
    kinds = [content["schema"].get("$ref", "") for content in response.get("content", {}).values()]
    schema = schemas.get(kinds[0].rsplit("/", 1)[-1]) if kinds else None
    return str(schema["description"]).split("\n\n")[0] if schema else "The result."


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Yield all operations with their methods."""
    for path in document["paths"].values():
        for method, operation in path.items():
            if isinstance(operation, dict):
                yield method, cast("Json", operation)


def _rename_schemas(generated: Json) -> bytes:
    """Return the document as JSON, with schemas named after their structs: `Page[User]` is UserPage."""
    text = msgspec.json.encode(generated).decode()
    for name in generated["components"]["schemas"]:
        generic, module = _GENERIC.match(name), _MODULE.match(name)
        new = f"{generic[2]}{generic[1]}" if generic else ""
        if module and not generic:
            new = "".join(part.capitalize() for part in module[1].split("_")) + module[2]
        if new:
            text = text.replace(f'schemas/{name}"', f'schemas/{new}"').replace(
                f'"{name}":', f'"{new}":'
            )
    return text.encode()


def _docstrings() -> dict[str, str]:
    """Return the docstrings of the structs of the API by `_struct_key`."""
    found: dict[str, str] = {}
    pending = [msgspec.Struct]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind.__module__.startswith(_STRUCT_PACKAGES):
            key = _struct_key(kind.__name__, kind.__struct_encode_fields__)
            found[key] = inspect.cleandoc(kind.__doc__ or "")
    return found


def _struct_key(name: str, fields: Iterable[str]) -> str:
    """Return a key that distinguishes structs of the same name."""
    return " ".join([name.removeprefix("Findings").removeprefix("ConnectionTest"), *sorted(fields)])


def _add_shared_headers(method: str, operation: Json) -> None:
    """Add the headers that all operations share, and the responses they cause."""
    responses: Json = operation["responses"]
    parameters: list[Json] = operation.setdefault("parameters", [])
    successes = [status for status in responses if status.startswith("2")]
    for status, response in responses.items():
        names = _COMMON_HEADERS | (
            {"Retry-After": "Retry-After"} if status in ("429", "503") else {}
        )
        response["headers"] = {
            name: {"$ref": f"#/components/headers/{to}"} for name, to in names.items()
        }
    if method == "post":
        parameters.append({"$ref": "#/components/parameters/Idempotency-Key"})
    json_responses = [
        responses[status] for status in successes if _JSON in responses[status].get("content", {})
    ]
    if method in ("get", "patch", "put"):
        for response in json_responses:
            response["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
    if method == "get" and json_responses:
        parameters.append({"$ref": "#/components/parameters/If-None-Match"})
        responses["304"] = {
            "description": "Not modified.",
            "headers": dict(json_responses[0]["headers"]),
        }
    if not any(parameter.get("name") == "If-Match" for parameter in parameters):
        responses.pop("412", None)


def _add_examples(operation: Json, examples: Examples) -> None:
    for parameter in operation["parameters"]:
        if "$ref" not in parameter:
            parameter["example"] = examples.of(parameter["schema"], parameter["name"])
    body: Json = operation.get("requestBody", {})
    lines = [_LINES[tag] for tag in operation["tags"] if tag in _LINES]
    files = _FILE_EXAMPLES | ({"application/jsonl": lines[0]} if lines else {})
    for kind, content in body.get("content", {}).items():
        content["example"] = files.get(kind) or examples.of(content["schema"])
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            if kind == MEDIA_TYPE:
                content["example"] = _problem_example(int(status), response["description"])
            else:
                content["example"] = files.get(kind) or examples.of(content["schema"])


_SLUGS = {
    400: "invalid",
    401: "unauthenticated",
    403: "forbidden",
    404: "not-found",
    409: "conflict",
    410: "cursor-gone",
    412: "precondition-failed",
    413: "too-large",
    422: "invalid",
    429: "too-many-requests",
    500: "error",
    502: "ion-unreachable",
    503: "database-unavailable",
}


def _problem_example(status: int, detail: str) -> Json:
    slug = _SLUGS.get(status, "error")
    example: Json = {
        "type": TYPE_PREFIX + slug,
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": detail,
    }
    if status == 422:  # noqa: PLR2004
        example["detail"] = "name: Expected `str`, got `int`"
        example["errors"] = [
            {"field": "name", "message": "Expected `str`, got `int`", "source": "body"}
        ]
    return example
