"""Generate the page of commands from the Typer application."""

import importlib
import inspect
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec
from docs.generate.document import Json, openapi, resolved
from docs.generate.markdown import code, line, table

from ultraviolet.cli.main import commands
from ultraviolet.cli.support import help_layout
from ultraviolet.cli.support.output_schema import ReturnType, returned_type
from ultraviolet.web.api.openapi_types import ANY

_INTRO = """\
# Commands

`ultraviolet COMMAND --help` shows the same, with the examples first. Results go to stdout, messages and progress to
stderr. Colors are used only on a terminal and without `NO_COLOR`. On a terminal, tables fit its width.
[Exit codes](errors.md#exit-codes) distinguish the kinds of failure.

Most commands use the API of a hub: that of `--url` and `--key` (`ULTRAVIOLET_URL`, `ULTRAVIOLET_KEY`), or the hub that
runs on the directory `--data` (`ULTRAVIOLET_DATA`, by default `ultraviolet-data`). If none runs there, the command opens
its database. The tables below omit these options.

`--json` prints only JSON on stdout, with the fields below. Releases of a series may add fields, but do not rename or
remove them. A list is one complete array in display order; `ultraviolet changes` prints one object per line, because it
may run without end. `--watch` repeats the output every two seconds until Ctrl-C.
"""
_OMITTED = {"url", "key", "data", "help", "install_completion", "show_completion"}
_DESCRIBED_ELSEWHERE = {"as_json", "watch"}


def page() -> str:
    """Return the page."""
    return _INTRO + "\n" + "\n\n".join(_section(path, command) for path, command in leaves())


def leaves() -> Iterator[tuple[str, Any]]:
    """Return every command without subcommands, with its full name."""
    yield from _below("ultraviolet", commands())


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, one in sorted(below.items()):
        if not one.hidden:
            yield from _below(f"{path} {name}", one)


def _section(path: str, command: Any) -> str:
    text, _ = help_layout.split(command.description)
    parts = [f"## {path}", inspect.cleandoc(text)]
    parts.append("```\n" + "\n".join(command.examples) + "\n```")
    shown = [one for one in command.params if not (one.hidden if hasattr(one, "hidden") else False)]
    own = [
        one
        for one in shown
        if one.name not in _OMITTED | _DESCRIBED_ELSEWHERE or _has_own_meaning(path, one)
    ]
    if own:
        parts.append(table(("argument or option", "default", "meaning"), map(_parameter, own)))
    takes = {one.name for one in shown}
    if "watch" in takes:
        parts.append("Accepts `--watch`.")
    if "as_json" in takes:
        parts.append(_json(returned_type(command.callback)))
    return "\n\n".join(parts)


def _has_own_meaning(path: str, parameter: Any) -> bool:
    """Return whether a common option has another meaning: the URL of a local ION, a new directory."""
    return parameter.name in ("url", "data") and path.startswith(
        ("ultraviolet ion", "ultraviolet demo")
    )


def _parameter(one: Any) -> tuple[str, str, str]:
    if one.param_type_name == "argument":
        name = one.name.upper() if one.required else f"[{one.name.upper()}]"
    else:
        name = ", ".join([*one.opts, *one.secondary_opts])
    default = "" if one.default in (None, False, ()) or callable(one.default) else str(one.default)
    variable = f" Variable: `{one.envvar}`." if getattr(one, "envvar", None) else ""
    needed = " Required." if one.required and one.param_type_name != "argument" else ""
    return code(name), code(default), line(one.help) + _choices(one) + variable + needed


def _choices(one: Any) -> str:
    annotation = one.type_descriptor.annotation
    found = get_args(annotation) if get_origin(annotation) is Literal else ()
    return f" One of {', '.join(map(str, found))}." if found else ""


def _json(returned: ReturnType | None) -> str:
    if returned is None:
        return "Accepts `--json`; the fields depend on the arguments."
    parts = [_shape(what, returned) for what in returned.what]
    if not returned.what:
        parts = [
            "With `--json`, an object:\n\n"
            + table(("field", "type", "meaning"), _extra_fields(returned))
        ]
    return "\n\n".join(parts)


def _shape(what: str, returned: ReturnType) -> str:
    schema, where = schema_of(what, returned.part)
    kind = {"[": "a list, each item with", "{": "an object, each value with"}.get(
        what[0], "an object with"
    )
    head = f"With `--json`, {kind} {where}:"
    rows = [
        *(_field(name, one) for name, one in schema["properties"].items()),
        *_extra_fields(returned),
    ]
    return f"{head}\n\n" + table(("field", "type", "meaning"), rows)


def _extra_fields(returned: ReturnType) -> list[tuple[str, str, str]]:
    return [(code(name), "", about) for name, about in returned.plus.items()]


def schema_of(what: str, part: str | None) -> tuple[Json, str]:
    """Return the schema of a response or of a list's items, and a description of its source."""
    bare = what[1:-1] if what[0] in "[{" else what
    if " " not in bare:
        module, name = bare.split(":")
        schemas = msgspec.json.schema(getattr(importlib.import_module(module), name))
        return schemas["$defs"][name] if "$defs" in schemas else schemas, "these fields"
    method, path = bare.split(" ")
    operation = openapi()["paths"][f"/api/v1{path}"][method.lower()]
    answer = next(
        found for status, found in operation["responses"].items() if status.startswith("2")
    )
    schema = resolved(answer["content"]["application/json"]["schema"])
    if what.startswith("["):
        schema = resolved(schema["properties"]["items"]["items"])
    if part:
        schema = resolved(schema["properties"][part])
    return schema, f"the fields of {f'`{part}` of ' if part else ''}`{bare}`"


def _field(name: str, schema: Json) -> tuple[str, str, str]:
    return code(name), type_of(schema), line(schema.get("description", ""))


def type_of(schema: Json) -> str:
    """Return the type of a field in one or two words."""
    either = schema.get("oneOf") or schema.get("anyOf") or []
    if either:
        kinds = [type_of(one) for one in either if one.get("type") != "null"]
        empty = " or null" if len(kinds) < len(either) else ""
        return " or ".join(dict.fromkeys(kinds)) + empty
    if "$ref" in schema:
        return "object"
    if "enum" in schema:
        return "one of " + ", ".join(str(one) for one in schema["enum"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return "any" if kind == ANY else " or ".join(kind)
    if kind == "array":
        inner = schema.get("items", {})
        return f"list of {type_of(inner)}s" if isinstance(inner, dict) and inner else "list"
    return str(kind)
