"""The watchdog detects and repairs broken receivers, subscriptions, keys and deliveries."""

import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

CREATE = "mutation ($i: CreateSupplierInput!) { createSupplier(input: $i) { supplier { id } } }"
RECEIVER = """{ webhookReceivers { edges { node { id _etag active webhookUri sharedSecret
  subscriptions { id _etag active } } } } }"""
UPDATE_RECEIVER = """mutation ($i: UpdateWebhookReceiverInput!) {
  updateWebhookReceiver(input: $i) { webhookReceiver { id } } }"""
DELETE_RECEIVER = (
    "mutation ($id: ID!, $etag: String!) { deleteWebhookReceiver(id: $id, etag: $etag) { id } }"
)
DELETE_SUBSCRIPTION = (
    "mutation ($id: ID!, $etag: String!) { deleteWebhookSubscription(id: $id, etag: $etag) { id } }"
)
UPDATE_SUBSCRIPTION = """mutation ($i: UpdateWebhookSubscriptionInput!) {
  updateWebhookSubscription(input: $i) { webhookSubscription { id } } }"""
CREATE_LOCATION = (
    "mutation ($i: CreateLocationInput!) { createLocation(input: $i) { location { id } } }"
)
HABIT = """INSERT INTO arrivals (integration_id, hour, resource, cause, healed_by, bucket, count)
  VALUES (?, strftime('%Y-%m-%dT%H', 'now', ?), 'locations', '', 'event', 0, 1)"""
LAST_WORD = """INSERT INTO events (integration_id, webhook_url_id, dedupe_key, resource, received_at, body, headers,
    signature, outcome)
  VALUES (?, 0, x'00', 'locations', strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', 'now', '-6 hours'), x'7b7d', '{}',
    'verified', 'applied')"""
NEVER = "0 0 1 1 *"


@pytest.fixture(scope="module")
def hub(module_hub: Any) -> Any:
    return module_hub(ULTRAVIOLET_WATCH_SECONDS="0.5", ULTRAVIOLET_ALERT_SECONDS="1")


@pytest.fixture(scope="module")
def integration(hub: Any, local_ion: Any) -> Any:
    made = hub.connect(local_ion, incremental_schedule=NEVER, full_schedule=NEVER)
    assert hub.fetch(made)["state"] == "done"
    return made


@pytest.fixture
def findings(hub: Any, integration: Any) -> Any:
    def listed(kind: str, subject: str) -> list[Any]:
        items = hub.api("GET", f"/integrations/{integration['id']}/findings")["items"]
        return [one for one in items if (one["kind"], one["subject"]) == (kind, subject)]

    return listed


def receiver(ion: Any) -> Any:
    return ion.execute(RECEIVER)["webhookReceivers"]["edges"][-1]["node"]


def arrives_by_event(hub: Any, ion: Any, wait: Any, name: str) -> None:
    made = ion.execute(CREATE, i={"name": name})["createSupplier"]["supplier"]
    path = f"/events?resource=suppliers&object={made['id']}"
    wait(lambda: hub.api("GET", path)["items"], 20, f"an event of {name}")


def repaired(findings: Any, wait: Any, kind: str, subject: str) -> Any:
    found = wait(lambda: findings(kind, subject), 30, f"the finding {kind} {subject}")
    assert found[0]["repaired_at"]
    wait(lambda: findings(kind, subject)[0]["resolved_at"], 30, "its end")
    return found[0]


@pytest.mark.parametrize(
    ("subject", "change"),
    [
        ("settings", {"active": False}),
        ("address", {"webhookUri": "http://127.0.0.1:9/hooks/elsewhere"}),
        ("address", {"webhookUri": "the webhook URL at another port"}),
        ("secret", {"sharedSecret": "known to nobody here"}),
    ],
)
def test_changed_receiver_is_corrected(
    hub: Any, local_ion: Any, findings: Any, wait: Any, subject: str, change: dict[str, Any]
) -> None:
    before = receiver(local_ion)
    if change.get("webhookUri", "").startswith("the"):
        change = {"webhookUri": before["webhookUri"].replace(hub.url, "http://127.0.0.1:9")}
    local_ion.execute(UPDATE_RECEIVER, i={"id": before["id"], "etag": before["_etag"], **change})

    repaired(findings, wait, "receiver", subject)

    address = f"{hub.url}/hooks/"
    wait(lambda: receiver(local_ion)["webhookUri"].startswith(address), 30, "the address")
    assert receiver(local_ion)["active"]
    arrives_by_event(hub, local_ion, wait, f"after {subject}")


def test_removed_or_disabled_subscriptions_are_restored(
    hub: Any, local_ion: Any, findings: Any, wait: Any
) -> None:
    one, other = receiver(local_ion)["subscriptions"][:2]
    count = len(receiver(local_ion)["subscriptions"])
    local_ion.execute(DELETE_SUBSCRIPTION, id=one["id"], etag=one["_etag"])
    repaired(findings, wait, "receiver", "missing")
    local_ion.execute(
        UPDATE_SUBSCRIPTION, i={"id": other["id"], "etag": other["_etag"], "active": False}
    )
    repaired(findings, wait, "receiver", "inactive")

    now = receiver(local_ion)["subscriptions"]
    assert (len(now), {each["active"] for each in now}) == (count, {True})


def test_changes_in_ion_by_the_hub_are_audited(hub: Any) -> None:
    """The repairs of the tests above."""
    audit = hub.api("GET", "/audit?actor=watchdog")["items"]
    updates = [one["detail"] for one in audit if one["action"] == "receiver.update"]
    corrected = [one["corrected"] for one in updates if "corrected" in one]
    assert any("posts to another address: http://127.0.0.1:9;" in str(one) for one in corrected)
    counts = [one["detail"] for one in audit if one["action"] == "receiver.subscribe"]
    assert {1} == {one["subscribed"] + one["activated"] for one in counts}


def test_manual_set_up_is_left_to_the_person(
    hub: Any, integration: Any, local_ion: Any, wait: Any
) -> None:
    """The hub subscribes only after the person has created all subscriptions once."""
    given = {name: integration[name] for name in ("api_url", "auth_url", "client_id")}
    given |= {"name": "by hand", "client_secret": local_ion.client_secret, "resources": ["parts"]}
    made = hub.api("POST", "/integrations", {**given, "incremental_schedule": NEVER})
    path = f"/integrations/{made['id']}"
    url = hub.api("POST", f"{path}/webhook-urls", {})["url"]
    texts = hub.api("GET", f"{path}/setup")["texts"]
    inputs = {"name": "By hand", "webhookUri": url}
    created = local_ion.execute(texts["receiver_mutation"], input=inputs)
    receiver_id = created["createWebhookReceiver"]["webhookReceiver"]["id"]

    def missing() -> Any:
        items = hub.api("GET", f"{path}/findings")["items"]
        return [one for one in items if one["subject"] == "missing"]

    found = wait(missing, 30, "the finding")[0]
    assert "is set up manually" in found["message"]
    assert found["severity"] == "error"
    assert found["repaired_at"] is None
    assert [] == receiver(local_ion)["subscriptions"]
    moved = url.replace(hub.url, "http://127.0.0.1:9")
    move(local_ion, moved)
    setup = wait(lambda: problems(hub, path), 30, "the problem of the address")
    assert "another address: http://127.0.0.1:9; this hub is " in setup[0]
    assert moved == receiver(local_ion)["webhookUri"]
    plan = hub.cli("setup", "plan", "by hand")
    assert "another address" in plan.stderr
    is_address = "Receiver .* posts to another address: http://127.0.0.1:9; this hub is"

    def reported(*command: str) -> bool:
        shown = hub.cli(*command)
        return re.search(is_address, shown.stdout + shown.stderr) is not None

    wait(lambda: reported("status"), 30, "the problem in the status")
    status = hub.cli("status")
    assert (status.returncode, "by hand" in status.stderr) == (10, True)
    wait(lambda: reported("alert", "active"), 30, "the alert")
    [one] = hub.api("GET", f"{path}/webhook-urls")["items"]
    assert re.match(is_address, one["receiver_problem"])
    move(local_ion, url)

    local_ion.execute(texts["subscription_document"], receiver=receiver_id)
    wait(lambda: missing()[0]["resolved_at"], 30, "its end")
    resolved = missing()[0]["resolved_at"]

    def followed() -> bool:
        fetches = hub.api("GET", f"{path}/fetches")["items"]
        return any(one["state"] == "done" and one["started_at"] >= resolved for one in fetches)

    wait(followed, 30, "the sync of the changes before")
    [one] = hub.api("GET", f"{path}/webhook-urls")["items"]
    assert one["receiver_problem"] is None
    one = receiver(local_ion)["subscriptions"][0]
    local_ion.execute(DELETE_SUBSCRIPTION, id=one["id"], etag=one["_etag"])
    wait(lambda: missing()[0]["repaired_at"], 30, "the repair of a setup that was complete")
    hub.api("DELETE", path)
    now = receiver(local_ion)
    local_ion.execute(DELETE_RECEIVER, id=now["id"], etag=now["_etag"])


def move(ion: Any, url: str) -> None:
    now = receiver(ion)
    given = {"id": now["id"], "etag": now["_etag"], "webhookUri": url}
    ion.execute(UPDATE_RECEIVER, i=given)


def problems(hub: Any, path: str) -> list[str]:
    return hub.api("GET", f"{path}/setup")["plan"]["problems"]


def test_watchdog_introspects_ion_if_needed(
    hub: Any, integration: Any, local_ion: Any, wait: Any
) -> None:
    """The watchdog then restarts the controllers, including itself."""
    with closing(sqlite3.connect(hub.data / "hub.db", timeout=30)) as database, database:
        database.execute(
            "UPDATE integrations SET test_result = NULL WHERE id = ?", (integration["id"],)
        )
    before = receiver(local_ion)["subscriptions"]
    one = before[0]
    local_ion.execute(DELETE_SUBSCRIPTION, id=one["id"], etag=one["_etag"])

    wait(lambda: len(receiver(local_ion)["subscriptions"]) == len(before), 30, "the subscription")

    assert hub.api("GET", f"/integrations/{integration['id']}")["test_result"]
    arrives_by_event(hub, local_ion, wait, "after a first test")


def test_deleted_receiver_is_recreated(
    hub: Any, integration: Any, local_ion: Any, findings: Any, wait: Any
) -> None:
    before = receiver(local_ion)
    local_ion.execute(DELETE_RECEIVER, id=before["id"], etag=before["_etag"])
    missed = local_ion.execute(CREATE, i={"name": "while nobody listened"})["createSupplier"][
        "supplier"
    ]

    repaired(findings, wait, "receiver", "deleted")
    urls = hub.api("GET", f"/integrations/{integration['id']}/webhook-urls")["items"]
    dead = {url["receiver_id"]: url["receiver_problem"] for url in urls if url["receiver_problem"]}
    assert list(dead) == [str(before["id"])]
    assert "was deleted in ION; revoke this URL" in dead[str(before["id"])]

    arrives_by_event(hub, local_ion, wait, "after a new receiver")
    wait(lambda: hub.find(f"/objects/suppliers/{missed['id']}"), 20, "the missed change")


def test_abandoned_deliveries_are_recovered_from_ions_record(
    hub: Any, local_ion: Any, findings: Any, wait: Any
) -> None:
    local_ion.faults.set("dropped", only="suppliers")
    made = local_ion.execute(CREATE, i={"name": "never delivered"})["createSupplier"]["supplier"]

    path = f"/events?resource=suppliers&object={made['id']}"
    event = wait(lambda: hub.api("GET", path)["items"], 30, "the event")[0]
    local_ion.faults.clear()

    assert event["signature"] == "recovered"
    wait(lambda: hub.find(f"/objects/suppliers/{made['id']}"), 10, "the supplier")
    wait(lambda: findings("gap", "deliveries"), 10, "the finding, which comes behind the events")


def test_forged_deliveries_are_counted_and_shown(
    hub: Any, local_ion: Any, integration: Any, findings: Any, wait: Any
) -> None:
    local_ion.faults.set("forged", only="suppliers", count=1)
    local_ion.execute(CREATE, i={"name": "beside a forgery"})

    def shown() -> Any:
        items = hub.api("GET", f"/integrations/{integration['id']}/findings")["items"]
        return [one for one in items if one["kind"] == "forged"]

    found = wait(shown, 20, "the finding")[0]
    assert "1 delivery to" in found["message"]
    assert "`ultraviolet webhook rotate " in found["next_step"]
    local_ion.faults.clear()


def test_revoked_key_is_reported_with_next_step(
    hub: Any, local_ion: Any, findings: Any, wait: Any
) -> None:
    local_ion.faults.set("key_revoked", only=local_ion.client_id)
    found = wait(lambda: findings("credentials", "API key"), 60, "the finding")[0]
    assert "new API key" in found["next_step"]
    assert found["repaired_at"] is None

    local_ion.faults.clear()
    wait(lambda: findings("credentials", "API key")[0]["resolved_at"], 90, "its end")


def test_lost_permission_is_reported_and_deletes_nothing(
    hub: Any, local_ion: Any, integration: Any, findings: Any, wait: Any
) -> None:
    held = len(hub.api("GET", "/objects/suppliers?limit=200")["items"])
    local_ion.faults.set("permission_lost", only="suppliers")
    assert "failed" == hub.fetch(integration)["state"]

    found = wait(lambda: findings("unreadable", "suppliers"), 30, "the finding")[0]

    assert "could not read suppliers" in found["message"]
    assert "permission" in found["next_step"]
    assert held == len(hub.api("GET", "/objects/suppliers?limit=200")["items"]) > 0
    local_ion.faults.clear()
    assert "done" == hub.fetch(integration)["state"]
    wait(lambda: findings("unreadable", "suppliers")[0]["resolved_at"], 30, "its end")


def test_key_without_access_to_receiver_is_reported(
    local_ion: Any, findings: Any, wait: Any
) -> None:
    local_ion.faults.set("permission_lost", only="webhookReceiver*")

    found = wait(lambda: findings("receiver", "not readable"), 30, "the finding")[0]

    assert "webhook permissions" in found["next_step"]
    local_ion.faults.clear()
    wait(lambda: findings("receiver", "not readable")[0]["resolved_at"], 30, "its end")


def test_changed_resource_without_events_is_fetched_and_reported(
    hub: Any, local_ion: Any, integration: Any, findings: Any, wait: Any
) -> None:
    """Events arrived every hour until six hours ago; ION's record does not show the missing ones."""
    local_ion.faults.set("dropped", only="locations")
    local_ion.faults.set("permission_lost", only="webhookEvents")
    wait(lambda: findings("gap", "not readable"), 30, "the record being out of sight")
    with closing(sqlite3.connect(hub.data / "hub.db")) as database, database:
        database.executemany(
            HABIT, [(integration["id"], f"-{hours} hours") for hours in range(6, 30)]
        )
        database.execute(LAST_WORD, [integration["id"]])
    made = local_ion.execute(CREATE_LOCATION, i={"name": "Silent room"})["createLocation"][
        "location"
    ]

    found = wait(lambda: findings("silent", "locations"), 30, "the finding")[0]

    assert "Locations changed in ION" in found["message"]
    wait(lambda: hub.find(f"/objects/locations/{made['id']}"), 30, "the change without event")
    local_ion.faults.clear()
    local_ion.execute(CREATE_LOCATION, i={"name": "Talkative room"})
    wait(lambda: findings("silent", "locations")[0]["resolved_at"], 30, "its end")
    wait(lambda: findings("gap", "not readable")[0]["resolved_at"], 30, "the record being in sight")


def test_command_line_lists_findings(
    hub: Any, local_ion: Any, integration: Any, findings: Any, wait: Any
) -> None:
    local_ion.faults.set("permission_lost", only="webhookReceiver*")
    wait(lambda: findings("receiver", "not readable"), 30, "the finding")

    done = hub.cli("integration", "findings")

    local_ion.faults.clear()
    assert 0 == done.returncode
    assert "cannot be checked" in " ".join(done.stdout.split())
