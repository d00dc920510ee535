"""Generate the typed client from the OpenAPI document (`make client`).

With `--check`, only report whether the generated files are up to date.
"""

import keyword
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ultraviolet.web.api.openapi_types import ANY

Json = dict[str, Any]

ROOT = Path(__file__).parent.parent
CLIENT = ROOT / "src/ultraviolet/client"
HEADER = "# Written by `make client` from the OpenAPI document; do not edit.\n"
REFERENCE = re.compile(r"#/components/schemas/(\w+)")
HAND_WRITTEN = {"stream_changes", "import_events"}
PYTHON_TYPES = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "object": "dict[str, Any]",
    "null": "None",
}


def main() -> int:
    """Write the files, or with `--check` compare them."""
    generated = {
        CLIENT / "_generated_models.py": models(document()),
        CLIENT / "_generated_operations.py": operations(document()),
    }
    if "--check" in sys.argv:
        outdated = [
            path.name
            for path, text in generated.items()
            if not path.exists() or path.read_text() != text
        ]
        if outdated:
            print(f"{', '.join(outdated)}: outdated; run `make client`")
        return bool(outdated)
    for path, text in generated.items():
        path.write_text(text)
    return 0


def document() -> Json:
    """Return the OpenAPI document of an empty hub."""
    from ultraviolet.hub.core.settings import Settings
    from ultraviolet.hub.hub import Hub
    from ultraviolet.web.app import openapi

    with tempfile.TemporaryDirectory() as folder:
        hub = Hub.open(Settings(Path(folder), f"sqlite:///{folder}/hub.db", "http://hub.test"))
        try:
            return openapi(hub)
        finally:
            hub.close()


def models(api: Json) -> str:
    """Return the module with a struct for each response schema."""
    schemas = api["components"]["schemas"]
    wanted = _response_schemas(api)
    text = [
        '"""The response types of the API, generated from the OpenAPI document."""\n',
        HEADER,
        "from __future__ import annotations\n",
        "from typing import Any, Literal, TypeAlias\n",
        "from msgspec import Struct\n",
    ]
    for name in sorted(wanted):
        schema = schemas[name]
        if "enum" in schema:
            values = ", ".join(f'"{value}"' for value in schema["enum"])
            text.append(
                f"{name}: TypeAlias = Literal[{values}]\n{_doc(schema['description'], '')}\n"
            )
            continue
        lines = [f"class {name}(Struct, frozen=True, kw_only=True):"]
        lines.append(_doc(schema.get("description") or f"{name}.", "    ") + "\n")
        lines += [
            _field(key, value, key in schema.get("required", ()))
            for key, value in schema["properties"].items()
        ]
        text.append("\n".join(lines) + "\n")
    return formatted("\n\n".join(text))


def operations(api: Json) -> str:
    """Return the module with a method for each operation."""
    methods = [
        _method(api, path, verb, operation)
        for path, verbs in api["paths"].items()
        for verb, operation in verbs.items()
        if operation["operationId"] not in HAND_WRITTEN
    ]
    used = sorted(
        name for name in _response_schemas(api) if any(_names(name, method) for method in methods)
    )
    text = [
        '"""The operations of the API as methods, generated from the OpenAPI document."""\n',
        HEADER,
        "from collections.abc import Iterator, Sequence\nfrom typing import Any, Literal\n",
        "from msgspec import UNSET, UnsetType\n",
        "from ultraviolet.client.transport import Transport\n",
        f"from ultraviolet.client._generated_models import {', '.join(used)}\n",
        "from ultraviolet.text import path_segment\n\n",
        'class Operations(Transport):\n    """A hub\'s API, operation by operation."""\n',
        *methods,
    ]
    return formatted("\n".join(text))


def formatted(text: str) -> str:
    """Return code with sorted imports, formatted by ruff."""
    name = str(CLIENT / "generated.py")
    sort = ["check", "--select", "I,F401", "--fix-only", "--quiet"]
    for arguments in (sort, ["format"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", name, "-"]
        text = subprocess.run(
            command, input=text, capture_output=True, text=True, check=True, cwd=ROOT
        ).stdout
    return text


def _method(api: Json, path: str, verb: str, operation: Json) -> str:
    parameters = {one["name"]: one for one in _parameters(api, operation)}
    segments = {name: one for name, one in parameters.items() if one["in"] == "path"}
    paged = _paged(operation)
    query = {
        name: one
        for name, one in parameters.items()
        if one["in"] == "query" and not (paged and name in ("cursor", "limit"))
    }
    headers = {name: one for name, one in parameters.items() if name == "If-Match"}
    body = _body(api, operation)
    own = [f"{_python(name)}: {_path_type(one['schema'])}" for name, one in segments.items()]
    named = [
        _argument(name, one["schema"], required=one.get("required", False))
        for name, one in query.items()
    ]
    named += [_value(name, schema, required=required) for name, (schema, required) in body.items()]
    named += [_argument(name, one["schema"], required=False) for name, one in headers.items()]
    if paged:
        named.append("limit: int | None = None")
    names = [one.split(":")[0] for one in [*own, *named]]
    assert len(names) == len(set(names)), (operation["operationId"], names)
    signature = ", ".join(
        ["self", *own, *(["*", *sorted(named, key=lambda one: "=" in one)] if named else [])]
    )
    address = path.removeprefix("/api/v1")
    for name in segments:
        address = address.replace("{" + name + "}", "{path_segment(" + _python(name) + ")}")
    literal = f'f"{address}"' if segments else f'"{address}"'
    returns, call = _call(api, verb, operation, literal)
    if paged:
        call += f", limit, {{{_pairs(query)}}})"
    elif call.startswith("self._download"):
        call += f", {{{_pairs(query)}}}" + (f", {{{_pairs(body)}}})" if body else ")")
    else:
        parts = [("query", query), ("body", body), ("headers", headers)]
        call += "".join(f", {key}={{{_pairs(value)}}}" for key, value in parts if value) + ")"
    prefix = "" if returns == "None" else "return "
    return (
        f"\n    def {operation['operationId']}({signature}) -> {returns}:\n"
        f"{_doc(operation['description'], '        ')}\n        {prefix}{call}\n"
    )


def _doc(text: str, indent: str) -> str:
    lines = [line.strip() for line in text.strip().replace('"""', "'''").splitlines()]
    body = "\n".join(f"{indent}{line}".rstrip() for line in lines[1:])
    return f'{indent}"""{lines[0]}' + (f'\n{body}\n{indent}"""' if body else '"""')


def _call(api: Json, verb: str, operation: Json, address: str) -> tuple[str, str]:
    success = next(one for status, one in operation["responses"].items() if status.startswith("2"))
    content = success.get("content", {})
    if not content:
        return "None", f'self._tell("{verb.upper()}", {address}'
    if "application/json" not in content:
        return "Iterator[bytes]", f"self._download({address}"
    kinds = _kinds(content["application/json"]["schema"])
    items = [_item(api, kind) for kind in kinds if kind.endswith("Page")]
    if items:
        return f"Iterator[{' | '.join(items)}]", f"self._items({address}, ({', '.join(items)},)"
    return " | ".join(kinds), f'self._ask("{verb.upper()}", {address}, ({", ".join(kinds)},)'


def _paged(operation: Json) -> bool:
    schema = (
        operation["responses"]
        .get("200", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema", {})
    )
    return any(kind.endswith("Page") for kind in _kinds(schema)) if schema else False


def _item(api: Json, page: str) -> str:
    return _type(api["components"]["schemas"][page]["properties"]["items"]["items"])


def _kinds(schema: Json) -> list[str]:
    return [_type(one) for one in schema.get("oneOf", [schema])]


def _parameters(api: Json, operation: Json) -> Iterator[Json]:
    for one in operation.get("parameters", ()):
        yield (
            api["components"]["parameters"][one["$ref"].rsplit("/", 1)[-1]]
            if "$ref" in one
            else one
        )


def _body(api: Json, operation: Json) -> dict[str, tuple[Json, bool]]:
    schema = (
        operation.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema")
    )
    if not schema:
        return {}
    reference = next(one["$ref"] for one in schema.get("oneOf", [schema]) if "$ref" in one)
    found = api["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return {
        name: (one, name in found.get("required", ())) for name, one in found["properties"].items()
    }


def _response_schemas(api: Json) -> set[str]:
    """Return the schemas of successful responses, except pages, which `_items` decodes."""
    found: set[str] = set()

    def visit(text: str) -> None:
        for name in REFERENCE.findall(text):
            if name not in found:
                found.add(name)
                visit(str(api["components"]["schemas"][name]))

    for verbs in api["paths"].values():
        for operation in verbs.values():
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    visit(str(answer.get("content", {})))
    return {name for name in found if not name.endswith("Page")}


def _field(name: str, schema: Json, required: bool) -> str:
    kind, python = _type(schema), _python(name)
    rename = "" if required else f" = {_default(schema, kind)}"
    assert python == name, name
    return f"    {python}: {kind}{rename}"


def _default(schema: Json, kind: str) -> str:
    if "default" in schema:
        return repr(schema["default"])
    return "[]" if kind.startswith("list") else "None"


def _argument(name: str, schema: Json, *, required: bool) -> str:
    kind = _type(schema, answer=False)
    if name == "filter":
        kind = "dict[str, Any] | str | None"
    if required:
        return f"{_python(name)}: {kind}"
    return f"{_python(name)}: {kind if kind.endswith('None') else kind + ' | None'} = None"


def _value(name: str, schema: Json, *, required: bool) -> str:
    kind = _type(schema, answer=False)
    return (
        f"{_python(name)}: {kind}" if required else f"{_python(name)}: {kind} | UnsetType = UNSET"
    )


def _type(schema: Json, *, answer: bool = True) -> str:  # noqa: PLR0911  one per case
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema:
        values = [one for one in schema["enum"] if one is not None]
        kind = "str" if answer else f"Literal[{', '.join(map(repr, values))}]"
        return f"{kind} | None" if None in schema["enum"] else kind
    if "oneOf" in schema:
        return _union(_type(one, answer=answer) for one in schema["oneOf"])
    kind = schema.get("type")
    if kind == ANY:
        return "Any"
    if isinstance(kind, list):
        return _union(PYTHON_TYPES[one] for one in kind)
    if kind == "array" and "prefixItems" in schema:
        return f"tuple[{', '.join(_type(one, answer=answer) for one in schema['prefixItems'])}]"
    if kind == "array":
        return (
            f"{'list' if answer else 'Sequence'}[{_type(schema.get('items', {}), answer=answer)}]"
        )
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"dict[str, {_type(schema['additionalProperties'], answer=answer)}]"
    return PYTHON_TYPES.get(str(kind), "Any")


def _union(types: Iterable[str]) -> str:
    """Return the union of types, with None at the end."""
    unique = dict.fromkeys(types)
    return " | ".join(
        [*(one for one in unique if one != "None"), *(["None"] if "None" in unique else [])]
    )


def _path_type(schema: Json) -> str:
    """Return the type of a path parameter; names may also be numeric ids."""
    kind = _type(schema)
    return "str | int" if kind == "str" else kind


def _pairs(values: Json) -> str:
    return ", ".join(f'"{name}": {_python(name)}' for name in values)


def _names(name: str, method: str) -> bool:
    head, _, rest = method.partition('"""')
    return re.search(rf"\b{name}\b", head + rest.rpartition('"""')[2]) is not None


def _python(name: str) -> str:
    plain = name.replace("-", "_").lower() if "-" in name else name
    return f"{plain}_" if keyword.iskeyword(plain) else plain


if __name__ == "__main__":
    sys.exit(main())
