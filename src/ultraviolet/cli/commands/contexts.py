"""`ultraviolet login` and `ultraviolet context`: named hubs for the other commands."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import typer

from ultraviolet.cli.support import completion, contexts, output
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.command_text import command as line
from ultraviolet.errors import InvalidError

app = typer.Typer(
    no_args_is_help=True, help="Named hubs for the other commands: list, use, show, remove."
)

COLUMNS = {"current": "current", "name": "name", "hub": "hub"}
FIELDS = {
    "name": "name of the context",
    "hub": "address or directory of the hub",
    "current": "whether commands use it",
}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Name = Annotated[
    str,
    typer.Argument(help="Name of the context.", autocompletion=completion.complete_context),
]


class ListedContext(msgspec.Struct, frozen=True):
    """A context without its key; `hub` is an address or a directory."""

    name: str
    hub: str
    current: bool


@returns(plus={**FIELDS, "user": "name of the API key", "role": "role of the API key"})
def login(
    url: Annotated[str, typer.Argument(help="Address of the hub.")],
    *,
    name: Annotated[
        str | None, typer.Option(help="Name of the context; default: the host of the address.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="ULTRAVIOLET_KEY",
            help="API key, from Settings of the hub; prompted for if omitted.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check an API key of a hub, store both as a context, and use it for all further commands.

    The context is stored in `~/.config/ultraviolet`, or in `XDG_CONFIG_HOME`, readable by you only.
    Commands use it without --url, --data, ULTRAVIOLET_URL, ULTRAVIOLET_DATA and
    ULTRAVIOLET_DATABASE_URL.

    Examples: `ultraviolet login https://ultraviolet.example.com`,
    `ultraviolet login https://ultraviolet.example.com --name plant-1`
    """
    from ultraviolet.cli.support.transports import Api

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidError(
            f"“{url}” is not a valid address. Example: https://ultraviolet.example.com"
        )
    key = key or str(typer.prompt("API key", hide_input=True, err=True))
    with Api(url, key) as api:
        caller = api.get("/me")
    name = name or parts.netloc.rpartition("@")[2]
    stored = contexts.load()
    stored.contexts[name] = contexts.Context(url=url.rstrip("/"), key=key)
    stored.current = name
    stored.save()
    _show(stored, name, as_json, {"user": caller["name"], "role": caller["role"]})
    typer.echo("Commands use this hub now. Next: ultraviolet status", err=True)


@app.command("list")
@returns("[ultraviolet.cli.commands.contexts:ListedContext]")
def list_(*, as_json: AsJson = False) -> None:
    """List the contexts.

    Example: `ultraviolet context list`
    """
    stored = contexts.load()
    rows = [_row(stored, name) for name in stored.contexts]
    if as_json:
        output.write_json(rows)
    elif rows:
        output.write_table(rows, COLUMNS)
    else:
        typer.echo("No contexts yet. Next: ultraviolet login URL", err=True)


@app.command("use")
@returns(plus=FIELDS)
def use(name: Name, *, as_json: AsJson = False) -> None:
    """Use a context for all further commands.

    Example: `ultraviolet context use plant-1`
    """
    stored = contexts.load()
    stored.get(name)
    stored.current = name
    stored.save()
    _show(stored, name, as_json)


@app.command("show")
@returns(plus=FIELDS)
def show(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name; default: the current context.", autocompletion=completion.complete_context
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show a context without its key.

    Example: `ultraviolet context show`
    """
    stored = contexts.load()
    name = name or stored.current
    if name is None:
        raise InvalidError(
            "No current context: commands use the hub in --data. Next: ultraviolet login URL"
        )
    stored.get(name)
    _show(stored, name, as_json)


@app.command("remove")
@returns(plus={"removed": "name of the context"})
def remove(name: Name, *, as_json: AsJson = False) -> None:
    """Remove a context and its stored key. The key itself stays valid.

    Example: `ultraviolet context remove plant-1`
    """
    stored = contexts.load()
    stored.get(name)
    del stored.contexts[name]
    if stored.current == name:
        stored.current = None
    stored.save()
    (output.write_json if as_json else output.write_pairs)({"removed": name})
    typer.echo(f"To end a key: {line('key list')}, then {line('key revoke', '1')}", err=True)


def _row(stored: contexts.Contexts, name: str) -> dict[str, str | bool]:
    listed = ListedContext(name, stored.contexts[name].address, name == stored.current)
    return msgspec.to_builtins(listed)


def _show(
    stored: contexts.Contexts, name: str, as_json: bool, more: dict[str, str] | None = None
) -> None:
    shown = {**_row(stored, name), **(more or {})}
    (output.write_json if as_json else output.write_pairs)(shown)
