"""`ultraviolet doctor`: look at everything that commonly goes wrong, and say what to do about it."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from ultraviolet.cli import output
from ultraviolet.cli.answers import gives
from ultraviolet.cli.api import Api, Json
from ultraviolet.cli.session import DATA
from ultraviolet.errors import UltravioletError

SCARCE = 1_000_000_000
COLUMNS = {"": "mark", "what": "what", "finding": "finding", "next step": "next_step"}


class UnwellError(UltravioletError):
    """Something needs attention; see the findings above."""

    kind = "unwell"
    exit_code = 10


class Check(msgspec.Struct, frozen=True):
    """What was looked at and what was found."""

    what: str
    state: Literal["well", "warning", "wrong"]
    finding: str
    next_step: str = ""


@gives("[ultraviolet.cli.doctor:Check]")
def doctor(
    *,
    data: Annotated[Path, typer.Option(envvar="ULTRAVIOLET_DATA", help="Directory of the hub.")] = DATA,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Look at this machine, the hub on it and its integrations; exit code 10 where something is wrong.

    Examples: `ultraviolet doctor`, `ultraviolet doctor --data /var/lib/ultraviolet --json`
    """
    checks = [*machine(data), *running(data)]
    rows = [msgspec.to_builtins(check) for check in checks]
    if as_json:
        output.write_json(rows)
    else:
        marks = {"well": "✓", "warning": "!", "wrong": "✗"}
        output.write_table([{**row, "mark": marks[row["state"]]} for row in rows], COLUMNS)
    if any(check.state == "wrong" for check in checks):
        raise UnwellError


def machine(data: Path) -> Iterator[Check]:
    """Look at what the hub stands on."""
    yield Check("Python", "well", sys.version.split()[0])
    yield Check("SQLite", "well", sqlite3.sqlite_version)
    if not data.exists():
        yield Check("data", "warning", f"{data} does not exist", "The first `ultraviolet serve` creates it.")
        return
    if not os.access(data, os.W_OK):
        yield Check("data", "wrong", f"{data} cannot be written", "Run as the user who owns it.")
        return
    free = shutil.disk_usage(data).free
    state = "well" if free > SCARCE else "warning"
    yield Check("disk", state, f"{free / 1e9:.1f} GB free", "" if state == "well" else "Make room.")
    yield from _secret_key(data / "secret.key")
    yield from _database(data / "hub.db")


def running(data: Path) -> Iterator[Check]:
    """Look at the hub that runs here, and at its integrations through its API."""
    from ultraviolet.cli.connect import find_running
    from ultraviolet.cli.transports import HttpTransport

    hub = find_running(data)
    if hub is None:
        yield Check("hub", "warning", f"no hub runs on {data}", f"ultraviolet serve --data {data}")
        return
    try:
        with Api(HttpTransport(hub.url, hub.key)) as api:
            yield Check("hub", "well", f"{hub.url}, process {hub.pid}")
            for integration in api.items("/integrations", 1000):
                yield from _integration(api, integration)
    except UltravioletError as error:
        yield Check("hub", "wrong", str(error), "Look at its log, and start it again.")


def _integration(api: Api, integration: Json) -> Iterator[Check]:
    name = f"integration {integration['name']}"
    if integration["paused"]:
        yield Check(name, "warning", "paused", f"ultraviolet integration resume {integration['name']}")
        return
    result = api.post(f"/integrations/{integration['id']}/test")
    if result["ok"]:
        viewer: Json = result.get("viewer") or {}
        yield Check(name, "well", f"signed in as {viewer.get('name')}")
    states = {"error": "wrong", "warning": "warning"}
    for finding in result["findings"]:
        state = states.get(finding["severity"], "well")
        yield Check(
            name,
            msgspec.convert(state, Literal["well", "warning", "wrong"]),
            finding["message"],
            finding["next_step"],
        )
    setup = api.get(f"/integrations/{integration['id']}/setup")
    for step in setup["steps"]:
        state = "well" if step["done"] else "warning"
        yield Check(
            f"{name}: {step['name']}",
            state,
            step.get("detail") or "",
            "" if step["done"] else "ultraviolet setup plan",
        )


def _secret_key(path: Path) -> Iterator[Check]:
    if not path.exists():
        return
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        yield Check("secret key", "wrong", f"{path} can be read by others ({mode:o})", f"chmod 600 {path}")
    else:
        yield Check("secret key", "well", f"{path}, only for its owner")


def _database(path: Path) -> Iterator[Check]:
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.Error as error:
        verdict = str(error)
    if verdict == "ok":
        yield Check("database", "well", f"{path}, {path.stat().st_size / 1e6:.0f} MB")
    else:
        yield Check("database", "wrong", str(verdict), "Stop the hub and restore a backup.")
