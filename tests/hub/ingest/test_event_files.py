"""Imported events keep the time of the other hub, unless it is invalid or in the future."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.idle_hub import IdleHub, body, run

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.events import event_keys, events
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest.event_files import (
    EXPORT_CHUNK_EVENTS,
    ImportResult,
    Line,
    export_chunk,
    format_line,
    parse_lines,
)

KEY = "0123456789abcdef" * 4
VALID: dict[str, Any] = {
    "seq": 17,
    "received_at": "2026-01-01T00:00:00.000000+00:00",
    "dedupe_key": KEY,
    "headers": {"user-agent": "ION"},
    "signature": "verified",
    "body": body(1).decode(),
}


@pytest.fixture
def idle_hub(tmp_path: Path, store_url: str) -> Iterator[IdleHub]:
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    yield IdleHub(hub)
    hub.close()


def import_event(idle_hub: IdleHub, received_at: str) -> str:
    """Import an event and return its stored time."""
    line = Line(17, received_at, "00" * 32, {}, "verified", body=body(1).decode())
    run(idle_hub.hub.requests.import_events(idle_hub.integration_id, "kim", [line]))
    return idle_hub.rows(events)[0].received_at


@pytest.mark.parametrize(
    "written",
    ["2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00", "2026-01-01T00:00:00.000000+00:00"],
)
def test_time_is_normalized(idle_hub: IdleHub, written: str) -> None:
    assert import_event(idle_hub, written) == "2026-01-01T00:00:00.000000+00:00"


@pytest.mark.parametrize("written", ["yesterday", "", "0001-01-01T00:00:00+01:00"])
def test_invalid_time_is_rejected_with_the_number_of_its_event(
    idle_hub: IdleHub, written: str
) -> None:
    with pytest.raises(InvalidError, match="Event 17 has an invalid key, time or body"):
        import_event(idle_hub, written)
    assert idle_hub.rows(events) == []


def test_future_time_becomes_the_present(idle_hub: IdleHub) -> None:
    """Otherwise the clock of the hub would continue from there after a restart."""
    assert import_event(idle_hub, "2099-01-01T00:00:00.000000+00:00") <= now_rfc3339()


def export(idle_hub: IdleHub) -> bytes:
    """Return all events of an integration, as the API exports them."""
    text, after = b"", 0
    while lines := idle_hub.hub.database.read_now(export_chunk, idle_hub.integration_id, after):
        text += format_line(lines)
        after = lines[-1].seq
    return text


def bring(idle_hub: IdleHub, text: bytes) -> ImportResult:
    return run(
        idle_hub.hub.requests.import_events(idle_hub.integration_id, "kim", parse_lines(text))
    )


def line(**changed: Any) -> bytes:
    values = {name: value for name, value in (VALID | changed).items() if value is not None}
    return json.dumps(values).encode() + b"\n"


def without_numbers(text: bytes) -> list[dict[str, Any]]:
    return [{**json.loads(each), "seq": None} for each in text.splitlines()]


def test_export_of_the_importing_hub_equals_the_imported_one(idle_hub: IdleHub) -> None:
    bodies = [
        body(1),
        body(1, name="Another"),
        body(1),
        b"",
        b"\x00\xff not text",
        b'{"eventId": 3, "resource": "SUPPLIERS", "id": "\\ud800"}',
        body(4, name="\u2028 Übergröße \u0085").replace(b"7", b"8"),
        "a line\nand another\r\n".encode("utf-16"),
    ]
    assert run(idle_hub.deliver(*bodies)) == [200] * len(bodies)
    exported = export(idle_hub)
    other = IdleHub(idle_hub.hub, "other plant")
    assert bring(other, exported) == ImportResult(read=7, added=7, known=0)
    assert without_numbers(export(other)) == without_numbers(exported)
    assert [each["deliveries"] for each in without_numbers(exported) if "deliveries" in each] == [2]
    third = IdleHub(idle_hub.hub, "third plant")
    bring(third, export(other))
    assert without_numbers(export(third)) == without_numbers(exported)


def test_known_events_are_skipped_and_their_deliveries_not_counted_again(idle_hub: IdleHub) -> None:
    run(idle_hub.deliver(body(1), body(1), body(1, name="Another"), body(2)))
    before = sorted(row.deliveries for row in idle_hub.rows(event_keys))
    assert bring(idle_hub, export(idle_hub)) == ImportResult(read=3, added=0, known=3)
    assert sorted(row.deliveries for row in idle_hub.rows(event_keys)) == before == [1, 1, 2]


def test_imported_event_is_recognized_at_its_delivery(idle_hub: IdleHub) -> None:
    other = IdleHub(idle_hub.hub, "other plant")
    run(idle_hub.deliver(body(1), body(2)))
    bring(other, export(idle_hub))
    assert run(other.deliver(body(1), body(3))) == [200, 200]
    rows = [row for row in idle_hub.rows(events) if row.integration_id == other.integration_id]
    assert [bytes(row.body) for row in rows] == [body(1), body(2), body(3)]
    assert [row.webhook_url_id == 0 for row in rows] == [True, True, False]


def test_imported_event_with_another_body_than_the_received_one_conflicts(
    idle_hub: IdleHub,
) -> None:
    other = IdleHub(idle_hub.hub, "other plant")
    run(idle_hub.deliver(body(1, name="Another")))
    run(other.deliver(body(1)))
    assert bring(other, export(idle_hub)) == ImportResult(read=1, added=1, known=0)
    rows = [row for row in idle_hub.rows(events) if row.integration_id == other.integration_id]
    assert [row.conflicting for row in rows] == [False, True]
    assert bring(other, export(idle_hub)).known == 1


def test_export_is_divided_into_chunks_without_gaps(idle_hub: IdleHub) -> None:
    count = EXPORT_CHUNK_EVENTS + 1
    run(idle_hub.deliver(*(body(number) for number in range(count))))
    first = idle_hub.hub.database.read_now(export_chunk, idle_hub.integration_id, 0)
    rest = idle_hub.hub.database.read_now(export_chunk, idle_hub.integration_id, first[-1].seq)
    assert (len(first), len(rest)) == (EXPORT_CHUNK_EVENTS, 1)
    assert len({each.dedupe_key for each in first + rest}) == count
    assert idle_hub.hub.database.read_now(export_chunk, idle_hub.integration_id, rest[-1].seq) == []


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (b"{", "."),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `seq`"),
        (line(seq="one"), r"Expected `int`, got `str` - at `\$\.seq`"),
        (line(headers={"a": 1}), r"at `\$\.headers\[...\]`"),
        (line(signature="trusted"), r"at `\$\.signature`"),
        (line(deliveries=0), r"at `\$\.deliveries`"),
        (line(deliveries=2**31), r"at `\$\.deliveries`"),
        (b"[" * 100_000, "."),
    ],
)
def test_first_invalid_line_is_named_with_its_number(wrong: bytes, reason: str) -> None:
    with pytest.raises(InvalidError, match=f"^Line 3 is not an event in the format.*: .*{reason}"):
        parse_lines(line() + b"\n" + wrong.strip() + b"\n" + b"also wrong\n")


@pytest.mark.parametrize(
    "changed",
    [
        {"dedupe_key": "xyz"},
        {"dedupe_key": ""},
        {"dedupe_key": "00" * 3000},
        {"body": None},
        {"body": None, "body_base64": "a"},
        {"body": None, "body_base64": "YWJj*"},
    ],
)
def test_event_with_an_invalid_key_or_body_adds_nothing(
    idle_hub: IdleHub, changed: dict[str, Any]
) -> None:
    with pytest.raises(InvalidError, match=r"^Event 18 has an invalid key, time or body: ."):
        bring(idle_hub, line() + line(seq=18, **changed))
    assert idle_hub.rows(events) == []


def test_blank_lines_and_line_ends_of_windows_are_accepted() -> None:
    [one, two] = parse_lines(b"\r\n" + line().strip() + b"\r\n  \r\n" + line(seq=18).strip())
    assert (one.seq, two.seq) == (17, 18)
    assert parse_lines(b"") == parse_lines(b"\n\n") == []


def test_line_of_a_megabyte_is_imported_whole(idle_hub: IdleHub) -> None:
    large = body(1, description="ü" * 500_000)
    assert bring(idle_hub, line(body=large.decode())).added == 1
    [row] = idle_hub.rows(events)
    assert bytes(row.body) == large
    assert json.loads(export(idle_hub))["body"] == large.decode()


def test_control_characters_in_headers_are_kept_from_the_database(idle_hub: IdleHub) -> None:
    assert bring(idle_hub, line(headers={"x-note": "a\x01b", "x-token": "s3cret"})).added == 1
    [row] = idle_hub.rows(events)
    assert row.headers == {"x-note": "a\x01b", "x-token": "…"}, "as if it was received here"


LINES = st.builds(
    Line,
    seq=st.integers(1, 2**63 - 1),
    received_at=st.text(max_size=10),
    dedupe_key=st.text(max_size=10),
    headers=st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
    signature=st.sampled_from(["verified", "unverified", "recovered"]),
    deliveries=st.integers(1, 2**31 - 1),
    conflicting=st.booleans(),
    body=st.one_of(st.none(), st.text()),
    body_base64=st.one_of(st.none(), st.text()),
)


@given(lines=st.lists(LINES, max_size=4))
def test_parsed_lines_equal_the_formatted_ones(lines: list[Line]) -> None:
    text = format_line(lines)
    assert parse_lines(text) == lines
    assert text.count(b"\n") == len(lines), "each event is one line"


@given(text=st.binary(max_size=60))
def test_arbitrary_bytes_are_rejected_with_a_line_number(text: bytes) -> None:
    if text.strip():
        with pytest.raises(InvalidError, match=r"^Line \d+ is not an event"):
            parse_lines(text)
    else:
        assert parse_lines(text) == []
