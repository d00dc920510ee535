"""docs/local-ion.md describes every option, quirk, kind of fault and scenario."""

from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from ultraviolet.cli.commands import ion as commands
from ultraviolet.local_ion.faults.kinds import (
    FAULT_KINDS,
    Fault,
    FaultKindName,
    load_scenarios,
)
from ultraviolet.local_ion.quirks import QUIRKS

DOCUMENT = (Path(__file__).parents[2] / "docs" / "local-ion.md").read_text()


def row(name: str) -> list[str]:
    """Return the cells of a table row."""
    (found,) = [line for line in DOCUMENT.splitlines() if line.startswith(f"| `{name}` |")]
    return [cell.strip() for cell in found.strip("|").split(" | ")]


@pytest.mark.parametrize("kind", get_args(FaultKindName))
def test_documentation_describes_every_kind_of_fault(kind: FaultKindName) -> None:
    known = FAULT_KINDS[kind]
    takes = ", ".join(f"`{name}` ({value})" for name, value in known.settings.items()) or "–"
    assert [f"`{kind}`", known.description, known.target or "–", takes] == row(kind)


@pytest.mark.parametrize("name", load_scenarios())
def test_documentation_lists_the_faults_of_every_scenario(name: str) -> None:
    known = load_scenarios()[name]
    _, description, faults = row(name)
    assert (known.description, [f"`{f.kind}`" for f in known.faults]) == (
        description,
        [fault.split()[0] for fault in faults.split("; ")],
    )


def test_documentation_describes_every_field_of_a_fault() -> None:
    settings = {"seconds", "number", "status", "message", "value"}
    for name in Fault.__struct_fields__:
        assert f"`{name}`" in DOCUMENT if name in settings else row(name)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_documentation_describes_every_quirk(quirk: str) -> None:
    assert row(quirk)


def test_documentation_describes_every_option() -> None:
    command: Any = typer.main.get_command(commands.app)
    options = [
        name
        for option in command.commands["serve"].params
        for name in (option.secondary_opts or option.opts)
        if name.startswith("--")
    ]
    assert [] == [name for name in options if f"`{name}" not in DOCUMENT]
