"""HTTP for deliveries: one that arrives whole, and needs no look at anything, is taken without a task and ASGI's messages.

Those took a third of what a delivery cost. Everything else goes uvicorn's way, to `hooks.py` or the application: pages,
what comes in pieces, what an address has to be looked up for, what is refused before it is read.
"""

import time
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from ultraviolet.hub import metrics
from ultraviolet.hub.ingest import Verdict
from ultraviolet.web.hooks import CLOSE, Hooks, answer

_Turn = tuple[RequestResponseCycle, Any]
"""A request whose turn it is, and the application that answers it on the long way."""


class DeliveryProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with a short way for deliveries."""

    _reads = False
    _held: _Turn | None = None
    """The request that is being read, until it is known whether it arrives whole."""

    def data_received(self, data: bytes) -> None:
        """Read on; what is not whole by then goes the long way, where it is waited for only so long."""
        self._reads = True
        super().data_received(data)
        self._reads = False
        if held := self._let_go():
            super()._start_asgi_task(*held)

    def on_message_complete(self) -> None:
        """Take a delivery that arrived whole."""
        super().on_message_complete()
        if held := self._let_go():
            self._take(*held)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not cycle.more_body:  # it waited behind another one, which is answered now
            self._take(cycle, app)
        elif self._reads:
            self._held = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _let_go(self) -> _Turn | None:
        held, self._held = self._held, None
        return held

    def _take(self, cycle: RequestResponseCycle, app: Any) -> None:
        hooks, began = self.config.app, time.perf_counter()
        scope = cast("dict[str, Any]", cycle.scope)
        taken = None
        if isinstance(hooks, Hooks) and not self.flow.write_paused:  # who does not read answers is waited for
            taken = hooks.take(scope, bytes(cycle.body))
        if taken is None:
            super()._start_asgi_task(cycle, app)
        elif isinstance(taken, Verdict):
            # Not before what came with it is read: that waits behind this one, as behind any other.
            self.loop.call_soon(self._answer, cycle, taken.status, began)
        else:
            taken.add_done_callback(lambda kept: self._answer(cycle, kept.result().status, began))

    def _answer(self, cycle: RequestResponseCycle, status: int, began: float) -> None:
        metrics.delivered(status, time.perf_counter() - began)
        if cycle.disconnected:
            return
        headers, body = answer(status)
        always = self.server_state.default_headers
        ends = not cycle.keep_alive or CLOSE in always
        content = [STATUS_LINE[status]]
        for name, value in (*always, *headers, *([CLOSE] if ends and CLOSE not in always else [])):
            content += (name, b": ", value, b"\r\n")
        cycle.transport.write(b"".join((*content, b"\r\n", body)))
        cycle.response_started = cycle.response_complete = True
        if ends:
            cycle.transport.close()
        cycle.on_response()
