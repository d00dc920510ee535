"""Database failures lose no acknowledged delivery, have clear errors, and need no manual recovery."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import send

CREATE = "mutation ($i: CreateSupplierInput!) { createSupplier(input: $i) { supplier { id } } }"
ROOMY = "size=1g"
FULL = "database or disk is full"
BODY = b'{"event_id": %d, "resource": "parts", "action": "UPDATE", "id": 1}'


@pytest.fixture(scope="module")
def hub(module_hub: Any) -> Any:
    return module_hub()


@pytest.fixture(scope="module")
def url(hub: Any) -> str:
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    made = hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "x"})
    return hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "test"})["url"]


def post(url: str, number: int) -> int:
    return send("POST", url, BODY % number, content_type="application/json")[0]


def test_locked_database_defers_deliveries_without_loss(hub: Any, url: str, wait: Any) -> None:
    with closing(sqlite3.connect(hub.data / "hub.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert 503 == post(url, 1)
        other.execute("ROLLBACK")

    wait(lambda: post(url, 1) == 200, 20, "an acknowledgement")
    assert "1" in hub.stored_events()


def test_torn_last_page_of_log_loses_only_incomplete_transaction(start_hub: Any) -> None:
    """A power cut may tear the last write; earlier commits remain."""
    hub = start_hub()
    given = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
    made = hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "x"})
    url = hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "test"})["url"]
    assert [200, 200] == [post(url, 1), post(url, 2)]
    hub.child.kill()
    with (hub.data / "hub.db-wal").open("ab") as log:
        log.write(os.urandom(3000))

    again = start_hub(data=hub.data, port=int(hub.url.rsplit(":", 1)[1]))

    assert {"1", "2"} <= again.stored_events()
    assert 200 == post(url, 3)


def mount(*arguments: str | Path) -> None:
    """Mount a file system; skip the test without permission."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk of its own cannot be had here: {done.stderr.strip()}")


def image_of(disk: Path) -> Path:
    return disk.with_suffix(".img")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A separate disk in memory whose size the test can change."""
    path = tmp_path / "disk"
    path.mkdir()
    mount("-t", "tmpfs", "-o", ROOMY, "tmpfs", path)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[Path]:
    """A separate disk with a file system that becomes read-only after an error."""
    path = tmp_path / "disk"
    path.mkdir()
    with image_of(path).open("wb") as file:
        file.truncate(600_000_000)
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("requires mkfs.ext4")
    subprocess.run(["mkfs.ext4", "-q", "-e", "remount-ro", image_of(path)], check=True)
    mount("-o", "loop", image_of(path), path)
    yield path
    subprocess.run(["umount", path], check=True)


def connected(hub: Any, ion: Any) -> tuple[Any, str]:
    """An integration after its first fetch, and another webhook URL of it."""
    made = hub.connect(ion)
    hub.fetch(made)
    return made, hub.api("POST", f"/integrations/{made['id']}/webhook-urls", {"name": "by hand"})[
        "url"
    ]


def ready(hub: Any) -> tuple[int, str]:
    status, answer = send("GET", f"{hub.url}/readyz?verbose", accept="application/json")
    return status, answer.decode()


def causes(hub: Any, integration: Any) -> dict[str, str]:
    judged = hub.api("GET", f"/integrations/{integration['id']}/freshness")
    return {finding["kind"]: finding["message"] for finding in judged["findings"]}


def fill(url: str) -> tuple[set[int], int]:
    """Deliver until even the smallest body is refused; return accepted numbers and the refused one."""
    kept: set[int] = set()
    numbers = count(900_000)
    number = next(numbers)
    for padding in (100_000, 1):
        body = BODY.replace(b", ", b", " + b" " * padding)
        while send("POST", url, body % number, content_type="application/json")[0] == 200:
            kept.add(number)
            number = next(numbers)
    return kept, number


def test_full_disk_defers_deliveries_without_loss(
    disk: Path, start_ion: Any, start_hub: Any, wait: Any
) -> None:
    ion = start_ion()
    hub = start_hub(data=disk)
    integration, url = connected(hub, ion)
    room = os.statvfs(disk)
    mount("-o", f"remount,size={(room.f_blocks - room.f_bfree) * room.f_frsize}", disk)

    kept, refused = fill(url)
    meanwhile = ion.execute(CREATE, i={"name": "made meanwhile"})["createSupplier"]["supplier"][
        "id"
    ]

    wait(lambda: post(url, refused) == 503 and FULL in ready(hub)[1], 20, "room for nothing at all")
    assert 503 == ready(hub)[0]
    for told in (ready(hub)[1], causes(hub, integration)["database"], hub.child.log.read_text()):
        assert FULL in told

    mount("-o", f"remount,{ROOMY}", disk)

    wait(lambda: post(url, refused) == 200, 20, "an acknowledgement")
    assert 200 == ready(hub)[0]
    assert {*map(str, kept), str(refused)} <= hub.stored_events()
    wait(lambda: hub.find(f"/objects/suppliers/{meanwhile}"), 60, "what changed meanwhile")
    wait(lambda: hub.at_rest(ion, integration), 60, "all deliveries taken, applied and healed")
    hub.assert_equal_to_ion(integration)


def test_read_only_file_system_loses_no_acknowledged_delivery(
    failing_disk: Path, start_ion: Any, start_hub: Any, wait: Any
) -> None:
    """Linux does this after a disk error; only a repair and a new mount end it."""
    ion = start_ion()
    hub = start_hub(data=failing_disk)
    integration, url = connected(hub, ion)
    assert 200 == post(url, 900_000)

    mount("-o", "remount,abort", failing_disk)

    assert 503 == post(url, 900_001)
    assert 503 == ready(hub)[0]
    assert "could not be written" in ready(hub)[1]
    assert "could not be written" in causes(hub, integration)["database"]
    assert ion.execute(CREATE, i={"name": "made meanwhile"})
    hub.child.stop()
    subprocess.run(["umount", failing_disk], check=True)
    subprocess.run(
        ["fsck.ext4", "-p", "-f", image_of(failing_disk)], check=False, capture_output=True
    )
    mount("-o", "loop", image_of(failing_disk), failing_disk)
    again = start_hub(data=failing_disk, port=int(hub.url.rsplit(":", 1)[1]))

    assert "900000" in again.stored_events()
    assert 200 == post(url, 900_001)
    wait(lambda: again.at_rest(ion, integration), 60, "all deliveries taken, applied and healed")
    again.assert_equal_to_ion(integration)
