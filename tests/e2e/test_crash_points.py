"""kill -9 at every failpoint: no acknowledged delivery is lost, and the mirror converges."""

import json
from typing import Any

import pytest

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


@pytest.fixture(autouse=True)
def no_receiver_is_left(local_ion: Any) -> Any:
    """Deactivate the receivers of earlier hubs, since these tests share a local ION."""
    yield
    for edge in local_ion.execute(RECEIVERS)["webhookReceivers"]["edges"]:
        node = edge["node"]
        local_ion.execute(SWITCH_OFF, i={"id": node["id"], "etag": node["_etag"], "active": False})


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


def revive(hub: Any, start_hub: Any) -> Any:
    return start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]))


def fetched(hub: Any, integration: dict[str, Any]) -> bool:
    try:
        items = hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"]
    except OSError:  # it died during the request
        return False
    return bool(items) and all(item["state"] == "done" for item in items)


def assert_right(hub: Any) -> None:
    done = hub.cli("verify", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0, report
    assert report["equal"] == report["objects"] > 100


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
    local_ion: Any, start_hub: Any, wait: Any, point: str
) -> None:
    hub = start_hub(ULTRAVIOLET_CRASH_AT=f"{point}")
    integration = add(hub, local_ion)
    wait(lambda: dead(hub) or fetched(hub, integration), 60, "the first fetch")
    assert not dead(hub), "it crashed before any change"
    hub.api("POST", f"/integrations/{integration['id']}/setup", {"mode": "automatic"})
    before = local_ion.accepted()
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
    assert_right(again)


@pytest.mark.parametrize(
    "point",
    ["fetch.prepared", "fetch.page_applied:9", "fetch.steps_done", "fetch.absence_proven"],
)
def test_fetch_continues_after_a_crash(
    local_ion: Any, start_hub: Any, wait: Any, point: str
) -> None:
    gone = Supplier(local_ion, f"gone at {point}")
    hub = start_hub(ULTRAVIOLET_CRASH_AT=point)
    integration = add(hub, local_ion)
    wait(lambda: dead(hub) or fetched(hub, integration), 60, "the first fetch or the crash")
    gone.delete()
    if not dead(hub):
        hub.api("POST", f"/integrations/{integration['id']}/fetches", {"mode": "full"})
    wait(lambda: dead(hub), 60, f"the crash at {point}")

    again = revive(hub, start_hub)

    wait(lambda: fetched(again, integration), 60, "the resumed fetch")
    again.fetch(integration)
    assert_right(again)


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


@pytest.mark.parametrize("point", ["setup.minted", "setup.receiver_created", "setup.subscribed"])
def test_set_up_can_be_repeated_after_a_crash(
    local_ion: Any, start_hub: Any, wait: Any, point: str
) -> None:
    hub = start_hub(ULTRAVIOLET_CRASH_AT=point)
    integration = add(hub, local_ion)
    set_up = ("POST", f"/integrations/{integration['id']}/setup", {"mode": "automatic"})
    with pytest.raises(OSError, match=r"closed connection|reset"):
        hub.api(*set_up)
    wait(lambda: dead(hub), 30, f"the crash at {point}")
    again = revive(hub, start_hub)

    result = again.api(*set_up)

    assert result["plan"]["missing"] == []
    assert len(local_ion.execute(RECEIVERS)["webhookReceivers"]["edges"]) == 1
    wait(lambda: fetched(again, integration), 60, "the first fetch")
    supplier = Supplier(local_ion, point)
    path = f"/objects/suppliers/{supplier.node['id']}"
    wait(lambda: again.find(path), 5, "a change by webhook")


def test_migration_can_be_repeated_after_a_crash(start_hub: Any, tmp_path: Any) -> None:
    data = tmp_path / "hub" / "data"
    with pytest.raises(Exception, match="was ended by SIGKILL"):
        start_hub(data=data, ULTRAVIOLET_CRASH_AT="migration.written")
    assert (data / "hub.db").exists()

    again = start_hub(data=data)

    assert again.api("GET", "/integrations")["items"] == []
