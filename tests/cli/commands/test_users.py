"""`ultraviolet user` and `ultraviolet key`: special characters, concurrency."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import HubProcess, StartHub

from ultraviolet.hub.accounts import api_keys
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub


@pytest.fixture(params=["over HTTP", "in this process"])
def hub(request: pytest.FixtureRequest, start_hub: StartHub) -> HubProcess:
    """A running hub, and a stopped one."""
    hub = start_hub()
    if request.param == "in this process":
        hub.child.stop()
    return hub


def test_user_with_special_characters_is_removed_alone(hub: HubProcess) -> None:
    for name in ("ada", "ada#2", "bob", "bob?x"):
        assert 0 == hub.cli("user", "add", name).returncode
    for name in ("ada#2", "bob?x"):
        assert 0 == hub.cli("user", "remove", name, "--yes").returncode
    left = {one["name"] for one in json.loads(hub.cli("user", "list", "--json").stdout)}
    assert {"ada", "bob"} == left - {"admin"}


def test_empty_session_id_is_rejected(hub: HubProcess) -> None:
    done = hub.cli("user", "sign-out", "admin", "--session", "")
    assert (2, "ultraviolet: “” is not a valid id or name.\n") == (done.returncode, done.stderr)


def test_concurrent_commands_keep_separate_keys(
    tmp_path: Path,
) -> None:
    hub = Hub.open(Settings(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", "http://hub.test"))
    hub.database.write_now(api_keys.create_key, "ada", "command line", "viewer")
    command = [sys.executable, "-m", "ultraviolet", "key", "list", "--data", str(tmp_path)]
    commands = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [one.communicate(timeout=120)[1] for one in commands]
    assert [0] * 4 == [one.returncode for one in commands], errors
    assert ["command line"] == [key.name for key in hub.database.read_now(api_keys.list_keys)]
    hub.close()
