"""Upgrades during deliveries: no delivery is refused or lost."""

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.conftest import wait_for
from tests.service_manager import Service

from ultraviolet.cli.support.connection import find_running

ION = {"name": "plant", "api_url": "http://127.0.0.1:9", "auth_url": "http://127.0.0.1:9"}
RATE = 200


class Deliveries:
    """Sends deliveries at a rate, half of them over new connections and half over open ones."""

    def __init__(self, url: str) -> None:
        self.place = urlsplit(url)
        self.stop = threading.Event()
        self.acknowledged: set[str] = set()
        self.failed: list[str] = []
        self.kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    def goes_on(self) -> None:
        """Wait until more deliveries are accepted."""
        seen = len(self.acknowledged)
        wait_for(lambda: len(self.acknowledged) > seen + 50, 30, "deliveries are taken")

    async def _all(self) -> None:
        began, number = time.monotonic(), 0
        under_way: set[asyncio.Task[None]] = set()
        while not self.stop.is_set():
            number += 1
            task = asyncio.create_task(self._one(number, keep=number % 2 == 0))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
        await asyncio.gather(*under_way)
        for _, writer in self.kept:
            writer.close()

    async def _one(self, number: int, *, keep: bool) -> None:
        body = {
            "eventId": number,
            "resource": "SUPPLIERS",
            "action": "UPDATE",
            "id": 7,
            "new": {"id": 7},
        }
        writer: asyncio.StreamWriter | None = None
        try:
            reader, writer = self.kept.pop(0) if keep and self.kept else await self._connect()
            content = json.dumps(body).encode()
            head = f"POST {self.place.path} HTTP/1.1\r\nhost: hub\r\ncontent-length: {len(content)}\r\n\r\n"
            writer.write(head.encode() + content)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(answer.split(b"content-length:")[1].split(b"\r\n")[0]))
        except (OSError, asyncio.IncompleteReadError) as error:
            if writer:
                writer.close()
            if keep:  # as any client does if an idle connection was closed meanwhile
                await self._one(number, keep=False)
            else:
                self.failed.append(repr(error))
            return
        if b" 200 " in answer.split(b"\r\n")[0]:
            self.acknowledged.add(str(number))
        else:
            self.failed.append(answer.decode())
        if keep and b"connection: close" not in answer:
            self.kept.append((reader, writer))
        else:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.place.hostname, self.place.port)


@contextmanager
def deliveries(hub: Any) -> Iterator[Deliveries]:
    integration = hub.api(
        "POST", "/integrations", ION | {"client_id": "id", "client_secret": "secret"}
    )
    hub.api("POST", f"/integrations/{integration['id']}/pause")
    made = Deliveries(hub.api("POST", f"/integrations/{integration['id']}/webhook-urls", {})["url"])
    sender = threading.Thread(target=lambda: asyncio.run(made._all()))
    sender.start()
    made.goes_on()
    made.failed.clear()  # a process may have loaded the URLs just before this one was created
    yield made
    made.stop.set()
    sender.join()


def children(process: int) -> set[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text()
    return {int(pid) for pid in found.split()}


def nothing_was_lost(hub: Any, sent: Deliveries) -> None:
    assert sent.failed == []
    assert len(sent.acknowledged) > 100
    assert hub.stored_events() == sent.acknowledged


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[[str | None], Service]]:
    made: list[Service] = []

    def make(store_url: str | None) -> Service:
        made.append(Service(tmp_path, store_url))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_workers_are_replaced_without_refused_deliveries(
    service: Any, postgresql: Any, wait: Any
) -> None:
    run = service(postgresql.new_database())
    hub = run.start("--workers", "2")
    old = children(run.process.pid)
    assert len(old) == 2
    with deliveries(hub) as sent:
        os.kill(run.process.pid, signal.SIGHUP)
        wait(
            lambda: len(now := children(run.process.pid)) == 2 and not now & old,
            90,
            "both were replaced",
        )
        sent.goes_on()
    nothing_was_lost(hub, sent)


def test_second_reload_reaches_every_worker(service: Any, postgresql: Any, wait: Any) -> None:
    run = service(postgresql.new_database())
    run.start("--workers", "2")
    old = children(run.process.pid)
    os.kill(run.process.pid, signal.SIGHUP)
    between = wait(lambda: children(run.process.pid) - old, 30, "a successor was begun")

    os.kill(run.process.pid, signal.SIGHUP)

    outdated = old | between
    wait(
        lambda: len(now := children(run.process.pid)) == 2 and not now & outdated,
        90,
        "the newest runs alone",
    )


def test_single_process_keeps_its_socket_on_reload(service: Any, wait: Any) -> None:
    run = service(None)
    hub = run.start()
    with deliveries(hub) as sent:
        os.kill(run.process.pid, signal.SIGHUP)
        wait(
            lambda: (now := find_running(hub.data)) and now.key != hub.key,
            90,
            "another hub is announced",
        )
        sent.goes_on()
        run.stop()
        run.start()
        sent.goes_on()
    nothing_was_lost(hub, sent)
