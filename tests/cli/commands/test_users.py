"""People and keys from the command line: what is typed means whom it names and nobody else."""

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
    """A hub that runs, or that commands open themselves."""
    hub = start_hub()
    if request.param == "in this process":
        hub.child.stop()
    return hub


def test_whoever_has_an_odd_name_is_removed_and_nobody_else(hub: HubProcess) -> None:
    for name in ("ada", "ada#2", "bob", "bob?x"):
        assert 0 == hub.cli("user", "add", name).returncode
    for name in ("ada#2", "bob?x"):
        assert 0 == hub.cli("user", "remove", name, "--yes").returncode
    left = {one["name"] for one in json.loads(hub.cli("user", "list", "--json").stdout)}
    assert {"ada", "bob"} == left - {"admin"}


def test_a_session_that_is_not_named_is_not_all_of_them(hub: HubProcess) -> None:
    done = hub.cli("user", "sign-out", "admin", "--session", "")
    assert (2, "ultraviolet: “” is not a valid id or name.\n") == (done.returncode, done.stderr)


def test_commands_side_by_side_do_not_take_each_others_key_nor_that_of_a_person(
    tmp_path: Path,
) -> None:
    hub = Hub.open(Settings(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", "http://hub.test"))
    hub.database.write_now(api_keys.create_key, "ada", "command line", "viewer")
    command = [sys.executable, "-m", "ultraviolet", "key", "list", "--data", str(tmp_path)]
    beside = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    said = [one.communicate(timeout=120)[1] for one in beside]
    assert [0] * 4 == [one.returncode for one in beside], said
    assert ["command line"] == [key.name for key in hub.database.read_now(api_keys.list_keys)]
    hub.close()
