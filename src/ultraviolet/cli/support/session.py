"""The session of a command: its API client, results on stdout, messages on stderr."""

import functools
import inspect
import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from inspect import Parameter
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    LiteralString,
    ParamSpec,
    TypeVar,
)

import typer
from typer.core import TyperCommand

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import connection, output
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.integration_argument import (
    command_path,
    find_integration,
    merge_option,
    option_for,
    remember_command,
)
from ultraviolet.errors import InvalidError, NotFoundError, UltravioletError

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

P = ParamSpec("P")
R = TypeVar("R")

WATCH_INTERVAL_SECONDS = 2.0
CLEAR_SCREEN = "\x1b[2J\x1b[H"


class Session:
    """One run of one command."""

    def __init__(self, api: "Api", *, as_json: bool) -> None:
        """Use this API client and output format."""
        self.api = api
        self.as_json = as_json
        self.is_repeated = False
        """Whether `--watch` runs the command again."""

    def show(self, value: Json, columns: output.Columns | None = None) -> None:
        """Print one result: JSON for programs, lines for people."""
        if self.as_json:
            output.write_json(value)
        else:
            output.write_pairs(value, columns)

    def show_list(self, items: Iterator[Json], columns: output.Columns, empty: str) -> None:
        """Print a list: one JSON array for programs, a table for people."""
        rows = list(items)
        if self.as_json:
            output.write_json(rows)
        elif rows:
            output.write_table(rows, columns)
        else:
            self.say(empty)

    def say(self, text: str) -> None:
        """Print a message on stderr; nothing with `--json`."""
        if not self.as_json:
            typer.echo(escape_controls(text), err=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before an irreversible action; without a terminal, require `--yes`."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise InvalidError(
                f"{question} Nothing was done. Use --yes to confirm without a terminal."
            )
        typer.confirm(escape_controls(question), abort=True, err=True)

    def integration(self, name: str | None) -> Json:
        """Return an integration by name or id, or the only one. Raise InvalidError."""
        return find_integration(self._integrations(), name)

    def integrations(self, name: str | None) -> list[Json]:
        """Return an integration by name or id, or all without a name. Raise InvalidError."""
        found = self._integrations()
        return found if name is None and found else [find_integration(found, name)]

    def list_of_each(
        self,
        integrations: list[Json],
        path: LiteralString,
        limit: int,
        newest: str,
        **query: Any,
    ) -> Iterator[Json]:
        """Return a list of one integration, or the newest items of several by this field.

        Items of several integrations have the name of their integration as `integration`.
        """
        lists = [(one, self.api.items(to(path, one["id"]), limit, **query)) for one in integrations]
        if len(lists) == 1:
            return lists[0][1]
        rows = [{"integration": one["name"], **item} for one, items in lists for item in items]
        return iter(sorted(rows, key=lambda row: row[newest], reverse=True)[:limit])

    def _integrations(self) -> list[Json]:
        return list(self.api.items("/integrations", limit=1000))


def with_integration(columns: output.Columns, integrations: list[Json]) -> output.Columns:
    """Return columns with that of the integration first, if the rows are of several."""
    return {"integration": "integration", **columns} if len(integrations) > 1 else columns


def command(
    app: typer.Typer, name: str, *, watchable: bool = False
) -> Callable[[Callable[Concatenate[Session, P], R]], Callable[..., R]]:
    """Register a function of a `Session` as a command with the common options.

    These are `--json`, `--url`, `--key` and `--data`, and `--integration` for a command with the
    argument. A `watchable` command also has `--watch`, which repeats it every few seconds.
    """

    def register(function: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
        @functools.wraps(function)
        def run(
            *,
            as_json: bool,
            url: str | None,
            key: str | None,
            data: Path | None,
            watch: bool = False,
            **options: Any,
        ) -> R:
            merge_option(parameters, options)
            with open_session(url, key, data, as_json=as_json) as session, naming_list(app):
                session.is_repeated = watch
                while watch:
                    if sys.stdout.isatty():
                        sys.stdout.write(CLEAR_SCREEN)
                    function(session, **options)  # pyright: ignore[reportCallIssue]
                    sys.stdout.flush()
                    session.api.pause(WATCH_INTERVAL_SECONDS)
                return function(session, **options)  # pyright: ignore[reportCallIssue]

        parameters = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        parameters += [*option_for(parameters), *([_WATCH] if watchable else [])]
        vars(run)["__signature__"] = inspect.Signature([*parameters, *_COMMON])
        run.__annotations__ = {one.name: one.annotation for one in [*parameters, *_COMMON]}
        return app.command(name, cls=_Command)(run)

    return register


@contextmanager
def naming_list(app: typer.Typer) -> Generator[None]:
    """Name the command that lists the existing items, if one does not exist on the hub."""
    try:
        yield
    except UltravioletError as error:
        group = command_path().partition(" ")[0]
        has_list = any(each.name == "list" for each in app.registered_commands)
        is_from_hub = error.kind == "not-found" and not isinstance(error, NotFoundError)
        # A missing object has its own next step, and `object list` lists resources.
        if is_from_hub and has_list and group != "object":
            error.add_note(f"List all with `ultraviolet {group} list`.")
        raise


class _Command(TyperCommand):
    """A command that suggests to quote a name if it is followed by an unexpected argument."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        remember_command(ctx, args)
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            # The class is private to Typer, whose prefix says nothing to people.
            message = str(getattr(error, "message", "")).replace("Value error, ", "")
            if message:
                vars(error)["message"] = message
            words = self._words(given)
            if "unexpected extra argument" in message and len(words) > 1:
                name = shlex.quote(" ".join(words))
                vars(error)["message"] = f"{message}. Quote a name with spaces: {name}"
            raise

    def _words(self, args: list[str]) -> list[str]:
        """Return the arguments that are neither options nor values of options."""
        takes_value = {
            name
            for option in self.params
            if option.param_type_name == "option" and not getattr(option, "is_flag", False)
            for name in option.opts
        }
        words = list[str]()
        before = ""
        for word in args:
            if not word.startswith("-") and before not in takes_value:
                words.append(word)
            before = word
        return words


@contextmanager
def open_session(
    url: str | None, key: str | None, data: Path | None, *, as_json: bool
) -> Generator[Session]:
    """Connect to the addressed hub for one command; errors name the context, if one is used."""
    address = connection.resolve(url, key, data)
    with connection.naming_context(address), connection.connect(address) as api:
        yield Session(api, as_json=as_json)


def _option(name: str, kind: Any, *flags: str, default: Any = None, **about: Any) -> Parameter:
    option = typer.Option(default, *flags, **about)
    return Parameter(name, Parameter.KEYWORD_ONLY, default=option, annotation=kind)


def _hub_option(name: str, kind: Any, about: str) -> Parameter:
    variable = f"ULTRAVIOLET_{name.upper()}"
    return _option(name, kind, envvar=variable, rich_help_panel="Hub", help=about)


_COMMON = [
    _option("as_json", bool, "--json", default=False, help="Print JSON for programs."),
    _hub_option("url", str | None, "Address of a running hub."),
    _hub_option("key", str | None, "API key for that hub."),
    _hub_option(
        "data",
        Path | None,
        "Directory of a hub on this machine; default: the hub of the current context, else"
        f" {connection.DATA}.",
    ),
]
"""Options of all commands that address a hub."""
_WATCH = _option("watch", bool, "--watch", default=False, help="Repeat every 2 s until Ctrl-C.")
