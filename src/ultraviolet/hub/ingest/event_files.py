"""Export and import events as JSON lines with their exact bodies.

Imported events are applied like deliveries, and known events are skipped. A hub with the imported
events and one fetch equals the hub that exported them.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from sqlalchemy import Connection, select

from ultraviolet import clock
from ultraviolet.codecs import DECODE_ERRORS
from ultraviolet.db.event_store import DELIVERIES, insert_events
from ultraviolet.db.tables.events import events
from ultraviolet.errors import InvalidError
from ultraviolet.hub.ingest.event_row import event_row
from ultraviolet.ion import answers
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import decode_envelope

EXPORT_CHUNK_EVENTS = 500
_NO_URL_ID = 0
"""The webhook URL of an event that another hub received."""
_KEY_BYTES = 32


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event. A body that is not UTF-8 is encoded in base64."""

    seq: int
    received_at: str
    dedupe_key: str
    headers: dict[str, str]
    signature: Literal["verified", "unverified", "recovered"]
    deliveries: Annotated[int, msgspec.Meta(ge=1, lt=2**31)] = 1
    conflicting: bool = False
    body: str | None = None
    body_base64: str | None = None


class ImportResult(msgspec.Struct, frozen=True):
    """The number of lines by result."""

    read: int
    added: int
    known: int
    """Events that the hub already had."""


def export_chunk(connection: Connection, integration_id: int, after: int) -> list[Line]:
    """Return the next events after a sequence number."""
    query = select(events, DELIVERIES).where(
        events.c.integration_id == integration_id, events.c.seq > after
    )
    rows = connection.execute(query.order_by(events.c.seq).limit(EXPORT_CHUNK_EVENTS)).mappings()
    return [_line(row) for row in rows]


def format_line(lines: Sequence[Line]) -> bytes:
    """Return events as JSON lines."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def parse_lines(text: bytes) -> list[Line]:
    """Parse JSON lines; raise InvalidError with the number of the first invalid line."""
    parsed: list[Line] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                parsed.append(_decode_line(line))
            except (msgspec.DecodeError, ValueError) as error:
                raise InvalidError(
                    f"Line {number} is not an event in the format of `event export`: {error}"
                ) from error
    return parsed


def _decode_line(line: bytes) -> Line:
    """Decode a line; accept the invalid JSON and Unicode that deliveries may contain."""
    try:
        return msgspec.json.decode(line, type=Line)
    except DECODE_ERRORS:
        return msgspec.convert(answers.decode(line).value, type=Line)


def import_lines(
    connection: Connection, catalog: Catalog, integration_id: int, lines: Sequence[Line]
) -> ImportResult:
    """Insert events in the order of the lines; the apply controller applies them.

    A time in the future becomes the present. Raise InvalidError for an invalid key, time or body.
    """
    rows = [_row(catalog, integration_id, line) for line in lines]
    added = insert_events(connection, rows, again=0)
    return ImportResult(len(lines), added, len(lines) - added)


def _line(row: Any) -> Line:
    body = bytes(row["body"])
    try:
        encoded = {"body": body.decode()}
    except UnicodeDecodeError:
        encoded = {"body_base64": base64.b64encode(body).decode()}
    return Line(
        seq=row["seq"],
        received_at=row["received_at"],
        dedupe_key=bytes(row["dedupe_key"]).hex(),
        headers=row["headers"],
        signature=row["signature"],
        deliveries=row["deliveries"],
        conflicting=row["conflicting"],
        **encoded,
    )


def _row(catalog: Catalog, integration_id: int, line: Line) -> dict[str, Any]:
    invalid = f"Event {line.seq} has an invalid key, time or body"
    try:
        key = bytes.fromhex(line.dedupe_key)
        encoded = base64.b64decode(line.body_base64 or "", validate=True)
        body = encoded if line.body is None else line.body.encode()
        received_at = min(clock.normalize_rfc3339(line.received_at), clock.now_rfc3339())
    except ValueError as error:
        raise InvalidError(f"{invalid}: {error}") from error
    if len(key) != _KEY_BYTES:
        raise InvalidError(f"{invalid}: the key has {len(key)} bytes instead of {_KEY_BYTES}")
    if line.body is None and line.body_base64 is None:
        raise InvalidError(f"{invalid}: the body is missing")
    row = event_row(
        integration_id,
        _NO_URL_ID,
        body,
        decode_envelope(catalog, body),
        received_at=received_at,
        signature=line.signature,
        headers=line.headers,
    )
    # The key of a conflicting event depends on the body that a hub received first.
    key = row["dedupe_key"] if line.conflicting else key
    return {
        **row,
        "dedupe_key": key,
        "deliveries": line.deliveries,
        "conflicting": line.conflicting,
    }
