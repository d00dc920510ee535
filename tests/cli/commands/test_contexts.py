"""Contexts: commands address the hub of a login, unless an option or variable names another."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.completion import complete
from tests.conftest import HubProcess, StartHub
from typer.testing import CliRunner, Result

from ultraviolet.cli.main import app
from ultraviolet.cli.support.connection import find_running
from ultraviolet.client import ProblemError
from ultraviolet.errors import HubUnreachableError, InvalidError, NoHubError, NotFoundError
from ultraviolet.testing.local_ion_process import LocalIonProcess

INTEGRATION = {
    "name": "plant-1",
    "api_url": "http://127.0.0.1:9",
    "auth_url": "http://127.0.0.1:9",
    "client_id": "id",
    "client_secret": "secret",
}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file of the contexts, in a directory without a hub."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config" / "ultraviolet" / "contexts.json"


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(app, arguments, env=environment)


def login(hub: HubProcess, *options: str) -> Result:
    running = find_running(hub.data)
    assert running
    done = run("login", hub.url, "--key", running.key, "--json", *options)
    assert 0 == done.exit_code, done.exception
    return done


def test_commands_use_the_hub_of_the_login(start_hub: StartHub, config: Path) -> None:
    hub = start_hub()
    host = hub.url.removeprefix("http://")
    stored = json.loads(login(hub).stdout)
    assert (host, hub.url, True) == (stored["name"], stored["hub"], stored["current"])
    assert 0o600 == stat.S_IMODE(config.stat().st_mode)
    assert 0o700 == stat.S_IMODE(config.parent.stat().st_mode)

    shown = json.loads(run("status", "--json").stdout)
    assert hub.url == shown["public_url"]
    hub.api("POST", "/integrations", INTEGRATION)
    assert ["plant-1"] == complete("integration show pl", config.parents[1])
    assert [host] == complete("context use 127", config.parents[1])
    assert "key" not in json.loads(run("context", "show", "--json").stdout)

    assert isinstance(run("status", "--data", "other").exception, HubUnreachableError)
    assert isinstance(run("status", ULTRAVIOLET_DATA="other").exception, HubUnreachableError)
    assert "ULTRAVIOLET_KEY" in str(run("status", "--url", "http://127.0.0.1:9").exception)
    assert isinstance(run("status", "--key", "uvk_wrong").exception, ProblemError)


def test_error_names_the_context(start_hub: StartHub) -> None:
    hub = start_hub()
    login(hub, "--name", "plant 1")
    hub.child.stop()
    command = [sys.executable, "-m", "ultraviolet", "status"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ}
    )
    assert 6 == done.returncode
    assert "does not respond: the connection was refused. " in done.stderr
    assert done.stderr.endswith(f"\nThe command used the context plant 1 ({hub.url}).\n")


def test_rejected_key_is_not_stored(start_hub: StartHub, config: Path) -> None:
    hub = start_hub()
    refused = run("login", hub.url, "--key", "uvk_no")
    assert isinstance(refused.exception, ProblemError)
    assert 3 == refused.exception.exit_code
    assert isinstance(run("login", "hub.test", "--key", "uvk_no").exception, InvalidError)
    assert not config.exists()


def test_contexts_are_listed_selected_and_removed(config: Path) -> None:
    config.parent.mkdir(parents=True)
    contexts = {name: {"url": f"https://{name}.test", "key": "uvk_x"} for name in ("one", "two")}
    config.write_text(json.dumps({"current": "one", "contexts": contexts}))
    assert "one" == json.loads(run("context", "show", "--json").stdout)["name"]
    run("context", "use", "two")
    listed = {
        row["name"]: row["current"] for row in json.loads(run("context", "list", "--json").stdout)
    }
    assert {"one": False, "two": True} == listed
    run("context", "remove", "two")
    assert {"one": contexts["one"]} == json.loads(config.read_text())["contexts"]
    assert isinstance(run("context", "show").exception, InvalidError)
    mistyped = run("context", "use", "ones").exception
    assert isinstance(mistyped, NotFoundError)
    assert "one" in str(mistyped)


def test_sql_uses_the_hub_of_the_context(config: Path) -> None:
    config.parent.mkdir(parents=True)
    far = {"url": "http://127.0.0.1:9", "key": "uvk_x"}
    config.write_text(json.dumps({"current": "far", "contexts": {"far": far}}))
    with pytest.raises(HubUnreachableError, match=r"127\.0\.0\.1:9"):
        raise run("sql", "SELECT 1").exception or AssertionError
    with pytest.raises(InvalidError, match="at most 300"):
        raise run("sql", "--timeout", "301", "SELECT 1").exception or AssertionError


def test_login_to_another_server_is_refused(local_ion: LocalIonProcess) -> None:
    with pytest.raises(NoHubError, match="does not belong to a hub"):
        raise run("login", local_ion.url, "--key", "uvk_x").exception or AssertionError


def test_invalid_file_is_reported(config: Path) -> None:
    config.parent.mkdir(parents=True)
    config.write_text("{")
    with pytest.raises(InvalidError, match=r"contexts\.json is not valid"):
        raise run("status").exception or AssertionError
