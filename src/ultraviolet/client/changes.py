"""The client's stream of changes: it goes on where it broke off, so that whoever reads it misses nothing."""

from collections.abc import Iterator, Sequence

import httpx
import msgspec
import stamina

from ultraviolet.client._generated_models import ImportResult, ObjectChange
from ultraviolet.client._generated_operations import Operations
from ultraviolet.client.transport import ProblemError, expect_success, media_type, no_hub
from ultraviolet.outgoing import MAX_ANSWER_BYTES, AnswerTooLargeError
from ultraviolet.text import path_segment

_SILENCE = httpx.Timeout(10, read=40)
"""The hub says something every 15 s; a connection that is silent for longer is broken."""


class Client(Operations):
    """A hub's API: a method for each operation, and the stream of changes."""

    def changes(
        self,
        *,
        integration: str | int | None = None,
        resource: Sequence[str] = (),
        cursor: str | None = None,
    ) -> Iterator[ObjectChange]:
        """Return every change as it comes about, without end; each has the `cursor` to go on from another time.

        Begins behind `cursor`, which may be `now`, else with the first change that is kept. Raises ProblemError of
        kind cursor-gone where what followed the cursor is no longer kept.
        """
        asked: dict[str, str | list[str] | None] = {
            "integration": None if integration is None else str(integration),
            "resource": list(resource),
        }
        if cursor == "now":
            cursor = self.list_changes(**asked, cursor=cursor, limit=1).next  # pyright: ignore[reportArgumentType]
        while True:
            for attempt in stamina.retry_context(
                on=_broken, attempts=None, timeout=None, wait_max=5
            ):
                with attempt:
                    for change in self._stream(asked, cursor):
                        cursor = change.cursor
                        yield change

    def import_events(self, integration: str | int, lines: bytes) -> ImportResult:
        """Take in JSON lines as `export_events` gives them, up to 4 MB a request; what is known is not doubled."""
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/events/import",
            (ImportResult,),
            body=lines,
        )

    def _stream(
        self, asked: dict[str, str | list[str] | None], cursor: str | None
    ) -> Iterator[ObjectChange]:
        query = {name: value for name, value in asked.items() if value}
        headers = {"accept": "text/event-stream", **({"last-event-id": cursor} if cursor else {})}
        with self._http.stream(
            "GET", "/changes/stream", params=query, headers=headers, timeout=_SILENCE
        ) as answer:
            expect_success(answer)
            if media_type(answer) != "text/event-stream":
                raise no_hub(answer)
            for line in _lines(answer.iter_bytes()):
                name, _, value = line.partition(b":")
                if name == b"data" and value.strip():
                    yield msgspec.json.decode(value, type=ObjectChange)


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Cut at line feeds and nowhere else: what text takes for the end of a line may stand within JSON."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
        if len(rest) > MAX_ANSWER_BYTES:
            raise AnswerTooLargeError(MAX_ANSWER_BYTES)


def _broken(error: Exception) -> bool | float:
    if isinstance(error, ProblemError):
        return (error.retry_after or True) if error.status in (429, 502, 503) else False
    return isinstance(error, httpx.TransportError)
