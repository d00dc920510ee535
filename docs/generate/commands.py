"""The commands, from the tree that Typer knows: what each does, takes and prints."""

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

_INTRO = """\
# Commands

`ultraviolet COMMAND --help` shows the same with its examples first. Results go to stdout, talk and progress to stderr.
Colours are used on a terminal only, and not where `NO_COLOR` is set; a table fits the width of the terminal, and is not
cut where its output goes elsewhere. The [exit codes](errors.md#exit-codes) tell kinds of failure apart.

Most commands speak to a hub's API. Which hub: `--url` and `--key` (`ULTRAVIOLET_URL`, `ULTRAVIOLET_KEY`); else the one that
runs on the directory `--data` (`ULTRAVIOLET_DATA`, by default `ultraviolet-data`); where none runs there, the command opens
its database itself. These options are left out below.

`--json` prints JSON for programs and nothing else on stdout. Its fields are those named below: within a release series
fields are added, never renamed or removed. What is a list is one array, whole, in the order it is shown in;
only `ultraviolet changes` prints one object a line, because it may go on.
`--watch` shows the same again every two seconds, until Ctrl-C.
"""
_LEFT_OUT = {"url", "key", "data", "help", "install_completion", "show_completion"}
_SAID_ONCE = {"as_json", "watch"}


def page() -> str:
    """Write the page."""
    return _INTRO + "\n" + "\n\n".join(_section(path, command) for path, command in leaves())


def leaves() -> Iterator[tuple[str, Any]]:
    """Give every command that does something, by its whole name."""
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
    own = [one for one in shown if one.name not in _LEFT_OUT | _SAID_ONCE or _is_its_own(path, one)]
    if own:
        parts.append(table(("argument or option", "default", "what it is"), map(_parameter, own)))
    takes = {one.name for one in shown}
    if "watch" in takes:
        parts.append("Takes `--watch`.")
    if "as_json" in takes:
        parts.append(_json(returned_type(command.callback)))
    return "\n\n".join(parts)


def _is_its_own(path: str, parameter: Any) -> bool:
    """Tell where an option of a common name means something else: the address of a local ION, a new directory."""
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
    needed = " Needed." if one.required and one.param_type_name != "argument" else ""
    return code(name), code(default), line(one.help) + _choices(one) + variable + needed


def _choices(one: Any) -> str:
    annotation = one.type_descriptor.annotation
    found = get_args(annotation) if get_origin(annotation) is Literal else ()
    return f" One of {', '.join(map(str, found))}." if found else ""


def _json(said: ReturnType | None) -> str:
    if said is None:
        return "Takes `--json`, which has no fields of its own to name."
    parts = [_shape(what, said) for what in said.what]
    if not said.what:
        parts = [
            "With `--json`, an object:\n\n" + table(("field", "type", "what it is"), _plus(said))
        ]
    return "\n\n".join(parts)


def _shape(what: str, said: ReturnType) -> str:
    schema, where = schema_of(what, said.part)
    kind = {"[": "a list, each item with", "{": "an object, each value with"}.get(
        what[0], "an object with"
    )
    head = f"With `--json`, {kind} {where}:"
    rows = [*(_field(name, one) for name, one in schema["properties"].items()), *_plus(said)]
    return f"{head}\n\n" + table(("field", "type", "what it is"), rows)


def _plus(said: ReturnType) -> list[tuple[str, str, str]]:
    return [(code(name), "", about) for name, about in said.plus.items()]


def schema_of(what: str, part: str | None) -> tuple[Json, str]:
    """Give the schema of an answer, of one item where it is a list, and the words that say where it comes from."""
    bare = what[1:-1] if what[0] in "[{" else what
    if " " not in bare:
        module, name = bare.split(":")
        schemas = msgspec.json.schema(getattr(importlib.import_module(module), name))
        return schemas["$defs"][name] if "$defs" in schemas else schemas, "these fields"
    method, path = bare.split(" ")
    operation = openapi()["paths"][f"/api/v1{path}"][method.lower()]
    answer = next(said for status, said in operation["responses"].items() if status.startswith("2"))
    schema = resolved(answer["content"]["application/json"]["schema"])
    if what.startswith("["):
        schema = resolved(schema["properties"]["items"]["items"])
    if part:
        schema = resolved(schema["properties"][part])
    return schema, f"the fields of {f'`{part}` of ' if part else ''}`{bare}`"


def _field(name: str, schema: Json) -> tuple[str, str, str]:
    return code(name), type_of(schema), line(schema.get("description", ""))


def type_of(schema: Json) -> str:
    """Say in a word or two what a field holds."""
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
        return " or ".join(kind)
    if kind == "array":
        inner = schema.get("items", {})
        return f"list of {type_of(inner)}s" if isinstance(inner, dict) and inner else "list"
    return str(kind)
