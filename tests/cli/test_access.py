"""People and keys from the command line: what is typed means whom it names and nobody else."""

import json

import pytest
from tests.conftest import HubProcess, StartHub


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
    assert (2, "ultraviolet: “” names nothing.\n") == (done.returncode, done.stderr)
