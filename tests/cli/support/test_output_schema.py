"""The `--json` output of commands has the documented fields."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from docs.generate.commands import leaves, schema_of
from typer.testing import CliRunner

from ultraviolet import clock
from ultraviolet.cli.main import app
from ultraviolet.cli.support.output_schema import returned_type
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

DECLARED = {
    path.removeprefix("ultraviolet "): returned_type(command.callback) for path, command in leaves()
}
COMMANDS = {
    "config show": "config show",
    "integration list": "integration list",
    "integration show": "integration show plant",
    "status": "status",
    "freshness": "freshness",
    "drift": "drift",
    "object list": "object list suppliers",
    "object show": "object show suppliers 1",
    "object history": "object history suppliers 1",
    "object diff": "object diff suppliers 1 --from 1d",
    "webhook create": "webhook create",
    "webhook list": "webhook list",
    "key create": "key create nightly",
    "key list": "key list",
    "user add": "user add ada",
    "user list": "user list",
    "user link": "user link ada",
    "setup text": "setup text",
    "db check": "db check",
    "db backup": "db backup backup.db",
    "doctor": "doctor",
    "webhook revoke": "webhook revoke 1 --yes",
    "integration remove": "integration remove plant --yes",
}


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Commands on a stopped hub with one paused integration and one object."""
    hub = Hub.open(Settings(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", "http://hub.test"))
    new = NewIntegration("plant", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")

    def fill(connection: Any) -> None:
        made = integrations.create(connection, hub.secrets, "test", new)
        integrations.pause(connection, "test", made.id)
        now = clock.now_rfc3339()
        origin = Origin("fetch", "1")
        doc = {"id": 1, "name": "Bolts Ltd"}
        seen = Observation("suppliers", "1", "full", doc, now, origin, read_started_at=now)
        apply(connection, hub.catalog, made.id, [seen], [])

    hub.database.write_now(fill)
    hub.close()
    monkeypatch.setenv("ULTRAVIOLET_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return CliRunner()


def test_json_has_the_documented_fields(runner: CliRunner) -> None:
    for name, command in COMMANDS.items():
        done = runner.invoke(app, shlex.split(f"{command} --json"))
        assert done.stdout, (command, done.exception)
        declared, answer = DECLARED[name], json.loads(done.stdout)
        assert declared
        if not declared.what:
            assert set(declared.plus) == set(answer), command
            continue
        kind = declared.what[-1 if name == "object list" else 0]
        schema, _ = schema_of(kind, declared.part)
        if kind.startswith("["):
            assert isinstance(answer, list), command
            answer = answer[0]
        required, known = (
            set(schema.get("required", ())),
            set(schema["properties"]) | set(declared.plus),
        )
        assert required <= set(answer) <= known, (
            command,
            required - set(answer),
            set(answer) - known,
        )
