"""The command tree."""

from functools import cache
from typing import Any

import typer

import ultraviolet
from ultraviolet.cli.commands import (
    alerts,
    changes,
    config,
    contexts,
    db,
    demo,
    doctor,
    events,
    fetches,
    integrations,
    ion,
    keys,
    objects,
    secrets,
    serve,
    setup,
    sql,
    status,
    users,
    verify,
    webhooks,
)
from ultraviolet.cli.support import help_layout
from ultraviolet.cli.support.session import command

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Documentation: `/docs` on each hub, such as http://127.0.0.1:8000/docs.",
)
app.command("serve", rich_help_panel="Processes")(serve.serve)
app.command("demo", rich_help_panel="Processes")(demo.demo)
app.command("doctor", rich_help_panel="Processes")(doctor.doctor)
app.add_typer(config.app, name="config", rich_help_panel="Processes")
app.add_typer(db.app, name="db", rich_help_panel="Processes")
app.add_typer(secrets.app, name="secrets", rich_help_panel="Processes")
app.add_typer(ion.app, name="ion", rich_help_panel="Processes")
app.command("login", rich_help_panel="Processes")(contexts.login)
app.add_typer(contexts.app, name="context", rich_help_panel="Processes")
app.add_typer(integrations.app, name="integration")
app.add_typer(webhooks.app, name="webhook")
app.add_typer(setup.app, name="setup")
app.add_typer(fetches.app, name="fetch")
app.add_typer(events.app, name="event")
app.add_typer(objects.app, name="object")
command(app, "changes")(changes.changes)
app.command("sql")(sql.sql)
app.add_typer(verify.app, name="verify")
app.add_typer(status.app)
app.add_typer(alerts.app, name="alert")
app.add_typer(keys.app, name="key")
app.add_typer(users.app, name="user")


def print_version(requested: bool) -> None:
    """Print the version and exit."""
    if requested:
        typer.echo(f"ultraviolet {ultraviolet.__version__}")
        raise typer.Exit


@app.callback()
def root(
    *,
    version: bool = typer.Option(
        False, "--version", callback=print_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Mirror First Resonance ION completely and provably; run a local ION for tests.

    Examples: `ultraviolet demo`, `ultraviolet serve`, `ultraviolet status --watch`,
    `ultraviolet doctor`
    """


@cache
def commands() -> Any:
    """Return the command tree, with the examples of each command near the top of its help."""
    return help_layout.arrange(typer.main.get_command(app))
