"""The integration of a command: its argument, its option, and the commands to choose from."""

import shlex
from contextvars import ContextVar
from inspect import Parameter
from typing import Annotated, Any

import typer

from ultraviolet.cli.support.api import Json
from ultraviolet.cli.support.completion import complete_integration
from ultraviolet.command_text import command
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.text import did_you_mean

_HELP = "Name or id; optional if there is only one."
Name = Annotated[str | None, typer.Argument(help=_HELP, autocompletion=complete_integration)]
"""The argument; a command with it also has the option `--integration`."""
Option = Annotated[str | None, typer.Option(help=_HELP, autocompletion=complete_integration)]
"""The option of a command without the argument."""

_NONE = "No integrations yet. Next: ultraviolet integration add --help"
_OPTION_NAME = "integration_option"
_OPTION = Parameter(
    _OPTION_NAME,
    Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        str | None,
        typer.Option(
            "--integration", help="The argument as an option.", autocompletion=complete_integration
        ),
    ],
)
_MAX_COMMANDS = 20
_SECRETS = ("key", "secret")
_typed: ContextVar[tuple[str, list[str]]] = ContextVar("typed", default=("", []))
"""The command of this process, and the words after it."""


def option_for(parameters: list[Parameter]) -> list[Parameter]:
    """Return the option `--integration` for a command that has the argument."""
    return [_OPTION] if any(one.annotation == Name for one in parameters) else []


def merge_option(parameters: list[Parameter], options: dict[str, Any]) -> None:
    """Use the value of the option for the argument. Raise InvalidError if both differ."""
    given = options.pop(_OPTION_NAME, None)
    if given is None:
        return
    argument = next(one.name for one in parameters if one.annotation == Name)
    if options[argument] not in (None, given):
        raise InvalidError(f"Two integrations are given: “{options[argument]}” and “{given}”.")
    options[argument] = given


def remember_command(context: Any, words: list[str]) -> None:
    """Store the command that is being run, for the commands that an error suggests."""
    path: list[str] = []
    while context.parent is not None:
        path.insert(0, context.info_name)
        context = context.parent
    _typed.set((" ".join(path), list(words)))


def command_path() -> str:
    """Return the command that is being run, such as `key revoke`."""
    return _typed.get()[0]


def find_integration(integrations: list[Json], name: str | None) -> Json:
    """Return the integration with a name or id, or the only one.

    Raise InvalidError; without a name, with a command for each integration.
    """
    if name is None:
        if len(integrations) == 1:
            return integrations[0]
        if not integrations:
            raise InvalidError(_NONE)
        path, words = _typed.get()
        commands = [
            f"  {command(path, integration=str(one['name']))} {_quoted(words)}".rstrip()
            for one in integrations[:_MAX_COMMANDS]
        ]
        more = len(integrations) - _MAX_COMMANDS
        lines = ["Several integrations exist. Select one:", *commands]
        raise InvalidError("\n".join([*lines, f"  … and {more} more"] if more > 0 else lines))
    for integration in integrations:
        if name in (str(integration["id"]), integration["name"]):
            return integration
    names = [str(integration["name"]) for integration in integrations]
    available = f"Available: {', '.join(names)}." if names else _NONE
    raise NotFoundError(f"No integration “{name}”.{did_you_mean(name, names) or f' {available}'}")


def _quoted(words: list[str]) -> str:
    """Return words of a command line for a shell, without the values of secret options."""
    shown: list[str] = []
    is_secret = False
    for word in words:
        option, equals, _ = word.partition("=")
        secret_option = option.startswith("--") and option.endswith(_SECRETS)
        shown.append("…" if is_secret else f"{option}=…" if secret_option and equals else word)
        is_secret = secret_option and not equals
    return " ".join(word if "…" in word else shlex.quote(word) for word in shown)
