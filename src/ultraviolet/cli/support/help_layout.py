"""Show the examples of a command after the first line of its help.

A docstring contains them as “Examples: `…`, `…`”.
"""

import re
from typing import Any

_EXAMPLES = re.compile(r"\n\s*\n[ \t]*Examples?:\s(.+?)(?=\n\s*\n|\Z)", re.DOTALL)
_COMMAND = re.compile(r"`(ultraviolet[^`]*)`")
_MAX_GROUP_EXAMPLES = 4
"""Commands of a group whose first example appears in the help of the group."""


def split(text: str) -> tuple[str, list[str]]:
    """Return a docstring without its examples, and the examples."""
    found = _EXAMPLES.search(text)
    if found is None:
        return text, []
    commands = [" ".join(command.split()) for command in _COMMAND.findall(found[1])]
    return text[: found.start()] + text[found.end() :], commands


def arrange(command: Any) -> Any:
    """Rearrange the help of a command and its subcommands; return the same command."""
    subcommands = getattr(command, "commands", {}).values()
    for subcommand in subcommands:
        arrange(subcommand)
    command.description, command.examples = split(command.help or "")
    if not command.examples:
        firsts = [one.examples[0] for one in subcommands if one.examples and not one.hidden]
        command.examples = firsts[:_MAX_GROUP_EXAMPLES]
    if command.examples:
        first, _, rest = command.description.partition("\n\n")
        examples = "\n".join(f"- `{example}`" for example in command.examples)
        command.short_help = command.short_help or first.strip()
        command.help = f"{first}\n\nExamples:\n\n{examples}\n\n{rest}".rstrip()
    return command
