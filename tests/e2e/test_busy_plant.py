"""The mirror of a busy plant of 20,000 objects converges, and a crash loses nothing."""

import json
from typing import Any

import pytest

SIZE = "20000"
RATE = 100
SECONDS = 30
CHANGES = RATE * SECONDS


@pytest.mark.timeout(600)
def test_killed_hub_converges_after_100_changes_per_second(
    start_ion: Any, start_hub: Any, wait: Any
) -> None:
    ion = start_ion(size=SIZE, changes=RATE)
    hub = start_hub()
    integration = hub.connect(ion)
    assert hub.fetch(integration)["state"] == "done"
    before = ion.changes()

    wait(
        lambda: ion.changes() - before >= CHANGES / 2, 2 * SECONDS, "the first half of the changes"
    )
    hub.child.kill()
    accepted = ion.accepted()
    hub = start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]))
    assert len(accepted) > RATE
    assert accepted <= hub.stored_events()
    wait(lambda: ion.changes() - before >= CHANGES, 2 * SECONDS, "the second half of the changes")

    ion.rest()
    wait(lambda: hub.at_rest(ion, integration), 240, "all deliveries taken, applied and healed")
    verified = hub.cli("verify", "--json")
    report = json.loads(verified.stdout)
    assert verified.returncode == 0, report
    assert (report["missing"], report["extra"], report["different"]) == (0, 0, 0)
    assert report["objects"] == report["equal"] >= 20_000
    assert ion.accepted() <= hub.stored_events()
