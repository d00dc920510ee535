"""The OpenAPI document, completed by rule: names, summaries, examples, and the headers that all operations share."""

import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, cast

import msgspec
from litestar import Litestar, Request
from litestar.openapi.plugins import JsonRenderPlugin

from ultraviolet.hub.ingest import event_files
from ultraviolet.hub.ingest.event_files import Line
from ultraviolet.web.api.openapi_examples import Examples
from ultraviolet.web.http.problem_details import MEDIA_TYPE

Json = dict[str, Any]

_TAGS = {
    "integrations": "The ION environments this hub is connected to.",
    "set-up": "Receiver and subscriptions in ION.",
    "webhook URLs": "Addresses for deliveries; each is shown once.",
    "events": "What ION told the hub.",
    "objects": "The mirror: objects, their history, two times compared, exports.",
    "changes": "Every change of the mirror in order, as a stream or in pages.",
    "fetches": "Reading a whole integration.",
    "verifications": "Mirror and ION compared.",
    "proof": "What webhooks alone would have left wrong.",
    "alerts": "What needs a person, and who is told of it.",
    "access": "Who may do what, and who did.",
    "status": "The hub at a glance.",
}
_HEADERS: dict[str, Json] = {
    "Request-Id": {
        "description": "Names this request in the hub's log.",
        "schema": {"type": "string"},
    },
    "RateLimit-Policy": {
        "description": "How many requests (`q`) a key may make in how many seconds (`w`).",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "How many are left (`r`), and in how many seconds (`t`) all are there again.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "string"}},
    "ETag": {
        "description": "Names this state; see If-None-Match and If-Match.",
        "schema": {"type": "string"},
    },
}
_EVERYWHERE = {
    "X-Request-Id": "Request-Id",
    "RateLimit-Policy": "RateLimit-Policy",
    "RateLimit": "RateLimit",
}
_PARAMETERS: dict[str, Json] = {
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Any text of your choice, new for each thing to do. Sent again with the same body within"
        " 24 hours, the first answer is given again and nothing is done twice.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "example": "8e03978e-40d5-43e8-bc93-6894a57f9324",
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "ETags you have; where the state is still one of them, the answer is 304 without a body.",
        "schema": {"type": "string"},
        "example": '"3q2-7w"',
    },
}
_JSON = "application/json"
_ROOMS = ("ultraviolet.hub.", "ultraviolet.web.")
_FILES = {
    "text/csv": "integration,id,status\nplant,12,ORDERED\n",
    "text/event-stream": "id: MSA0NzExIDIwMjYtMTEtMjRUMjA6NTg6MDNa\nevent: change\n"
    'data: {"resource": "purchase_orders", "id": "12", "version": 3, "change": "update"}\n\n',
    "application/jsonl": '{"id": 12, "status": "ORDERED"}\n',
}
_EVENTS = event_files.format_line(
    [Line(4711, "2026-11-24T20:58:03.000000+00:00", "0d2f", {}, "verified", body='{"eventId": 7}')]
).decode()
"""What is exported and imported under the tag events."""
_GENERIC = re.compile(r"^(\w+)_(?:[\w.]*\.)?(\w+)_$")
_MODULE = re.compile(r"^([a-z]\w*)_([A-Z]\w*)$")


class OpenApiDocument(JsonRenderPlugin):
    """Serves the document."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:  # noqa: ARG002  as the parent has it
        """Write it, made on the first request."""
        self._given = openapi_schema
        return self._bytes

    @cached_property
    def _bytes(self) -> bytes:
        return msgspec.json.encode(complete(self._given))


def create_document(application: Litestar) -> Json:
    """Return the document of an application."""
    return complete(application.openapi_schema.to_schema())


def complete(given: Json) -> Json:
    """Complete what follows from the routes alone."""
    document: Json = msgspec.json.decode(_named(msgspec.json.encode(given), given))
    schemas = document["components"]["schemas"]
    document["components"] |= {"headers": _HEADERS, "parameters": _PARAMETERS}
    used = {tag for _, operation in operations(document) for tag in operation["tags"]}
    document["tags"] = [
        {"name": name, "description": _TAGS.get(name, "")}
        for name in [*_TAGS, *sorted(used - _TAGS.keys())]
    ]
    said = _docstrings()
    for name, schema in schemas.items():
        schema["title"] = name
        schema.setdefault(
            "description", said.get(_known_by(name, schema["properties"]), f"A page of {name}.")
        )
    examples = Examples(schemas)
    for method, operation in operations(document):
        _describe(operation)
        _share(method, operation)
        _show(operation, examples)
    return document


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Go through all operations, with the method of each."""
    for path in document["paths"].values():
        for method, operation in path.items():
            if isinstance(operation, dict):
                yield method, cast("Json", operation)


def _named(text: bytes, given: Json) -> bytes:
    """Return schemas the names of their structs: `Page[User]` is UserPage."""
    written = text.decode()
    for name in given["components"]["schemas"]:
        generic, module = _GENERIC.match(name), _MODULE.match(name)
        new = f"{generic[2]}{generic[1]}" if generic else ""
        if module and not generic:
            new = "".join(part.capitalize() for part in module[1].split("_")) + module[2]
        if new:
            written = written.replace(f'schemas/{name}"', f'schemas/{new}"').replace(
                f'"{name}":', f'"{new}":'
            )
    return written.encode()


def _docstrings() -> dict[str, str]:
    """Return what the structs of the API say of themselves, by the names of their fields."""
    found: dict[str, str] = {}
    waiting = [msgspec.Struct]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if kind.__module__.startswith(_ROOMS):
            found[_known_by(kind.__name__, kind.__struct_encode_fields__)] = inspect.cleandoc(
                kind.__doc__ or ""
            )
    return found


def _known_by(name: str, fields: Iterable[str]) -> str:
    """Tell structs of one name apart."""
    return " ".join([name.removeprefix("Findings").removeprefix("ConnectionTest"), *sorted(fields)])


def _describe(operation: Json) -> None:
    description = " ".join(str(operation.get("description", "")).split("\n\n")[0].split())
    first = re.split(r"(?<=[.])\s|;\s|:\s", description, maxsplit=1)[0]
    operation["summary"] = first.rstrip(".")


def _share(method: str, operation: Json) -> None:
    """Add the headers that are the same everywhere, and the answers they lead to."""
    responses: Json = operation["responses"]
    parameters: list[Json] = operation.setdefault("parameters", [])
    fine = [status for status in responses if status.startswith("2")]
    for status, response in responses.items():
        kept = _EVERYWHERE | ({"Retry-After": "Retry-After"} if status in ("429", "503") else {})
        response["headers"] = {
            name: {"$ref": f"#/components/headers/{to}"} for name, to in kept.items()
        }
    if method == "post":
        parameters.append({"$ref": "#/components/parameters/Idempotency-Key"})
    whole = [responses[status] for status in fine if _JSON in responses[status].get("content", {})]
    if method in ("get", "patch", "put"):
        for response in whole:
            response["headers"]["ETag"] = {"$ref": "#/components/headers/ETag"}
    if method == "get" and whole:
        parameters.append({"$ref": "#/components/parameters/If-None-Match"})
        responses["304"] = {
            "description": "It is still as you have it.",
            "headers": dict(whole[0]["headers"]),
        }
    if not any(parameter.get("name") == "If-Match" for parameter in parameters):
        responses.pop("412", None)


def _show(operation: Json, examples: Examples) -> None:
    for parameter in operation["parameters"]:
        if "$ref" not in parameter:
            parameter["example"] = examples.of(parameter["schema"], parameter["name"])
    body: Json = operation.get("requestBody", {})
    files = _FILES | ({"application/jsonl": _EVENTS} if "events" in operation["tags"] else {})
    for kind, content in body.get("content", {}).items():
        content["example"] = files.get(kind) or examples.of(content["schema"])
    for status, response in operation["responses"].items():
        for kind, content in response.get("content", {}).items():
            if kind == MEDIA_TYPE:
                content["example"] = _problem(int(status), response["description"])
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


def _problem(status: int, says: str) -> Json:
    slug = _SLUGS.get(status, "error")
    made: Json = {
        "type": f"https://ultraviolet.invalid/problems/{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": says,
    }
    if status == 422:  # noqa: PLR2004
        made["detail"] = "name: Expected `str`, got `int`"
        made["errors"] = [
            {"field": "name", "message": "Expected `str`, got `int`", "source": "body"}
        ]
    return made
