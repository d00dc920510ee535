"""Fixtures: a local ION process with a restored state, and a receiver of deliveries."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from ultraviolet.ion.signatures import sign
from ultraviolet.testing import LocalIonProcess
from ultraviolet.testing.pytest_plugin import INITIAL_SNAPSHOT

RECEIVER = "mutation($input: CreateWebhookReceiverInput!) { createWebhookReceiver(input: $input) { webhookReceiver { id } } }"
SUBSCRIPTION = (
    "mutation($input: CreateWebhookSubscriptionInput!)"
    " { createWebhookSubscription(input: $input) { webhookSubscription { id } } }"
)
SECRET = "the shared secret"


class ReceivedDelivery(msgspec.Struct, frozen=True):
    """One received delivery."""

    body: bytes
    genuine: bool

    def decoded(self) -> dict[str, object]:
        return msgspec.json.decode(self.body)


class Receiver:
    """An HTTP server that stores deliveries and accepts only signed ones."""

    def __init__(self) -> None:
        self.received: list[ReceivedDelivery] = []
        self._something = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                genuine = self.headers["x-ion-signature"] == sign(SECRET, body)
                self.send_response(200 if genuine else 401)
                self.send_header("content-length", "0")
                self.end_headers()
                receiver.keep(ReceivedDelivery(body, genuine))

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def keep(self, received: ReceivedDelivery) -> None:
        with self._something:
            self.received.append(received)
            self._something.notify_all()

    def wait(self, number: int) -> list[ReceivedDelivery]:
        """Wait for a number of deliveries."""
        with self._something:
            assert self._something.wait_for(lambda: len(self.received) >= number, 20), self.received
            return list(self.received)

    def subscribe(
        self, ion: LocalIonProcess, resource: str = "SUPPLIERS", action: str = "UPDATE"
    ) -> int:
        """Subscribe to an event; return the receiver's id."""
        made = ion.execute(
            RECEIVER, input={"name": "test", "webhookUri": self.url, "sharedSecret": SECRET}
        )
        receiver = made["createWebhookReceiver"]["webhookReceiver"]["id"]
        ion.execute(
            SUBSCRIPTION, input={"receiverId": receiver, "resource": resource, "action": action}
        )
        return receiver

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def ion(local_ion_process: LocalIonProcess) -> LocalIonProcess:
    """A local ION in its initial state, without faults."""
    local_ion_process.faults.clear()
    local_ion_process.restore(INITIAL_SNAPSHOT)
    return local_ion_process


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of deliveries."""
    made = Receiver()
    yield made
    made.close()
