"""Examples in the help of commands: written in a docstring as “Examples: `…`, `…`”, shown right after its first line."""

import re
from typing import Any

_TOLD = re.compile(r"\n\s*\n[ \t]*Examples?:\s(.+?)(?=\n\s*\n|\Z)", re.DOTALL)
_COMMAND = re.compile(r"`(ultraviolet[^`]*)`")
_OF_A_GROUP = 4
"""So many commands of a group show their first example in the help of the group."""


def split(told: str) -> tuple[str, list[str]]:
    """Part the examples of a docstring from the rest of it."""
    found = _TOLD.search(told)
    if found is None:
        return told, []
    commands = [" ".join(command.split()) for command in _COMMAND.findall(found[1])]
    return told[: found.start()] + told[found.end() :], commands


def arrange(command: Any) -> Any:
    """Put the examples of a command, and of all below it, where they are read first; returns the same command."""
    below = getattr(command, "commands", {})
    for one in below.values():
        arrange(one)
    told, command.examples = split(command.help or "")
    command.told = told
    if not command.examples:
        firsts = [one.examples[0] for one in below.values() if one.examples and not one.hidden]
        command.examples = firsts[:_OF_A_GROUP]
    if command.examples:
        first, _, rest = told.partition("\n\n")
        shown = "\n".join(f"- `{example}`" for example in command.examples)
        command.short_help = command.short_help or first.strip()
        command.help = f"{first}\n\nExamples:\n\n{shown}\n\n{rest}".rstrip()
    return command
