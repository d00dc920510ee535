"""An unavailable database loses no delivery, is reported, and needs no manual recovery."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier
from tests.postgresql import Postgresql, made

UPDATE = "mutation ($i: CreateSupplierInput!) { createSupplier(input: $i) { supplier { id } } }"


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgresql]:
    """A separate PostgreSQL server for this module."""
    own = made()
    yield own
    own.remove()


@pytest.fixture
def server(own_server: Postgresql) -> Postgresql:
    """A running PostgreSQL server that the test can stop."""
    own_server.start()
    return own_server


def ask(
    method: str, url: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], str, float]:
    """Send a request; return status, headers, body and duration in seconds."""
    began = time.monotonic()
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        named = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, named, answer.read().decode(), time.monotonic() - began


def test_unavailable_database_defers_deliveries(
    start_ion: Any, start_hub: Any, server: Postgresql, wait: Any
) -> None:
    ion = start_ion()
    hub = start_hub(store_url=server.new_database())
    integration = hub.connect(ion)
    wait(
        lambda: hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"],
        60,
        "the first fetch",
    )
    hub.fetch(integration)
    minted = hub.api("POST", f"/integrations/{integration['id']}/webhook-urls", {"name": "by hand"})
    hook = minted["url"]
    assert ask("POST", hook, b"{}")[0] == 200

    server.stop()
    delivered = [ask("POST", hook, b'{"number": 1}') for _ in range(5)]
    unknown = ask("POST", f"{hub.url}/hooks/uvh_unknown", b"{}")
    page = ask("GET", f"{hub.url}/", accept="text/html", authorization=f"Bearer {hub.key}")
    ready = ask("GET", f"{hub.url}/readyz", accept="application/json")
    alive = ask("GET", f"{hub.url}/livez", accept="application/json")
    while_away = ion.execute(UPDATE, i={"name": "made while it was away"})["createSupplier"][
        "supplier"
    ]["id"]
    server.start()

    assert [(status, headers["retry-after"]) for status, headers, _, _ in delivered] == [
        (503, "1")
    ] * 5
    assert max(seconds for *_, seconds in delivered[1:]) < 1
    assert unknown[0] == 503
    assert page[0] == 503
    assert "database" in page[2]
    assert page[1]["refresh"] == "5"
    assert (ready[0], ready[1]["retry-after"], alive[0]) == (503, "1", 200)
    wait(lambda: ask("POST", hook, b'{"number": 1}')[0] == 200, 5, "deliveries are taken again")
    wait(lambda: hub.find(f"/objects/suppliers/{while_away}"), 60, "what changed meanwhile arrives")
    wait(lambda: hub.at_rest(ion, integration), 60, "all deliveries taken, applied and healed")
    hub.assert_equal_to_ion(integration)


def test_hub_waits_for_starting_database(start_hub: Any, server: Postgresql, tmp_path: Any) -> None:
    url = server.new_database()
    server.stop()
    back = threading.Timer(3, server.start)
    back.start()

    hub = start_hub(store_url=url)

    back.join()
    assert hub.api("GET", "/integrations")["items"] == []


def test_spool_accepts_deliveries_without_loss(
    start_hub: Any, server: Postgresql, tmp_path: Any, wait: Any
) -> None:
    url = server.new_database()
    given = {"store_url": url, "data": tmp_path / "hub" / "data"}
    hub = start_hub(
        "--spool", str(tmp_path / "spool"), ULTRAVIOLET_CRASH_AT="spool.kept:11", **given
    )
    nowhere = {"api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    new = {"name": "plant", "client_id": "id", "client_secret": "secret", **nowhere}
    integration = hub.api("POST", "/integrations", new)
    minted = hub.api("POST", f"/integrations/{integration['id']}/webhook-urls", {"name": "by hand"})
    token = minted["url"].rsplit("/", 1)[1]
    sent: list[str] = []

    def tell(hub: Any, number: str) -> None:
        told = {"eventId": number, "resource": "SUPPLIERS", "action": "UPDATE", "id": 7}
        assert ask("POST", f"{hub.url}/hooks/{token}", json.dumps(told).encode())[0] == 200

    def deliver(hub: Any, count: int) -> None:
        for _ in range(count):
            sent.append(str(len(sent)))
            tell(hub, sent[-1])

    deliver(hub, 3)
    server.kill()
    deliver(hub, 10)
    assert ask("POST", f"{hub.url}/hooks/uvh_unknown", b"{}")[0] == 503
    assert "ultraviolet_spool_deliveries 10.0" in ask("GET", f"{hub.url}/metrics")[2]
    ready = ask("GET", f"{hub.url}/readyz?verbose=", accept="application/json")
    assert (ready[0], "10 deliveries in the spool" in ready[2]) == (503, True)
    with pytest.raises(
        OSError, match=r"closed connection|reset"
    ):  # stored, but killed before the response
        deliver(hub, 1)
    untold = sent[-1]
    hub.child.process.wait()
    server.start()

    second = start_hub(
        "--spool", str(tmp_path / "spool"), ULTRAVIOLET_CRASH_AT="spool.drained:2", **given
    )
    wait(
        lambda: len(second.stored_events()) == len(sent), 30, "what the first hub had acknowledged"
    )
    server.kill()
    deliver(second, 10)
    server.start()
    wait(lambda: second.child.process.poll() is not None, 30, "a death between database and spool")

    third = start_hub("--spool", str(tmp_path / "spool"), **given)
    wait(
        lambda: "ultraviolet_spool_deliveries 0.0" in ask("GET", f"{third.url}/metrics")[2],
        30,
        "drained",
    )
    tell(third, untold)  # as ION repeats unacknowledged deliveries
    events = third.api("GET", "/events?limit=100")["items"]
    assert [event["event_id"] for event in reversed(events)] == sent


def test_read_only_database_counts_as_unavailable(
    start_hub: Any, server: Postgresql, tmp_path: Any, wait: Any
) -> None:
    """Such a server is a standby before its promotion, or a managed server with a full disk."""
    url = server.new_database()

    def may_only_be_read(value: LiteralString) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            change = SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
            connection.execute(change.format(Identifier(connection.info.dbname), SQL(value)))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                [connection.info.dbname],
            )

    hub = start_hub("--spool", str(tmp_path / "spool"), store_url=url)
    new = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    integration = hub.api(
        "POST", "/integrations", new | {"client_id": "id", "client_secret": "secret"}
    )
    hook = hub.api("POST", f"/integrations/{integration['id']}/webhook-urls")["url"]

    def deliver(number: int) -> int:
        told = {"eventId": number, "resource": "SUPPLIERS", "action": "UPDATE", "id": 7}
        return ask("POST", hook, json.dumps(told).encode())[0]

    def readiness() -> str:
        return ask("GET", f"{hub.url}/readyz?verbose", accept="application/json")[2]

    assert deliver(1) == 200
    may_only_be_read("on")
    assert [deliver(number) for number in range(2, 6)] == [200] * 4
    wait(lambda: "read-only" in readiness(), 10, "it is said")
    may_only_be_read("off")

    wait(lambda: hub.stored_events() == {"1", "2", "3", "4", "5"}, 30, "all that was acknowledged")
