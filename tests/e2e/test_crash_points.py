"""kill -9 at every failpoint: no acknowledged delivery is lost, and the mirror converges."""

from contextlib import suppress
from typing import Any

import pytest
from tests.conftest import wait_for

CREATE = (
    "mutation ($i: CreateSupplierInput!) { createSupplier(input: $i) { supplier { id _etag } } }"
)
UPDATE = (
    "mutation ($i: UpdateSupplierInput!) { updateSupplier(input: $i) { supplier { id _etag } } }"
)
DELETE = "mutation ($id: ID!, $etag: String!) { deleteSupplier(id: $id, etag: $etag) { id } }"
SWITCH_OFF = """mutation ($i: UpdateWebhookReceiverInput!) {
  updateWebhookReceiver(input: $i) { webhookReceiver { id } } }"""
RECEIVERS = "{ webhookReceivers(filters: {active: {eq: true}}) { edges { node { id _etag } } } }"
NEVER = "0 0 1 1 *"


def switch_receivers_off(ion: Any) -> None:
    """Deactivate the receivers of earlier hubs, since these tests share a local ION."""
    for edge in ion.execute(RECEIVERS)["webhookReceivers"]["edges"]:
        node = edge["node"]
        ion.execute(SWITCH_OFF, i={"id": node["id"], "etag": node["_etag"], "active": False})


class Supplier:
    """A changing supplier in ION."""

    def __init__(self, ion: Any, name: str) -> None:
        self.ion = ion
        self.node = ion.execute(CREATE, i={"name": name})["createSupplier"]["supplier"]

    def change(self, description: str) -> None:
        given = {"id": self.node["id"], "etag": self.node["_etag"], "description": description}
        self.node = self.ion.execute(UPDATE, i=given)["updateSupplier"]["supplier"]

    def delete(self) -> None:
        self.ion.execute(DELETE, id=self.node["id"], etag=self.node["_etag"])


def add(hub: Any, ion: Any) -> dict[str, Any]:
    given = {"name": "plant", "api_url": ion.url, "auth_url": ion.url}
    given |= {"client_id": ion.client_id, "client_secret": ion.client_secret}
    given |= {"incremental_schedule": NEVER, "full_schedule": NEVER, "requests_per_second": 500}
    return hub.api("POST", "/integrations", given)


def dead(hub: Any) -> bool:
    return hub.child.process.poll() is not None


def revive(hub: Any, start_hub: Any, **environment: str) -> Any:
    return start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]), **environment)


def fetched(hub: Any, integration: dict[str, Any]) -> bool:
    try:
        items = hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"]
    except OSError:  # it died during the request
        return False
    return bool(items) and all(item["state"] == "done" for item in items)


@pytest.fixture(scope="module")
def subscribed(module_hub: Any, local_ion: Any) -> tuple[Any, dict[str, Any]]:
    """A stopped hub with its integration, after the first fetch and the set-up."""
    hub = module_hub()
    integration = add(hub, local_ion)
    wait_for(lambda: fetched(hub, integration), 60, "the first fetch")
    hub.api("POST", f"/integrations/{integration['id']}/setup", {"mode": "automatic"})
    wait_for(lambda: fetched(hub, integration), 60, "the fetch after the set-up")
    wait_for(lambda: hub.at_rest(local_ion, integration), 60, "rest")
    hub.child.stop()
    return hub, integration


@pytest.mark.parametrize(
    "point",
    [
        "ingest.written:3",
        "ingest.committed:2",
        "apply.written:2",
        "apply.committed",
        "heal.read",
        "heal.applied",
    ],
)
def test_crash_while_changes_arrive_loses_no_delivery(
    subscribed: Any, local_ion: Any, start_hub: Any, wait: Any, point: str
) -> None:
    stopped, integration = subscribed
    before = local_ion.accepted()
    hub = revive(stopped, start_hub, ULTRAVIOLET_CRASH_AT=point)
    assert not dead(hub), "it crashed before any change"
    supplier = Supplier(local_ion, point)

    def changed_until_dead() -> bool:
        supplier.change(f"{local_ion.accepted() - before}")
        return dead(hub)

    wait(changed_until_dead, 30, f"the crash at {point}")
    accepted = local_ion.accepted() - before
    supplier.change("while the hub was down")
    again = revive(hub, start_hub)

    assert accepted <= again.stored_events()
    wait(
        lambda: again.at_rest(local_ion, integration),
        60,
        "all deliveries taken, applied and healed",
    )
    assert local_ion.accepted() - before <= again.stored_events()
    again.assert_equal_to_ion(integration)
    again.child.stop()


def test_fetch_continues_after_each_crash(local_ion: Any, start_hub: Any, wait: Any) -> None:
    """Each hub continues the fetch of the one before, and dies at the next point."""
    points = ("fetch.prepared", "fetch.page_applied:9", "fetch.steps_done")
    gone = {point: Supplier(local_ion, f"gone at {point}") for point in points}
    hub = start_hub(ULTRAVIOLET_CRASH_AT=points[0])
    integration = add(hub, local_ion)
    for point, following in zip(points, (*points[1:], "fetch.absence_proven"), strict=True):
        wait(lambda hub=hub: dead(hub), 60, f"the crash at {point}")
        gone[point].delete()
        hub = revive(hub, start_hub, ULTRAVIOLET_CRASH_AT=following)

    def dies() -> bool:
        """Fetch until the hub proves an absence, which is the last point; it may die meanwhile."""
        with suppress(OSError):
            if fetched(hub, integration):
                hub.api("POST", f"/integrations/{integration['id']}/fetches", {"mode": "full"})
        return dead(hub)

    wait(dies, 60, "the crash at fetch.absence_proven")

    again = revive(hub, start_hub)

    wait(lambda: fetched(again, integration), 60, "the resumed fetch")
    again.fetch(integration)
    again.assert_equal_to_ion(integration)


def test_deletion_of_an_integration_continues_after_a_crash(
    local_ion: Any, start_hub: Any, wait: Any
) -> None:
    hub = start_hub(ULTRAVIOLET_CRASH_AT="integration.emptied:3")
    integration = add(hub, local_ion)
    wait(lambda: fetched(hub, integration), 60, "the first fetch")
    with pytest.raises(OSError, match=r"closed connection|reset"):
        hub.api("DELETE", f"/integrations/{integration['id']}")
    wait(lambda: dead(hub), 30, "the crash")

    again = revive(hub, start_hub)

    wait(lambda: not again.api("GET", "/integrations")["items"], 30, "it is gone")
    assert again.find("/objects?limit=1") is None
    assert add(again, local_ion)["name"] == "plant"


def test_set_up_can_be_repeated_after_each_crash(local_ion: Any, start_hub: Any, wait: Any) -> None:
    """Each hub repeats the set-up of the one before, and dies at the next point."""
    switch_receivers_off(local_ion)
    first, *points = ("setup.minted", "setup.receiver_created", "setup.subscribed")
    hub = start_hub(ULTRAVIOLET_CRASH_AT=first)
    integration = add(hub, local_ion)
    set_up = ("POST", f"/integrations/{integration['id']}/setup", {"mode": "automatic"})
    for following in (*points, None):
        with pytest.raises(OSError, match=r"closed connection|reset"):
            hub.api(*set_up)
        wait(lambda hub=hub: dead(hub), 30, "the crash")
        armed = {"ULTRAVIOLET_CRASH_AT": following} if following else {}
        hub = revive(hub, start_hub, **armed)

    result = hub.api(*set_up)

    assert result["plan"]["missing"] == []
    assert len(local_ion.execute(RECEIVERS)["webhookReceivers"]["edges"]) == 1
    wait(lambda: fetched(hub, integration), 60, "the first fetch")
    supplier = Supplier(local_ion, "after the set-up")
    path = f"/objects/suppliers/{supplier.node['id']}"
    wait(lambda: hub.find(path), 5, "a change by webhook")


def test_migration_can_be_repeated_after_a_crash(start_hub: Any, tmp_path: Any) -> None:
    data = tmp_path / "hub" / "data"
    with pytest.raises(Exception, match="was ended by SIGKILL"):
        start_hub(data=data, ULTRAVIOLET_CRASH_AT="migration.written")
    assert (data / "hub.db").exists()

    again = start_hub(data=data)

    assert again.api("GET", "/integrations")["items"] == []
