"""The types of the schemas of the OpenAPI document; readers such as Scalar reject one without."""

from collections.abc import Iterator
from typing import Any, cast

Json = dict[str, Any]

ANY = ["null", "boolean", "number", "string", "array", "object"]
"""The types of a schema that accepts any value."""
_SCALARS = ("boolean", "integer", "number", "string")


def state_types(document: Json) -> None:
    """Add its types to each schema: those of its choices, or all if it accepts any value."""
    named: Json = document["components"]["schemas"]
    for schema in [*named.values(), *_schemas_of(document["paths"])]:
        _state(schema, named)


def _schemas_of(part: Any) -> Iterator[Json]:
    """Yield the schemas of parameters, requests and responses."""
    if isinstance(part, list):
        for one in cast("list[Any]", part):
            yield from _schemas_of(one)
    elif isinstance(part, dict):
        for key, value in cast("Json", part).items():
            if key == "schema":
                yield value
            elif key not in ("example", "examples"):
                yield from _schemas_of(value)


def _state(schema: Json, named: Json) -> None:
    if "$ref" in schema:
        return
    for inner in _inner(schema):
        _state(inner, named)
    _merge_nullable(schema)
    if "type" not in schema:
        schema["type"] = _types(schema, named)


def _inner(schema: Json) -> Iterator[Json]:
    """Yield the schemas of which a schema consists."""
    yield from schema.get("properties", {}).values()
    for key in ("oneOf", "anyOf", "prefixItems"):
        yield from schema.get(key, ())
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield schema[key]


def _merge_nullable(schema: Json) -> None:
    """Write a scalar or null as one schema of two types."""
    match schema.get("oneOf"):
        case [{"type": str(kind)} as scalar, {"type": "null"}] if (
            kind in _SCALARS and "enum" not in scalar
        ):
            del schema["oneOf"]
            schema.update(scalar | {"type": [kind, "null"]})
        case _:
            pass


def _types(schema: Json, named: Json) -> list[str]:
    """Return the types of the values that a schema accepts."""
    if "$ref" in schema:
        return _types(named[str(schema["$ref"]).rsplit("/", 1)[-1]], named)
    if choices := [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        return list(dict.fromkeys(kind for one in choices for kind in _types(one, named)))
    stated = schema.get("type", ANY)
    return [stated] if isinstance(stated, str) else list(stated)
