"""Commands on a hub with several integrations: lists show all, others say how to select one."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ultraviolet import clock
from ultraviolet.cli.main import app, commands
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.core.finding_store import add_findings
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

NAMES = ("plant", "plant 2")
OPTION = "--integration"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stopped hub with two paused integrations, each with an object, a URL and a finding."""
    folder: Path = tmp_path_factory.mktemp("several")
    hub = Hub.open(Settings(folder, f"sqlite:///{folder / 'hub.db'}", "http://hub.test"))

    def fill(connection: Any) -> None:
        for name in NAMES:
            new = NewIntegration(name, "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
            made = integrations.create(connection, hub.secrets, "test", new)
            integrations.pause(connection, "test", made.id)
            now = clock.now_rfc3339()
            doc = {"id": 1, "name": f"Bolts of {name}"}
            origin = Origin("fetch", "1")
            seen = Observation("suppliers", "1", "full", doc, now, origin, read_started_at=now)
            apply(connection, hub.catalog, made.id, [seen], [])
            webhook_urls.create_url(connection, "test", made.id, "Ultraviolet")
            add_findings(
                connection, made.id, [Finding("permission", "error", f"Wrong in {name}", "")]
            )

    hub.database.write_now(fill)
    hub.close()
    return folder


@pytest.fixture
def run(data: Path) -> Any:
    def run(command: str) -> Any:
        return CliRunner().invoke(app, shlex.split(command), env={"ULTRAVIOLET_DATA": str(data)})

    return run


def test_lists_show_every_integration(run: Any) -> None:
    for command in ("webhook list", "integration findings", "object list"):
        done = run(command)
        assert done.exit_code == 0, (command, done.output)
        head, *rows = done.stdout.splitlines()
        assert head.startswith("integration"), command
        assert {"plant", "plant 2"} == {row[:7].strip() for row in rows if row}, command
    assert not run(f"webhook list {OPTION} 'plant 2'").stdout.startswith("integration")
    for command in ("fetch list", "verify list", "drift", "event list"):
        assert run(command).exit_code == 0, command
    assert "plant 2: Paused" in run("freshness").output
    found = json.loads(run("webhook list --json").stdout)
    assert [(one["id"], one["integration"]) for one in found] == [(2, "plant 2"), (1, "plant")]
    limited = json.loads(run("integration findings --limit 1 --json").stdout)
    assert [one["message"] for one in limited] == ["Wrong in plant 2"]


def test_errors_have_the_command_for_each_integration(run: Any) -> None:
    for typed, path, rest in (
        ("verify --sample 5", "verify run", " --sample 5"),
        ("fetch run --mode full", "fetch run", " --mode full"),
        (
            "object list suppliers --filter 'name=a b'",
            "object list",
            " suppliers --filter 'name=a b'",
        ),
        ("object export suppliers", "object export", " suppliers"),
        ("changes --key uvk_hidden --limit 2", "changes", " --key … --limit 2"),
        ("freshness --json", "freshness", " --json"),
        ("integration retention --key=uvk_hidden", "integration retention", " --key=…"),
    ):
        error = run(typed).exception
        lines = str(error).splitlines()
        assert lines == [
            "Several integrations exist. Select one:",
            f"  ultraviolet {path} --integration plant{rest}",
            f"  ultraviolet {path} --integration 'plant 2'{rest}",
        ], typed
    suggested = "object show --integration 'plant 2' suppliers 1"
    assert "Bolts of plant 2" in run(suggested).stdout


def test_every_command_accepts_the_option(run: Any) -> None:
    def parameters(command: Any) -> list[set[str]]:
        below = [parameters(one) for one in getattr(command, "commands", {}).values()]
        return [
            {name for one in command.params for name in one.opts},
            *(s for b in below for s in b),
        ]

    with_argument = [names for names in parameters(commands()) if "integration" in names]
    assert with_argument
    assert all(OPTION in names for names in with_argument)

    assert json.loads(run(f"integration show {OPTION} 'plant 2' --json").stdout)["id"] == 2
    assert run(f"integration show plant {OPTION} plant --json").exit_code == 0
    both = run(f"integration show plant {OPTION} 'plant 2'")
    assert "Two integrations are given" in str(both.exception)
    assert "Specify the integration to remove" in str(run("integration remove").exception)
    assert "Available: plant, plant 2." in str(run(f"freshness {OPTION} x").exception)
