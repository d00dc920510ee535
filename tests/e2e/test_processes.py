"""Several processes over one database: if one dies, the others continue and the mirror converges."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.conftest import send, set_pace

from ultraviolet.db.locks import lock_class

HOLDERS = """SELECT l.objid::int, a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)
  WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid <> 0 AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
PRESENT = HOLDERS.replace("<> 0", "= 0")
CREATE = "mutation ($i: CreateSupplierInput!) { createSupplier(input: $i) { supplier { id } } }"


def lease_holders(store_url: str, query: str = HOLDERS) -> list[tuple[int, int]]:
    """Return each leased integration with the process that holds its lease."""
    with closing(psycopg.connect(store_url)) as connection:
        found = connection.execute(query, [lock_class("duties")]).fetchall()
    return [(id_, int(re.sub(r"\D", "", name))) for id_, name in found]


def accepted_is_stored(hub: Any, ion: Any) -> bool:
    return ion.accepted() <= hub.stored_events()


def test_killing_three_processes_in_turn_loses_nothing(
    local_ion: Any, start_hub: Any, postgresql: Any, wait: Any
) -> None:
    ion = local_ion
    database = postgresql.new_database()
    hub = start_hub("--workers", "3", store_url=database)
    integration = hub.connect(ion)
    wait(
        lambda: hub.api("GET", f"/integrations/{integration['id']}/fetches")["items"],
        60,
        "the first fetch",
    )
    hub.fetch(integration)
    wait(lambda: len(lease_holders(database, PRESENT)) == 3, 60, "three processes")
    before = ion.changes()
    set_pace(ion, 80)
    began = time.monotonic()
    waits = []
    for killing in (signal.SIGKILL, signal.SIGSEGV, signal.SIGKILL):
        wait(lambda: len(lease_holders(database, PRESENT)) >= 2, 60, "another process remains")
        [(_, holder)] = wait(lambda: lease_holders(database), 10, "a process holds the lease")
        seen = ion.changes()
        wait(lambda seen=seen: ion.changes() > seen + 50, 20, "changes go on")
        os.kill(holder, killing)
        killed = time.monotonic()
        wait(
            lambda holder=holder: [p for _, p in lease_holders(database) if p != holder],
            10,
            "another goes on",
        )
        waits.append(time.monotonic() - killed)
        assert len(lease_holders(database)) == 1
    rate = (ion.changes() - before) / (time.monotonic() - began)
    ion.rest()

    def restarts() -> int:
        return hub.child.log.read_text().count("was ended by SIGKILL")

    wait(lambda: restarts() == 2, 20, "the supervisor reports both")
    log = hub.child.log.read_text()
    assert re.search(r"Worker process \d+ was ended by SIGSEGV; the other processes continue", log)
    assert max(waits) < 5
    assert rate > 20  # the requested rate is 80; a busy machine reaches less
    wait(lambda: hub.at_rest(ion, integration), 60, "all deliveries taken, applied and healed")
    assert accepted_is_stored(hub, ion)
    hub.assert_equal_to_ion(integration)
    hub.child.stop()
    assert hub.child.process.returncode == 0
    assert lease_holders(database, PRESENT) == []


@pytest.fixture(scope="module")
def shared(postgresql: Any) -> dict[str, str]:
    """The database and the key of several processes."""
    key = "a secret key that all processes share"
    return {"store_url": postgresql.new_database(), "ULTRAVIOLET_SECRET_KEY": key}


@pytest.fixture(scope="module")
def one(module_hub: Any, shared: dict[str, str]) -> Any:
    """A process for all work."""
    return module_hub(**shared)


@pytest.fixture(scope="module")
def web(module_hub: Any, one: Any, shared: dict[str, str]) -> Any:
    """A process for pages, API and deliveries."""
    return module_hub("--role", "web", data=one.data.parent / "web", **shared)


def test_new_webhook_url_works_on_every_process_immediately(one: Any, web: Any) -> None:
    ion = {"name": "nowhere", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    integration = one.api(
        "POST", "/integrations", ion | {"client_id": "id", "client_secret": "secret"}
    )
    statuses: list[int] = []
    for count in range(5):
        named = {"name": f"URL {count}"}
        made = one.api("POST", f"/integrations/{integration['id']}/webhook-urls", named)
        there = made["url"].replace(one.url, web.url)
        statuses += [
            send("POST", there, b"%d" % count)[0],
            send("POST", f"{web.url}/hooks/guess")[0],
        ]
    assert statuses == [200, 404] * 5
    one.api("DELETE", f"/integrations/{integration['id']}")


def test_processes_share_integrations_and_live_updates(
    one: Any, web: Any, shared: dict[str, str], local_ion: Any, start_hub: Any, wait: Any
) -> None:
    ion, database = local_ion, shared["store_url"]
    integration = one.connect(ion)
    given = {"name": "second", "api_url": ion.url, "auth_url": ion.url, "client_id": ion.client_id}
    one.api("POST", "/integrations", given | {"client_secret": ion.client_secret})
    wait(
        lambda: {p for _, p in lease_holders(database)} == {one.child.process.pid},
        10,
        "one process has all leases",
    )
    worker = start_hub("--role", "worker", data=one.data.parent / "worker", **shared)
    pids = {one.child.process.pid, worker.child.process.pid}
    wait(lambda: {p for _, p in lease_holders(database)} == pids, 10, "each has one duty")
    assert worker.status("/integrations", worker.key) == 404
    wait(
        lambda: one.find(f"/integrations/{integration['id']}/fetches")["items"],
        60,
        "the first fetch",
    )

    hears = subprocess.Popen(
        ["curl", "-sN", "-H", f"authorization: Bearer {web.key}", f"{web.url}/live"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert hears.stdout
    assert "event: heartbeat" in hears.stdout.readline()
    made = ion.execute(CREATE, i={"name": "seen in all processes"})["createSupplier"]["supplier"]
    for line in hears.stdout:
        if line.startswith("data: object"):
            break
    hears.terminate()
    hears.wait()
    hears.stdout.close()

    found = wait(
        lambda: web.find(f"/objects/suppliers/{made['id']}?integration={integration['id']}"),
        5,
        "it is there",
    )
    assert found["fields"]["name"] == "seen in all processes"


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory with a path short enough for a socket."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_next_start_stops_workers_of_killed_supervisor(
    start_hub: Any, postgresql: Any, temporary: Path
) -> None:
    given = {"store_url": postgresql.new_database(), "TMPDIR": str(temporary)}
    hub = start_hub("--workers", "2", **given)
    [killed] = temporary.iterdir()
    beside = start_hub("--workers", "2", data=hub.data.parent / "beside", **given)
    [lives] = set(temporary.iterdir()) - {killed}
    hub.child.process.kill()
    hub.child.process.wait()

    again = start_hub("--workers", "2", data=hub.data, **given)

    assert not killed.exists()
    assert lives.exists()
    again.child.stop()
    beside.child.stop()
    assert [*temporary.iterdir()] == []


@pytest.mark.parametrize("option", [("--workers", "2"), ("--role", "web")])
def test_several_processes_require_postgresql(start_hub: Any, option: tuple[str, str]) -> None:
    with pytest.raises(Exception, match=r"PostgreSQL; (a hub )?on SQLite"):
        start_hub(*option)
