"""While ION delivers but cannot be read, the hub stores events; afterwards the mirror converges."""

import json
from typing import Any

import pytest


@pytest.mark.parametrize("kind", ["no_response", "reset", "cut_body"])
def test_unreadable_ion_loses_no_changes(
    start_ion: Any, start_hub: Any, wait: Any, kind: str
) -> None:
    ion = start_ion(changes=20)
    hub = start_hub()
    integration = hub.connect(ion)
    assert hub.fetch(integration)["state"] == "done"
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
    verified = hub.cli("verify", "--json")
    assert verified.returncode == 0, json.loads(verified.stdout)
    assert ion.accepted() <= hub.stored_events()
