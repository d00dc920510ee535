"""What every command over the API is given: the API, where results go, and where talk goes."""

import functools
import inspect
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import output
from ultraviolet.cli.support.api import Api, Json
from ultraviolet.cli.support.connection import HubAddress
from ultraviolet.errors import InvalidError
from ultraviolet.text import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

DATA = Path("ultraviolet-data")
WATCH_EVERY = 2.0
"""Seconds between two looks of `--watch`."""
CLEAR = "\x1b[2J\x1b[H"
"""What a terminal clears itself by."""


class Session:
    """One run of one command."""

    def __init__(self, api: Api, *, as_json: bool) -> None:
        """Speak to the user about what `api` answers."""
        self.api = api
        self.as_json = as_json

    def show(self, value: Json, columns: output.Columns | None = None) -> None:
        """Print one result: as it came for programs, as lines for people."""
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
        """Talk to a person, on stderr so that results stay clean; programs are spared."""
        if not self.as_json:
            typer.echo(escape_controls(text), err=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something that cannot be undone; without a terminal, `--yes` has to be given."""
        if yes:
            return
        if not sys.stdin.isatty():
            raise InvalidError(
                f"{question} Nothing was done; give --yes to do it without being asked."
            )
        typer.confirm(escape_controls(question), abort=True, err=True)

    def integration(self, name: str | None) -> Json:
        """Find an integration by name or id; the only one where no name is given."""
        found = list(self.api.items("/integrations", limit=1000))
        if name is None:
            if len(found) == 1:
                return found[0]
            raise InvalidError(_which(found))
        for one in found:
            if name in (str(one["id"]), one["name"]):
                return one
        near = did_you_mean(name, [str(one["name"]) for one in found])
        raise InvalidError(f"There is no integration “{name}”.{near or f' {_which(found)}'}")


def _which(found: list[Json]) -> str:
    if not found:
        return "There is no integration yet; add one with `ultraviolet integration add`."
    names = ", ".join(str(one["name"]) for one in found)
    return f"Say which integration is meant: {names}."


def command(
    app: typer.Typer, name: str, *, watchable: bool = False
) -> Callable[[Callable[Concatenate[Session, P], R]], Callable[..., R]]:
    """Register a function of a `Session` as a command that also takes `--json`, `--url`, `--key` and `--data`.

    One that only shows something may be `watchable`: with `--watch` it shows it again every few seconds.
    """

    def register(function: Callable[Concatenate[Session, P], R]) -> Callable[..., R]:
        @functools.wraps(function)
        def run(
            *,
            as_json: bool,
            url: str | None,
            key: str | None,
            data: Path,
            watch: bool = False,
            **options: Any,
        ) -> R:
            with open_session(HubAddress(url, key, data), as_json=as_json) as session:
                while watch:
                    if sys.stdout.isatty():
                        sys.stdout.write(CLEAR)
                    function(session, **options)  # pyright: ignore[reportCallIssue]  the signature is built below
                    sys.stdout.flush()
                    session.api.pause(WATCH_EVERY)
                return function(session, **options)  # pyright: ignore[reportCallIssue]

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        own += [_WATCH] if watchable else []
        run.__signature__ = inspect.Signature([*own, *_COMMON])  # pyright: ignore[reportAttributeAccessIssue]
        run.__annotations__ = {one.name: one.annotation for one in [*own, *_COMMON]}
        return app.command(name)(run)

    return register


@contextmanager
def open_session(where: HubAddress, *, as_json: bool) -> Generator[Session]:
    """Connect to the hub that is meant, for the length of one command."""
    from ultraviolet.cli.support import connection

    with connection.connect(where) as api:
        yield Session(api, as_json=as_json)


def _common() -> list[inspect.Parameter]:
    hub = "Which hub"
    options: list[tuple[str, Any, Any]] = [
        (
            "as_json",
            Annotated[bool, typer.Option("--json", help="Print JSON for programs.")],
            False,
        ),
        (
            "url",
            Annotated[
                str | None,
                typer.Option(
                    envvar="ULTRAVIOLET_URL", rich_help_panel=hub, help="Address of a running hub."
                ),
            ],
            None,
        ),
        (
            "key",
            Annotated[
                str | None,
                typer.Option(
                    envvar="ULTRAVIOLET_KEY", rich_help_panel=hub, help="API key for that hub."
                ),
            ],
            None,
        ),
        (
            "data",
            Annotated[
                Path,
                typer.Option(
                    envvar="ULTRAVIOLET_DATA",
                    rich_help_panel=hub,
                    help="Directory of a hub on this machine.",
                ),
            ],
            DATA,
        ),
    ]
    kind = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, kind, default=default, annotation=a) for name, a, default in options
    ]


_COMMON = _common()
_WATCH = inspect.Parameter(
    "watch",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool, typer.Option("--watch", help="Show it again every 2 s, until Ctrl-C.")
    ],
)
