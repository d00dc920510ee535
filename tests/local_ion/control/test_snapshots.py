"""The control API: save, restore and reset the state while the local ION serves."""

import json
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from ultraviolet.testing import LocalIonProcess, RefusedError

NAMES = "{ suppliers { edges { node { id name _etag } } } }"
MAKE = "mutation($name: String!) { createSupplier(input: {name: $name}) { supplier { id } } }"
KEY = "mutation { createApiKey { apikey { clientId } } }"


def names(ion: LocalIonProcess) -> list[str]:
    return [edge["node"]["name"] for edge in ion.execute(NAMES)["suppliers"]["edges"]]


def test_snapshot_restores_the_state(ion: LocalIonProcess) -> None:
    before = ion.execute(NAMES)
    ion.snapshot("before")
    ion.execute(MAKE, name="Later")
    assert "Later" in names(ion)
    ion.restore("before")
    assert ion.execute(NAMES) == before


def test_ids_continue_from_the_restored_state(ion: LocalIonProcess) -> None:
    ion.snapshot("before")
    first = ion.execute(MAKE, name="Later")
    ion.restore("before")
    assert ion.execute(MAKE, name="Again") == first


def test_deliveries_continue_after_a_restore(ion: LocalIonProcess, receiver: Any) -> None:
    receiver.subscribe(ion, action="CREATE")
    ion.snapshot("subscribed")
    ion.execute(MAKE, name="One")
    receiver.wait(1)
    ion.restore("subscribed")
    ion.execute(MAKE, name="Two")
    received = receiver.wait(2)
    assert [each.decoded()["changes"]["name"]["new"] for each in received] == ["One", "Two"]


def test_restore_removes_later_subscriptions(ion: LocalIonProcess, receiver: Any) -> None:
    ion.snapshot("before")
    receiver.subscribe(ion, action="CREATE")
    ion.restore("before")
    ion.execute(MAKE, name="Nobody hears of it")
    assert ion.execute("{ webhookEvents { edges { node { id } } } }") == {
        "webhookEvents": {"edges": []}
    }
    assert receiver.received == []


def test_reset_restores_the_set_up_plant(ion: LocalIonProcess) -> None:
    ion.reset()
    as_set_up = ion.execute(NAMES)
    ion.execute(MAKE, name="Later")
    ion.reset()
    assert ion.execute(NAMES) == as_set_up


def test_empty_ion_keeps_api_keys_and_accepts_new_objects(ion: LocalIonProcess) -> None:
    ion.execute(KEY)
    keys = "{ apiKeys { edges { node { clientId } } } }"
    before = ion.execute(keys)
    ion.reset(empty=True)
    assert names(ion) == []
    assert ion.execute(keys) == before
    assert ion.execute(MAKE, name="First") == {"createSupplier": {"supplier": {"id": 1}}}


def test_restores_work_during_reads_and_writes(ion: LocalIonProcess) -> None:
    ion.snapshot("before")
    before = len(names(ion))
    failures: list[BaseException] = []
    over = threading.Event()

    def work(number: int) -> None:
        try:
            while not over.is_set():
                assert len(names(ion)) >= before
                ion.execute(MAKE, name=f"By {number}")
        except BaseException as error:
            failures.append(error)
            raise

    workers = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    for _ in range(5):
        ion.restore("before")
    over.set()
    for worker in workers:
        worker.join()
    assert failures == []
    ion.restore("before")
    assert len(names(ion)) == before


@pytest.mark.parametrize("name", ["no-such-snapshot", "../escape", "", "a/b", "x" * 65])
def test_invalid_restore_has_a_clear_message(ion: LocalIonProcess, name: str) -> None:
    before = names(ion)
    with pytest.raises(RefusedError, match=r"404|422"):
        ion.restore(name)
    assert names(ion) == before


@pytest.mark.parametrize("path", ["faults", "faults/scenarios", "snapshot", "restore", "reset"])
@pytest.mark.parametrize("body", [b"{", b"[1]", b'{"nonsense": 1}', b'"x"'])
def test_malformed_bodies_are_rejected(ion: LocalIonProcess, path: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"{ion.url}/_local/{path}", body, {"content-type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    with caught.value as error:
        assert error.code == 422
        assert json.load(error)["detail"].startswith("Invalid request")


@pytest.mark.parametrize("origin", ["http://elsewhere.example", "null"])
@pytest.mark.parametrize("path", ["faults", "reset", "restore", "snapshot"])
def test_pages_of_other_origins_are_rejected(ion: LocalIonProcess, path: str, origin: str) -> None:
    headers = {"content-type": "text/plain", "origin": origin}
    request = urllib.request.Request(f"{ion.url}/_local/{path}", b"{}", headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    with caught.value as error:
        assert error.code == 403
