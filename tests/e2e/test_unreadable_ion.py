"""While ION delivers but cannot be read, the hub stores events; afterwards the mirror converges."""

from typing import Any

import pytest
from tests.conftest import set_pace

from ultraviolet.cli.support import progress


@pytest.fixture(scope="module")
def integration(hub: Any, local_ion: Any) -> dict[str, Any]:
    made = hub.connect(local_ion)
    assert hub.fetch(made)["state"] == "done"
    return made


@pytest.mark.parametrize("kind", ["no_response", "reset", "cut_body"])
def test_unreadable_ion_loses_no_changes(
    local_ion: Any, hub: Any, integration: dict[str, Any], wait: Any, kind: str
) -> None:
    ion = local_ion
    set_pace(ion, 20)
    before = len(hub.stored_events())

    ion.faults.set(kind)
    wait(
        lambda: len(hub.stored_events()) > before + 100, 60, "deliveries that are kept all the same"
    )
    assert hub.api("GET", f"/integrations/{integration['id']}/freshness")["summary"]["stale"]
    assert hub.api("GET", "/objects/purchase_orders?limit=1")["items"]
    ion.faults.clear()
    ion.rest()

    wait(lambda: hub.at_rest(ion, integration), 120, "everything healed")
    hub.assert_equal_to_ion(integration)
    assert ion.accepted() <= hub.stored_events()


def test_command_reports_a_sync_without_a_response_of_ion(
    local_ion: Any, hub: Any, integration: dict[str, Any], wait: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(progress, "MAX_WAIT_SECONDS", 0.0)
    local_ion.faults.set("reset")

    done = hub.cli("fetch", "run")
    number = hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"][0]["id"]
    sync = hub.api("GET", f"/fetches/{number}")

    assert done.returncode == 8, done.stderr
    assert f"{sync['waits_because'].rstrip('.')}. The sync waits and" in done.stderr
    assert f"continues by itself; see `ultraviolet fetch show {number}`" in done.stderr
    assert (sync["state"], bool(sync["waits_because"])) == ("running", True)
    local_ion.faults.clear()
    wait(lambda: hub.api("GET", f"/fetches/{number}")["state"] == "done", 120, "its end")
    assert hub.api("GET", f"/fetches/{number}")["waits_because"] is None
