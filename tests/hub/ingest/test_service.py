"""Ingest on either database: each event is stored once, and applied in any order of commits."""

import asyncio
import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, update
from structlog.testing import capture_logs
from tests.idle_hub import IdleHub, body, run

from ultraviolet import clock
from ultraviolet.db.tables.events import delivery_counts, event_keys, events
from ultraviolet.db.tables.events import webhook_urls as url_table
from ultraviolet.db.tables.mirror import objects
from ultraviolet.db.tables.sync import stale
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import event_files, webhook_urls
from ultraviolet.hub.ingest.event_row import event_row
from ultraviolet.hub.ingest.service import MAX_BODY_BYTES
from ultraviolet.hub.sync.replay import Range, Replayed
from ultraviolet.ion.deliveries import Envelope
from ultraviolet.ion.signatures import FORMATS, SignatureFormat, sign


@pytest.fixture
def idle_hub(tmp_path: Path, store_url: str) -> Iterator[IdleHub]:
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    yield IdleHub(hub)
    hub.close()


def test_repeated_event_is_stored_once_and_counted(idle_hub: IdleHub) -> None:
    assert run(idle_hub.deliver(*[body(1)] * 5, body(2))) == [200] * 6

    assert sorted(row.deliveries for row in idle_hub.rows(event_keys)) == [1, 5]


@pytest.mark.parametrize(
    "strange",
    [
        b"",
        b"\x00\xff",
        b'{"eventId": "\\u0000", "resource": "SUPPLIERS\\u0000", "action": "UPDATE", "id": "\\u0000"}',
        b'{"eventId": "\\ud800", "resource": "SUPPLIERS", "action": "UPDATE", "id": 7}',
        body(1, description="a \x00 within"),
    ],
)
def test_any_body_is_stored_as_received_and_blocks_nothing(
    idle_hub: IdleHub, strange: bytes
) -> None:
    assert run(idle_hub.deliver(strange, body(2))) == [200, 200]

    assert strange in [bytes(row.body) for row in idle_hub.rows(events)]
    assert idle_hub.apply_events() == 2
    assert all(row.outcome for row in idle_hub.rows(events))


def test_event_that_commits_after_a_later_one_was_applied_is_not_skipped(
    postgresql: Any, tmp_path: Path
) -> None:
    hub = Hub.open(
        Settings(
            data=tmp_path, database_url=postgresql.new_database(), public_url="http://hub.test"
        )
    )
    idle_hub = IdleHub(hub)
    run(idle_hub.deliver(body(1), body(2)))
    first, second = idle_hub.rows(events)
    with hub.database.engine.begin() as other:  # like a slow process that already has its numbers
        hub.database.write_now(lambda c: c.execute(update(events).values(outcome=None)) and None)
        row = {**first._mapping, "seq": first.seq - 1000, "dedupe_key": b"slow", "body": body(3)}
        other.execute(insert(events).values(row))
        assert idle_hub.apply_events() == 2

    assert idle_hub.apply_events() == 1
    assert [row.outcome is not None for row in idle_hub.rows(events)] == [True] * 3
    assert {row.id for row in idle_hub.rows(objects)} == {"7"}
    assert second.seq > first.seq
    hub.close()


def test_secret_headers_are_not_stored(idle_hub: IdleHub) -> None:
    headers = {
        "x-api-key": "s3cret",
        "x-forwarded-uri": f"/hooks/{idle_hub.token}",
        "user-agent": "ION",
    }

    async def submit() -> None:
        await idle_hub.hub.ingest.refresh()
        assert await idle_hub.hub.ingest.submit(idle_hub.token, headers, body(1)) == 200

    run(submit())
    [event] = idle_hub.rows(events)
    assert event.headers == {"x-api-key": "…", "x-forwarded-uri": "…", "user-agent": "ION"}


def test_event_that_the_database_rejects_is_answered_503_and_not_logged(
    idle_hub: IdleHub,
) -> None:
    idle_hub.refuse("events", "new.object_id = '13'")
    told = b'{"eventId": 5, "resource": "SUPPLIERS", "action": "UPDATE", "id": 13, "new": {"name": "export controlled"}}'
    with capture_logs() as logs:
        assert run(idle_hub.deliver(body(1), told, body(2))) == [200, 503, 200]
    assert "delivery.not_kept" in {line["event"] for line in logs}
    assert "export controlled" not in str(logs)


def test_event_repeated_with_another_body_is_stored_and_its_object_read(
    idle_hub: IdleHub,
) -> None:
    """In any order and number, in one transaction or several, each body is one event."""
    first, other = body(1), body(1, name="Another")
    assert run(idle_hub.deliver(first, other, first)) == [200] * 3
    assert run(idle_hub.deliver(other, first, other)) == [200] * 3

    kept = idle_hub.rows(events)
    assert [(bytes(row.body), row.conflicting) for row in kept] == [(first, False), (other, True)]
    assert sorted(row.deliveries for row in idle_hub.rows(event_keys)) == [3, 3]

    assert idle_hub.apply_events() == 2
    (supplier,) = idle_hub.rows(objects)
    assert supplier.doc["name"] == "Supplier 1", "the other body is kept, but not used"
    assert [(row.resource, row.id) for row in idle_hub.rows(stale)] == [("suppliers", "7")]
    assert "another body" in idle_hub.rows(events)[1].detail

    async def replay() -> Replayed:
        done = await idle_hub.hub.requests.replay(
            "kim", Range(idle_hub.integration_id, resource="suppliers")
        )
        await idle_hub.hub._http().close()  # pyright: ignore[reportPrivateUsage]
        return done

    again = run(replay())
    assert (again.events, again.objects) == (2, 1)
    assert idle_hub.rows(objects)[0].doc["name"] == "Supplier 1"


def test_conflicting_events_survive_export_and_import_once(idle_hub: IdleHub) -> None:
    run(idle_hub.deliver(body(1), body(1, name="Another")))
    lines = idle_hub.hub.database.read_now(event_files.export_chunk, idle_hub.integration_id, 0)
    other = IdleHub(idle_hub.hub, "another plant")

    def bring(lines: list[event_files.Line]) -> int:
        return run(idle_hub.hub.requests.import_events(other.integration_id, "kim", lines)).added

    assert [bring(lines), bring(lines[::-1])] == [2, 0]
    mine = [row for row in idle_hub.rows(events) if row.integration_id == other.integration_id]
    assert [row.conflicting for row in mine] == [False, True]


def submit(idle_hub: IdleHub, body: bytes, token: str = "", **headers: str) -> int:
    """Submit one delivery after the URLs have changed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def once() -> int:
        await idle_hub.hub.ingest.refresh()
        status = await idle_hub.hub.ingest.submit(token or idle_hub.token, named, body)
        await idle_hub.hub.ingest._counters.close()  # pyright: ignore[reportPrivateUsage]
        return status

    return run(once())


def counted(idle_hub: IdleHub) -> dict[str, int]:
    return {row.outcome: row.count for row in idle_hub.rows(delivery_counts)}


def set_secret(idle_hub: IdleHub, url_id: int, secret: str) -> None:
    idle_hub.hub.database.write_now(
        lambda c: webhook_urls.set_receiver(
            c, idle_hub.hub.secrets, "kim", url_id, receiver_id="7", shared_secret=secret
        )
    )


def signed(form: SignatureFormat, secret: str, told: bytes) -> str:
    digest = hmac.digest(secret.encode(), told, "sha256")
    if form == "t=,v1=":
        return f"t=17,v1={hmac.digest(secret.encode(), b'17.' + told, 'sha256').hex()}"
    text = digest.hex() if form.endswith("hex") else base64.b64encode(digest).decode()
    return f"sha256={text}" if form.startswith("sha256=") else text


def test_largest_body_is_stored_and_a_larger_one_rejected_and_counted(idle_hub: IdleHub) -> None:
    head, tail = body(1, description="DESCRIPTION").split(b"DESCRIPTION")
    largest = head + b"x" * (MAX_BODY_BYTES - len(head + tail)) + tail
    assert submit(idle_hub, largest + b" ", token="unknown") == 404, (
        "the response to an unknown URL is always the same"
    )
    assert submit(idle_hub, largest) == 200
    assert submit(idle_hub, largest + b" ") == 413
    assert [len(row.body) for row in idle_hub.rows(events)] == [MAX_BODY_BYTES]
    assert counted(idle_hub) == {"taken": 1, "too_large": 1}


@pytest.mark.parametrize("form", FORMATS)
def test_signature_is_accepted_in_each_usual_format(
    idle_hub: IdleHub, form: SignatureFormat
) -> None:
    set_secret(idle_hub, 1, "shared")
    signature = signed(form, "shared", body(1))
    assert submit(idle_hub, body(1), x_ion_signature=f" {signature} ") == 200
    assert submit(idle_hub, body(2), x_ion_signature=signature) == 401, "of another body"
    [url] = idle_hub.rows(url_table)
    assert (url.signature_format, url.refused, url.last_failure) == (form, 1, "wrong_signature")
    assert [row.signature for row in idle_hub.rows(events)] == ["verified"]


@pytest.mark.parametrize("signature", ["", " ", "0", "sha256=", "t=,v1=", "é" * 64, "v1=,v1="])
def test_missing_or_malformed_signature_is_rejected(idle_hub: IdleHub, signature: str) -> None:
    set_secret(idle_hub, 1, "shared")
    assert submit(idle_hub, body(1), x_ion_signature=signature) == 401
    assert submit(idle_hub, body(1)) == 401
    assert (idle_hub.rows(events), counted(idle_hub)) == ([], {"wrong_signature": 2})


def test_signature_is_not_checked_while_no_secret_is_known(idle_hub: IdleHub) -> None:
    assert submit(idle_hub, body(1), x_ion_signature="anything") == 200
    assert [row.signature for row in idle_hub.rows(events)] == ["unverified"]


def test_old_url_accepts_its_own_secret_until_the_first_use_of_the_new_url(
    idle_hub: IdleHub,
) -> None:
    set_secret(idle_hub, 1, "before")
    new, token = idle_hub.hub.database.write_now(webhook_urls.rotate_url, "kim", 1)
    set_secret(idle_hub, new.id, "after")
    before, after = sign("before", body(1)), sign("after", body(1))
    assert submit(idle_hub, body(1), x_ion_signature=after) == 401
    assert submit(idle_hub, body(1), token, x_ion_signature=before) == 401
    assert submit(idle_hub, body(1), x_ion_signature=before) == 200
    assert submit(idle_hub, body(1), token, x_ion_signature=after) == 200

    async def at_the_old_url() -> int:
        headers = {"x-ion-signature": before}
        return await idle_hub.hub.ingest.submit(idle_hub.token, headers, body(1))

    assert run(at_the_old_url()) == 404, "at once, not at the next reload of the cache"
    assert [row.deliveries for row in idle_hub.rows(event_keys)] == [2]
    assert {row.id: row.state for row in idle_hub.rows(url_table)} == {
        1: "revoked",
        new.id: "active",
    }


def test_only_a_current_url_is_accepted_without_further_checks(idle_hub: IdleHub) -> None:
    async def accept() -> None:
        ingest = idle_hub.hub.ingest
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepts(token: str, content: bytes) -> bool:
            return ingest.accept(token, {}, content, status.set_result, trace="00-trace")

        assert not accepts(idle_hub.token, body(1)), "the cache is empty"
        assert not ingest.knows(idle_hub.token)
        await ingest.refresh()
        assert ingest.knows(idle_hub.token)
        assert not accepts("unknown", body(1))
        assert not accepts(idle_hub.token, bytes(MAX_BODY_BYTES + 1))
        assert accepts(idle_hub.token, body(1))
        assert await status == 200
        await idle_hub.hub.database.write(webhook_urls.rotate_url, "kim", 1)
        await ingest.refresh()
        assert not accepts(idle_hub.token, body(2)), "it has an end, which is checked"
        assert await ingest.submit(idle_hub.token, {}, body(2)) == 200

    run(accept())
    assert [row.headers for row in idle_hub.rows(events)] == [{"traceparent": "00-trace"}, {}]


def test_event_without_an_id_is_identified_by_its_body(idle_hub: IdleHub) -> None:
    first = b'{"resource": "SUPPLIERS", "action": "UPDATE", "id": 7, "new": {"name": "a"}}'
    other = first.replace(b'"a"', b'"b"')
    assert run(idle_hub.deliver(first, other, first, b" " + first)) == [200] * 4
    assert sorted(row.deliveries for row in idle_hub.rows(event_keys)) == [1, 1, 2]
    assert not any(row.conflicting for row in idle_hub.rows(events))


def test_same_event_id_in_another_integration_or_subscription_is_another_event(
    idle_hub: IdleHub,
) -> None:
    other = IdleHub(idle_hub.hub, "other plant")
    told = body(1, name="a")
    elsewhere = told.replace(b'"eventId"', b'"subscriptionId": 2, "eventId"')
    assert run(idle_hub.deliver(told, elsewhere)) == [200, 200]
    assert run(other.deliver(told)) == [200]
    rows = idle_hub.rows(events)
    assert [row.conflicting for row in rows] == [False] * 3
    assert {row.integration_id for row in rows} == {idle_hub.integration_id, other.integration_id}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig", "latin-1"])
def test_body_in_another_encoding_is_stored_byte_for_byte(idle_hub: IdleHub, encoding: str) -> None:
    text = body(1).decode().replace("Supplier", "Zulieferer für Öl")
    assert run(idle_hub.deliver(text.encode(encoding), text.encode(encoding))) == [200, 200]
    [row] = idle_hub.rows(events)
    assert bytes(row.body) == text.encode(encoding)
    assert (row.object_id == "7") == (encoding in ("utf-8-sig", "latin-1")), "read if possible"
    assert [key.deliveries for key in idle_hub.rows(event_keys)] == [2]


TEXTS = st.one_of(st.none(), st.text(max_size=8))
ENVELOPES = st.builds(
    Envelope,
    event_id=TEXTS,
    subscription_id=TEXTS,
    resource=TEXTS,
    action=TEXTS,
    object_id=TEXTS,
    source_time=st.one_of(
        st.none(), st.datetimes(timezones=st.just(UTC)).map(clock.format_rfc3339)
    ),
)


def row_of(told: bytes, envelope: Envelope, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"received_at": "now", "signature": "unverified"} | more
    return event_row(1, 2, told, envelope, **given)


@given(one=ENVELOPES, other=ENVELOPES, told=st.binary(max_size=20), changed=st.binary(max_size=20))
def test_key_depends_on_the_envelope_if_it_has_an_id_and_otherwise_on_the_body(
    one: Envelope, other: Envelope, told: bytes, changed: bytes
) -> None:
    key = row_of(told, one)["dedupe_key"]
    later = row_of(told, one, received_at="later", signature="verified", headers={"a": "b"})
    assert later["dedupe_key"] == key
    same_body = row_of(changed, one)["dedupe_key"] == key
    assert same_body == (one.event_id is not None or told == changed)
    if one.event_id is not None and other.event_id is not None:
        assert (row_of(told, other)["dedupe_key"] == key) == (one == other)


@given(
    headers=st.dictionaries(
        st.sampled_from(
            ["host", "x-real-ip", "cookie", "authorization", "x-api-key", "x-csrf-token"]
        )
        | st.from_regex(r"[a-z-]{1,12}", fullmatch=True),
        st.sampled_from(["/hooks/uvh_t0k", "uvh_t0k"]) | st.text(max_size=8),
    )
)
def test_stored_headers_have_all_names_and_no_secret(headers: Mapping[str, str]) -> None:
    stored = row_of(b"", Envelope(), headers=headers, token="uvh_t0k")["headers"]
    assert "uvh_t0k" not in stored
    decoded: dict[str, str] = json.loads(stored)
    assert decoded.keys() == headers.keys()
    for name in {"cookie", "authorization", "x-api-key", "x-csrf-token"} & decoded.keys():
        assert decoded[name] == "…"
    assert all(decoded[name] in (value, "…") for name, value in headers.items())


def test_outage_is_answered_at_once_and_counted_only_for_known_urls(idle_hub: IdleHub) -> None:
    async def fail() -> list[int]:
        ingest = idle_hub.hub.ingest
        await ingest.refresh()
        ingest._commits.unavailable_until = float("inf")  # pyright: ignore[reportPrivateUsage]
        tokens = [idle_hub.token, "unknown", idle_hub.token]
        verdicts = await asyncio.gather(*(ingest.submit(token, {}, body(1)) for token in tokens))
        assert not ingest.accept(idle_hub.token, {}, body(1), verdicts.append)
        await ingest.close()
        return verdicts

    assert run(fail()) == [503] * 3
    assert (counted(idle_hub), idle_hub.rows(events)) == ({"put_off": 2}, [])
    assert (idle_hub.hub.ingest.spooled, idle_hub.hub.ingest.refused) == (0, 0)
