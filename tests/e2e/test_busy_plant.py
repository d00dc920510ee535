"""The mirror of a busy plant of 4,000 objects converges, and a crash loses nothing."""

from typing import Any

import pytest
from tests.conftest import set_pace

SIZE = 4_000
"""Several pages of each large resource."""
RATE = 100
SECONDS = 30
CHANGES = RATE * SECONDS


@pytest.mark.timeout(600)
def test_killed_hub_converges_after_100_changes_per_second(
    start_ion: Any, start_hub: Any, wait: Any
) -> None:
    ion = start_ion(size=str(SIZE))
    hub = start_hub()
    integration = hub.connect(ion)
    set_pace(ion, RATE)
    assert hub.fetch(integration)["state"] == "done"
    before = ion.changes()

    wait(
        lambda: ion.changes() - before >= CHANGES / 2, 4 * SECONDS, "the first half of the changes"
    )
    hub.child.kill()
    accepted = ion.accepted()
    hub = start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]))
    assert len(accepted) > RATE
    assert accepted <= hub.stored_events()
    wait(lambda: ion.changes() - before >= CHANGES, 4 * SECONDS, "the second half of the changes")

    ion.rest()
    wait(lambda: hub.at_rest(ion, integration), 240, "all deliveries taken, applied and healed")
    hub.assert_equal_to_ion(integration, objects=SIZE - 1)
    assert ion.accepted() <= hub.stored_events()
