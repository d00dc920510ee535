"""`ultraviolet user` and `ultraviolet key`: special characters, concurrency."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.command_line import run_command

from ultraviolet.hub.accounts import api_keys
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module", params=["over HTTP", "in this process"])
def cli(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """Run a command on a running hub, and on a stopped one."""
    if request.param == "over HTTP":
        return request.getfixturevalue("hub").cli
    data = tmp_path_factory.mktemp("stopped")
    Hub.open(Settings(data, f"sqlite:///{data / 'hub.db'}", "http://hub.test")).close()
    return partial(run_command, ULTRAVIOLET_DATA=str(data))


def test_user_with_special_characters_is_removed_alone(cli: Cli) -> None:
    for name in ("ada", "ada#2", "bob", "bob?x"):
        assert 0 == cli("user", "add", name).returncode
    for name in ("ada#2", "bob?x"):
        assert 0 == cli("user", "remove", name, "--yes").returncode
    left = {one["name"] for one in json.loads(cli("user", "list", "--json").stdout)}
    assert {"ada", "bob"} == left - {"admin"}


def test_empty_session_id_is_rejected(cli: Cli) -> None:
    done = cli("user", "sign-out", "admin", "--session", "")
    assert (2, "ultraviolet: “” is not a valid id or name.\n") == (done.returncode, done.stderr)


def test_concurrent_commands_keep_separate_keys(tmp_path: Path) -> None:
    hub = Hub.open(Settings(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", "http://hub.test"))
    hub.database.write_now(api_keys.create_key, "ada", "command line", "viewer")
    command = [sys.executable, "-m", "ultraviolet", "key", "list", "--data", str(tmp_path)]
    commands = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    errors = [one.communicate(timeout=120)[1] for one in commands]
    assert [0] * 3 == [one.returncode for one in commands], errors
    assert ["command line"] == [key.name for key in hub.database.read_now(api_keys.list_keys)]
    hub.close()
