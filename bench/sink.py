"""A receiver that records the id and the delay of each delivery.

`python -m bench.sink` prints its address. GET returns the deliveries as JSON `[[event id, seconds], …]`.
"""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import uvicorn

from ultraviolet.local_ion.server import open_listener


class DeliveredEvent(msgspec.Struct):
    """Id and time of a delivery."""

    event_id: int
    timestamp: datetime


class Sink:
    """Records deliveries."""

    def __init__(self) -> None:
        self._came: list[tuple[bytes, datetime]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Record a delivery, or return all."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        if scope["method"] == "POST":
            self._came.append((body, datetime.now(UTC)))
        answer = b"" if scope["method"] == "POST" else self._listed()
        headers = [(b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _listed(self) -> bytes:
        read = msgspec.json.Decoder(DeliveredEvent).decode
        told = [(read(body), at) for body, at in self._came]
        return msgspec.json.encode(
            [(t.event_id, (at - t.timestamp).total_seconds()) for t, at in told]
        )


async def _serve() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        config = uvicorn.Config(Sink(), lifespan="off", log_level="warning", access_log=False)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(_serve())
