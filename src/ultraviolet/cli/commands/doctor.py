"""`ultraviolet doctor`: look at everything that commonly goes wrong, and say why and what to do about it."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import output
from ultraviolet.cli.support.connection import HubAddress
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import DATA
from ultraviolet.errors import UltravioletError

COLUMNS = {"": "mark", "what": "what", "finding": "finding", "next step": "next_step"}
MARKS = {"well": "✓", "warning": "!", "wrong": "✗"}


class ChecksFailedError(UltravioletError):
    """Something needs attention; see the findings above."""

    kind = "unwell"
    exit_code = 10


@returns("[ultraviolet.cli.doctor.problems:CheckResult]")
def doctor(
    *,
    url: Annotated[
        str | None, typer.Option(envvar="ULTRAVIOLET_URL", help="Address of a hub elsewhere.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="ULTRAVIOLET_KEY", help="API key for that hub.")
    ] = None,
    data: Annotated[
        Path, typer.Option(envvar="ULTRAVIOLET_DATA", help="Directory of the hub.")
    ] = DATA,
    port: Annotated[int, typer.Option(help="Port that the hub is to be started on.")] = 8000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Look at this machine, the hub and its integrations for what commonly goes wrong, and say what to do.

    It changes nothing. Exit code 10 where something is wrong; what is marked ! may be meant to be so.

    Examples: `ultraviolet doctor`, `ultraviolet doctor --data /var/lib/ultraviolet --json`,
    `ultraviolet doctor --url https://ultraviolet.example.com`
    """
    from ultraviolet.cli.doctor import hub, machine

    # A hub elsewhere stands on another machine.
    checks = [] if url and not data.exists() else list(machine.look(data))
    checks += hub.look(HubAddress(url, key, data), port)
    rows = [msgspec.to_builtins(check) for check in checks]
    if as_json:
        output.write_json(rows)
    else:
        output.write_table([{**row, "mark": MARKS[row["state"]]} for row in rows], COLUMNS)
        for cause in dict.fromkeys(f"{one.what}: {one.cause}" for one in checks if one.cause):
            typer.echo(escape_controls(f"Why, usually – {cause}"), err=True)
    if any(check.state == "wrong" for check in checks):
        raise ChecksFailedError
