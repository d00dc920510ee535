"""While ION delivers but cannot be read, the hub stores events; afterwards the mirror converges."""

from typing import Any

import pytest
from tests.conftest import set_pace


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
