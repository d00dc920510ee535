"""The client's stream of changes, which resumes without loss after a broken connection."""

from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import msgspec
import stamina

from ultraviolet.client._generated_models import ImportResult, ObjectChange
from ultraviolet.client._generated_operations import Operations
from ultraviolet.client.transport import ProblemError, expect_success, media_type, no_hub
from ultraviolet.outgoing import MAX_ANSWER_BYTES, AnswerTooLargeError
from ultraviolet.text import path_segment

_STREAM_TIMEOUT = httpx.Timeout(10, read=40)
"""The hub sends a comment every 15 s, so a longer silence means a broken connection."""


class Client(Operations):
    """A client of a hub's API: a method for each operation, and the stream of changes."""

    def changes(
        self,
        *,
        integration: str | int | None = None,
        resource: Sequence[str] = (),
        cursor: str | None = None,
    ) -> Iterator[ObjectChange]:
        """Return changes as they happen, without end; each has a `cursor` to resume from.

        Start after `cursor`, which may be `now`; by default with the oldest recorded change.
        Raise ProblemError of kind cursor-gone if changes after the cursor were deleted.
        """
        query: dict[str, str | list[str] | None] = {
            "integration": None if integration is None else str(integration),
            "resource": list(resource),
        }
        if cursor == "now":
            first: Any = {**query, "cursor": cursor, "limit": 1}
            page = self.list_changes(**first)
            cursor = page.next
        while True:
            for attempt in stamina.retry_context(
                on=_should_retry, attempts=None, timeout=None, wait_max=5
            ):
                with attempt:
                    for change in self._stream(query, cursor):
                        cursor = change.cursor
                        yield change

    def import_events(self, integration: str | int, lines: bytes) -> ImportResult:
        """Import JSON lines from `export_events`, up to 4 MB; recorded events are skipped."""
        return self._ask(
            "POST",
            f"/integrations/{path_segment(integration)}/events/import",
            (ImportResult,),
            body=lines,
        )

    def _stream(
        self, query: dict[str, str | list[str] | None], cursor: str | None
    ) -> Iterator[ObjectChange]:
        params = {name: value for name, value in query.items() if value}
        headers = {"accept": "text/event-stream", **({"last-event-id": cursor} if cursor else {})}
        with self._http.stream(
            "GET", "/changes/stream", params=params, headers=headers, timeout=_STREAM_TIMEOUT
        ) as response:
            expect_success(response)
            if media_type(response) != "text/event-stream":
                raise no_hub(response)
            for line in _split_lines(response.iter_bytes()):
                name, _, value = line.partition(b":")
                if name == b"data" and value.strip():
                    yield msgspec.json.decode(value, type=ObjectChange)


def _split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Split at line feeds only: JSON may contain other line separators of Unicode."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > MAX_ANSWER_BYTES:
            raise AnswerTooLargeError(MAX_ANSWER_BYTES)


def _should_retry(error: Exception) -> bool | float:
    if isinstance(error, ProblemError):
        return (error.retry_after or True) if error.status in (429, 502, 503) else False
    return isinstance(error, httpx.TransportError)
