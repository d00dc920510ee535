"""Events as a file: JSON lines with the raw bodies kept exactly, written by one hub and read by another.

An imported event waits like one that was just delivered and goes through the same live path; one that the hub
has already is not doubled. So events and one fetch make a hub that equals the one they come from.
"""

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ultraviolet import clock
from ultraviolet.db.event_store import DELIVERIES, insert_events
from ultraviolet.db.tables.events import events
from ultraviolet.errors import InvalidError
from ultraviolet.hub.ingest.service import event_row
from ultraviolet.ion import answers
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import decode_envelope

PIECE = 500
"""Events read at once."""
_ELSEWHERE = 0
"""The webhook URL of an event that another hub took."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event; a body that is not UTF-8 is written in base64."""

    seq: int
    received_at: str
    dedupe_key: str
    headers: dict[str, str]
    signature: str
    deliveries: int = 1
    conflicting: bool = False
    body: str | None = None
    body_base64: str | None = None


class ImportResult(msgspec.Struct, frozen=True):
    """What became of the lines."""

    read: int
    added: int
    known: int
    """Events the hub had already."""


def export_chunk(connection: Connection, integration_id: int, after: int) -> list[Line]:
    """Read the events behind a number."""
    query = select(events, DELIVERIES).where(
        events.c.integration_id == integration_id, events.c.seq > after
    )
    rows = connection.execute(query.order_by(events.c.seq).limit(PIECE)).mappings()
    return [_line(row) for row in rows]


def format_line(lines: Sequence[Line]) -> bytes:
    """Write JSON lines."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def parse_lines(text: bytes) -> list[Line]:
    """Read JSON lines; raises InvalidError that names the first line that is none."""
    found: list[Line] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                found.append(_decode_line(line))
            except (msgspec.DecodeError, ValueError) as error:
                raise InvalidError(
                    f"Line {number} is not an event as `event export` writes it: {error}"
                ) from error
    return found


def _decode_line(line: bytes) -> Line:
    """Decode a line; one that another program wrote may break the rules of JSON or Unicode."""
    try:
        return msgspec.json.decode(line, type=Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.convert(answers.decode(line).value, type=Line)


def import_lines(
    connection: Connection, catalog: Catalog, integration_id: int, lines: Sequence[Line]
) -> ImportResult:
    """Record events as if they were delivered now, in the order of the lines; the apply controller takes them.

    One of a time to come, by a clock that was ahead, is dated now. Raises InvalidError that names an event whose
    key, time or body cannot be read.
    """
    added = insert_events(
        connection, [_row(catalog, integration_id, line) for line in lines], again=0
    )
    return ImportResult(len(lines), added, len(lines) - added)


def _line(row: Any) -> Line:
    body = bytes(row["body"])
    try:
        written = {"body": body.decode()}
    except UnicodeDecodeError:
        written = {"body_base64": base64.b64encode(body).decode()}
    return Line(
        seq=row["seq"],
        received_at=row["received_at"],
        dedupe_key=bytes(row["dedupe_key"]).hex(),
        headers=row["headers"],
        signature=row["signature"],
        deliveries=row["deliveries"],
        conflicting=row["conflicting"],
        **written,
    )


def _row(catalog: Catalog, integration_id: int, line: Line) -> dict[str, Any]:
    try:
        key = bytes.fromhex(line.dedupe_key)
        body = (
            line.body.encode()
            if line.body is not None
            else base64.b64decode(line.body_base64 or "")
        )
        received_at = min(clock.normalize_rfc3339(line.received_at), clock.now_rfc3339())
    except ValueError as error:
        raise InvalidError(
            f"Event {line.seq} has a key, a time or a body that cannot be read: {error}"
        ) from error
    row = event_row(
        integration_id,
        _ELSEWHERE,
        body,
        decode_envelope(catalog, body),
        received_at=received_at,
        signature=line.signature,
        headers=line.headers,
    )
    # The key of a conflicting event depends on which body a hub took first; here that may be another one.
    key = row["dedupe_key"] if line.conflicting else key
    return {
        **row,
        "dedupe_key": key,
        "deliveries": line.deliveries,
        "conflicting": line.conflicting,
    }
