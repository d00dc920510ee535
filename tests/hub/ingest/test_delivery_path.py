"""The functions that each delivery passes between the socket and its row in `objects`.

Functions that run once for a batch, such as those of the transaction, do not count.
"""

import socket
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import uvicorn
from tests.idle_hub import IdleHub

import ultraviolet
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.mirror import objects
from ultraviolet.http_protocol import Limits, make_protocol
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.ion.deliveries import encode
from ultraviolet.ion.signatures import sign
from ultraviolet.web.app import create_app
from ultraviolet.web.webhook_endpoint import WebhookEndpoint

DELIVERIES = 30
MAX_FUNCTIONS = 33
MAX_CALLS = 40
MAX_FILES = 14
SECRET = "shared secret"
SOURCE = str(Path(ultraviolet.__file__).parent)
_GENERATED = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>")


class Recorder:
    """Counts the calls of functions of this project in all threads started from now on."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, str]] = Counter()
        self.records = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if not self.records or event != "call" or not code.co_filename.startswith(SOURCE):
            return
        resumed = frame.f_lasti > 12  # a coroutine continues
        if code.co_name in _GENERATED or resumed:
            return
        file = code.co_filename[len(SOURCE) + 1 :]
        self.calls[file, code.co_qualname] += 1
        if file == "db/bulk.py" and frame.f_locals.get("table") is objects:
            self.records = False  # the row is being written


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    threading.setprofile(made)
    yield made
    threading.setprofile(None)


@contextmanager
def served(hub: Hub) -> Generator[tuple[str, int]]:
    """Serve a hub as `ultraviolet serve` does, without its controllers."""
    application = create_app(hub)
    assert isinstance(application, WebhookEndpoint)
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=make_protocol(Limits(), shortcut=application.accept),
        ws="none",
        lifespan="off",
        log_level="warning",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        yield listening.getsockname()
        server.should_exit = True
        thread.join()


def request(token: str, number: int) -> bytes:
    """Return a signed delivery of an update of two fields."""
    moment = f"2026-01-01T00:00:00.{number:06}+00:00"
    body = encode(
        event_id=number,
        subscription_id=7,
        resource="purchase_orders",
        action="UPDATE",
        object_id=number % DELIVERIES + 1,
        transaction_id=number,
        timestamp=moment,
        actor_id=3,
        changes={
            "description": {"old": "before", "new": f"change {number}"},
            "_updated": {"old": "2025-01-01T00:00:00.000000+00:00", "new": moment},
        },
    )
    head = (
        f"POST /hooks/{token} HTTP/1.1\r\nhost: hub.test\r\ncontent-type: application/json\r\n"
        f"x-ion-signature: {sign(SECRET, body)}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def exchange(connections: list[socket.socket], token: str, first: int) -> None:
    """Send one delivery on each connection, then read all responses."""
    for number, connection in enumerate(connections, first):
        connection.sendall(request(token, number))
    for connection in connections:
        response = b""
        while not response.endswith(b'{"received":true}'):
            piece = connection.recv(65_536)
            assert piece, response
            response += piece
        assert response.startswith(b"HTTP/1.1 200 "), response


def test_delivery_passes_few_functions_between_socket_and_object(
    recorder: Recorder, tmp_path: Path
) -> None:
    database_url = f"sqlite:///{tmp_path / 'hub.db'}"
    hub = Hub.open(Settings(data=tmp_path, database_url=database_url, public_url="http://hub.test"))
    idle_hub = IdleHub(hub)
    hub.database.write_now(
        lambda c: webhook_urls.set_receiver(
            c, hub.secrets, "test", 1, receiver_id="1", shared_secret=SECRET
        )
    )
    with served(hub) as address:
        connections = [socket.create_connection(address) for _ in range(DELIVERIES)]
        exchange(connections, idle_hub.token, 1)  # fills caches
        assert idle_hub.apply_events() == DELIVERIES

        recorder.records = True
        exchange(connections, idle_hub.token, 1 + DELIVERIES)
        assert len(idle_hub.rows(events)) == 2 * DELIVERIES
        before_application = +recorder.calls
        assert idle_hub.apply_events() == DELIVERIES
        for connection in connections:
            connection.close()
    assert {row.version for row in idle_hub.rows(objects)} == {2}
    hub.close()

    each = {name: n // DELIVERIES for name, n in recorder.calls.items() if n >= DELIVERIES}
    acknowledged = {n: c for n, c in before_application.items() if c >= DELIVERIES}
    listed = "\n".join(f"{count} x {file} {name}" for (file, name), count in each.items())
    assert not recorder.records, "the write to `objects` was not seen"
    assert len(acknowledged) >= 10, f"the request was not recorded:\n{listed}"
    assert len(each) <= MAX_FUNCTIONS, f"{len(each)} functions:\n{listed}"
    assert sum(each.values()) <= MAX_CALLS, f"{sum(each.values())} calls:\n{listed}"
    files = {file for file, _ in each}
    assert len(files) <= MAX_FILES, f"{len(files)} files: {sorted(files)}\n{listed}"
