"""Every command in messages, pages, documents and help texts exists, with its options."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultraviolet.cli.main import commands
from ultraviolet.command_text import command

ROOT = Path(__file__).parents[2]
TREE = commands()
NO_COMMANDS = {
    "ultraviolet leases",
    "ultraviolet messages",
    "ultraviolet import",
    "ultraviolet --install-completion",
}
"""Names of database connections, the package, and an option of Typer that changes the home."""
_NAMED = re.compile(
    r"(?<![\w./@:=-])ultraviolet(?: +(?:[\w./:@=*+?-]+|<[^>\n]*>|…|\{[^}]*\}|\"[^\"]*\"|'[^']*'))+"
)
_MAY_NAME_A_COMMAND = re.compile(r"""ultraviolet["' ]|\b(?:command|line)\(""")
"""In the source of each module with such a text, which may be split over lines."""
_PLACE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{[^}]*\}|<[^>\n]*>|…|\b[A-Z][A-Z_]*\b")
_PROSE_WORDS = (
    "and",
    "or",
    "to",
    "shows",
    "does",
    "tells",
    "lists",
    "makes",
    "again",
    "reads",
    "says",
    "with",
    "on",
    "for",
    "in",
    "as",
    "is",
)


def documentation_of(nodes: list[ast.AST]) -> set[int]:
    """Return the ids of the nodes of docstrings and help texts."""
    found: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.keyword) and node.arg == "help":
            found |= {id(part) for part in ast.walk(node)}
        elif isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module
        ) and ast.get_docstring(node, clean=False):
            found |= {id(part) for part in ast.walk(node.body[0])}
    return found


def strings(path: Path, *, documentation: bool = True) -> Iterator[str]:
    """Return the texts of a module that may name a command, with `1` in place of values.

    Without the `documentation`, which has docstrings and help texts, these are the messages.
    """
    source = path.read_text()
    if not _MAY_NAME_A_COMMAND.search(source):
        return
    nodes = list(ast.walk(ast.parse(source)))
    left_out = set[int]() if documentation else documentation_of(nodes)
    inside = {
        id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
    }
    for node in nodes:
        if id(node) in left_out:
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "1" for p in node.values)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
        ):
            yield node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("command", "line")
            and node.args
            and isinstance(node.args[0], ast.Constant)
        ):
            arguments = ["1" for _ in node.args[1:]]
            options: dict[str, str | bool] = {
                str(each.arg): (isinstance(each.value, ast.Constant) and each.value.value is True)
                or "1"
                for each in node.keywords
                if each.arg
            }
            yield command(str(node.args[0].value), *arguments, **options)


def texts() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        yield from ((str(path), text) for text in strings(path))
    documents = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "src").rglob("*.html"),
    ]
    for path in sorted(documents):
        if "reference" not in path.parts and path.name != "CHANGELOG.md":
            yield str(path), path.read_text()


def named() -> dict[str, str]:
    """Return each command in the texts, with one file that contains it."""
    found: dict[str, str] = {}
    for place, text in texts():
        for match in _NAMED.finditer(_PLACE.sub("1", text)):
            found.setdefault(" ".join(match.group().rstrip(".:").split()), place)
    return {one: place for one, place in found.items() if not one.startswith(tuple(NO_COMMANDS))}


def check(typed: str) -> None:
    """Raise if Typer rejects a command; missing arguments are allowed."""
    words = shlex.split(typed)
    one: Any = TREE
    path, rest = words[0], words[1:]
    try:
        while True:
            context = one.make_context(path, list(rest))
            if getattr(one, "commands", None) is None:
                return
            name, one, rest = one.resolve_command(context, context._protected_args + context.args)
            path = f"{path} {name}"
    except Exception as error:
        # Groups and commands may appear without arguments; placeholders replace values.
        named_only = type(error).__name__ in (
            "MissingParameter",
            "NoArgsIsHelpError",
            "BadParameter",
            "Exit",
        )
        if not named_only and str(error) != "No such command '1'.":
            raise


def test_commands_in_texts_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ION_CLIENT_SECRET", "otherwise prompted for")
    found = named()
    assert len(found) > 100
    failed: dict[str, str] = {}
    for typed, place in found.items():
        words = typed.split()
        prose = next(
            (n for n, word in enumerate(words) if word in _PROSE_WORDS and n > 1), len(words)
        )
        try:
            check(typed)
        except Exception as error:  # noqa: BLE001  Typer's errors are private
            if prose < len(words):
                check(" ".join(words[:prose]))
            else:
                failed[typed] = f"{place}: {error}"
    assert failed == {}


def test_messages_name_the_integration_of_a_command() -> None:
    """A printed command works also if there are several integrations."""
    nameless: dict[str, Path] = {}
    for path in sorted((ROOT / "src").rglob("*.py")):
        for text in strings(path, documentation=False):
            for match in _NAMED.finditer(_PLACE.sub("1", text)):
                typed = " ".join(match.group().rstrip(".:").split())
                if lacks_integration(typed):
                    nameless[typed] = path
    assert nameless == {}
    assert lacks_integration("ultraviolet setup apply")
    assert lacks_integration("ultraviolet object show parts 1")
    assert not lacks_integration("ultraviolet setup apply 'Plant two'")


def lacks_integration(typed: str) -> bool:
    """Return whether a command takes an integration that is not given."""
    one: Any = TREE
    path, *rest = shlex.split(typed)
    try:
        while getattr(one, "commands", None) is not None:
            context = one.make_context(path, list(rest))
            path, one, rest = one.resolve_command(context, context._protected_args + context.args)
        given = one.make_context(path, list(rest)).params
    except Exception:  # noqa: BLE001  the test of each command reports it
        return False
    if typed == "ultraviolet object list":  # the resources of all integrations
        return False
    # without one, the events of all; only a copy of a hub has an integration
    for_all = typed.startswith(("ultraviolet event list", "ultraviolet ion serve"))
    return given.get("integration", "1") is None and not for_all


def test_unknown_command_is_detected() -> None:
    for typed in ("ultraviolet logs", "ultraviolet fetch walk", "ultraviolet fetch run --made up"):
        with pytest.raises(Exception, match="No such"):
            check(typed)


@given(
    name=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)
)
def test_names_in_suggested_commands_are_quoted(name: str) -> None:
    words = shlex.split(command("integration resume", name))
    assert words[:3] == ["ultraviolet", "integration", "resume"]
    resume: Any = TREE.commands["integration"].commands["resume"]
    assert name in resume.make_context("resume", words[3:]).params.values()
