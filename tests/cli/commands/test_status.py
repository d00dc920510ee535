"""`ultraviolet status`: its exit code states whether the hub and its integrations are healthy."""

from tests.conftest import LocalIonProcess, StartHub, wait_for


def test_exit_code_states_the_health(start_hub: StartHub, local_ion: LocalIonProcess) -> None:
    hub = start_hub()
    hub.connect(local_ion)
    assert hub.cli("fetch", "run", "--mode", "full").returncode == 0

    assert hub.cli("status").returncode == 0

    local_ion.child.stop()
    wait_for(lambda: hub.cli("status").returncode == 10, 60, "exit code 10 without ION")
    assert "Follow the next step" in hub.cli("status").stderr
    hub.child.stop()
    assert hub.cli("status", "--json").returncode == 6
