"""`ultraviolet doctor`: check for common problems, with their causes and next steps."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import output
from ultraviolet.cli.support.connection import resolve
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.errors import UltravioletError

COLUMNS = {"": "mark", "check": "subject", "finding": "message", "next step": "next_step"}
MARKS = {"info": "✓", "warning": "!", "error": "✗"}


class ChecksFailedError(UltravioletError):
    """The checks found errors; see the findings above."""

    kind = "checks-failed"
    exit_code = 10


@returns("[ultraviolet.cli.doctor.problems:CheckResult]")
def doctor(
    *,
    url: Annotated[
        str | None, typer.Option(envvar="ULTRAVIOLET_URL", help="Address of a remote hub.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="ULTRAVIOLET_KEY", help="API key for that hub.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="ULTRAVIOLET_DATA",
            help="Directory of the hub; default: the hub of the current context.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port to check if no hub is running.")] = 8000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check this machine, the hub and its integrations for common problems. Changes nothing.

    Exit code 10 if there are errors (✗). Warnings (!) may be intended.

    Examples: `ultraviolet doctor`, `ultraviolet doctor --data /var/lib/ultraviolet --json`,
    `ultraviolet doctor --url https://ultraviolet.example.com`
    """
    from ultraviolet.cli.doctor import hub, machine

    # The machine of a remote hub cannot be checked from here.
    address = resolve(url, key, data)
    remote = address.url and not address.data.exists()
    checks = [] if remote else list(machine.check_machine(address.data))
    checks += hub.check_hub(address, port)
    rows = [msgspec.to_builtins(check) for check in checks]
    if as_json:
        output.write_json(rows)
    else:
        output.write_table([{**row, "mark": MARKS[row["severity"]]} for row in rows], COLUMNS)
        for cause in dict.fromkeys(f"{one.subject}: {one.cause}" for one in checks if one.cause):
            typer.echo(escape_controls(f"Common causes – {cause}"), err=True)
        if address.context:
            typer.echo(f"Checked the {address}.", err=True)
    if any(check.severity == "error" for check in checks):
        raise ChecksFailedError
