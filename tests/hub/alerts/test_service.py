"""Alerts: whoever wants to know is told once when something begins to need a person, and once when it is over."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook
from structlog.testing import capture_logs
from tests.alert_sinks import PASSWORD, Sink, http_sink, mail_server
from tests.idle_hub import Door, run

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.alerts import alert_destinations, alert_notices, alerts
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.hub.alerts import destinations
from ultraviolet.hub.alerts import service as alert_service
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.conditions import AlertCondition, disk_conditions
from ultraviolet.hub.alerts.service import AlertService
from ultraviolet.hub.core import findings
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.findings import FindingsPage
from ultraviolet.hub.core.reencryption import reencrypt_all
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration

REFUSED = FindingsPage("credentials", "API key", "ION refuses the API key", "Make a new one")
GONE = FindingsPage("receiver", "deleted", "Receiver 7 was deleted in ION", "Run set-up again")

_LONG = timedelta(days=1)


class Watched(Door):
    """A hub whose alarm looks when the test says so."""

    def look(self) -> None:
        async def both() -> None:
            looker = AlertService(self.hub)
            await looker.look()
            await looker.tell()

        run(both())

    def find(self, *found: FindingsPage) -> None:
        kinds = ("credentials", "receiver")
        self.hub.database.write_now(findings.save_findings, self.integration_id, kinds, found)

    def add(self, kind: Any, address: str, name: str = "someone") -> tuple[Any, str | None]:
        return self.hub.database.write_now(
            destinations.add,
            self.hub.secrets,
            self.hub.targets,
            "ada",
            name=name,
            kind=kind,
            address=address,
        )

    def later(self, **more: float) -> None:
        """Let time pass for what is kept of alerts."""

        def shift(connection: Any) -> None:
            for table, column in (
                (alerts, alerts.c.opened_at),
                (alerts, alerts.c.gone_since),
                (alert_notices, alert_notices.c.next_attempt_at),
            ):
                moved = format_rfc3339(utc_now() - timedelta(**more))
                connection.execute(
                    update(table).where(column.is_not(None)).values({column.name: moved})
                )

        self.hub.database.write_now(shift)


def opened(store_url: str, data: Path, **more: Any) -> Hub:
    given = {"alert_seconds": 0.0, "allowed_targets": ("127.0.0.1",), **more}
    return Hub.open(
        Settings(data=data, database_url=store_url, public_url="http://hub.test", **given)
    )


@pytest.fixture
def door(tmp_path: Path, store_url: str) -> Iterator[Watched]:
    hub = opened(store_url, tmp_path)
    yield Watched(hub)
    hub.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with http_sink() as made:
        yield made


def test_a_finding_is_told_once_and_once_more_when_it_is_over(door: Watched, sink: Sink) -> None:
    _, secret = door.add("webhook", sink.url)
    assert secret
    door.find(GONE)
    for _ in range(4):
        door.look()
    door.find()
    for _ in range(4):
        door.look()

    told = sink.messages()
    assert [one["type"] for one in told] == ["alert.opened", "alert.fixed"]
    assert told[0]["data"]["sentence"] == GONE.sentence
    assert told[0]["data"]["integration"] == "plant"
    assert told[1]["data"]["fixed_at"]
    for headers, body in sink.posts:
        assert Webhook(secret).verify(body, headers) == msgspec.json.decode(body)
    assert len({headers["webhook-id"] for headers, _ in sink.posts}) == 2


def test_a_pause_is_no_end_of_what_was_told(door: Watched, sink: Sink) -> None:
    database, id_ = door.hub.database, door.integration_id
    door.add("webhook", sink.url)
    door.find(REFUSED)
    door.look()
    database.write_now(integrations.pause, "ada", id_)
    for _ in range(3):
        door.look()
    assert ["alert.opened"] == [one["type"] for one in sink.messages()]

    database.write_now(integrations.resume, "ada", id_)
    door.find()
    for _ in range(3):
        door.look()
    assert ["alert.opened", "alert.fixed"] == [one["type"] for one in sink.messages()]


def test_while_somebody_has_paused_it_nothing_is_told(door: Watched, sink: Sink) -> None:
    database, id_ = door.hub.database, door.integration_id
    door.find(REFUSED)
    door.add("webhook", sink.url)
    database.write_now(
        alert_store.save_conditions,
        {id_},
        [AlertCondition(id_, "credentials", "says", "next")],
        _LONG,
    )
    database.write_now(integrations.pause, "ada", id_)
    for _ in range(3):
        door.look()
    assert [] == sink.messages()


def test_what_passes_by_itself_is_never_told(tmp_path: Path, store_url: str, sink: Sink) -> None:
    door = Watched(opened(store_url, tmp_path, alert_seconds=60.0))
    door.add("slack", sink.url)
    again = lambda: door.hub.database.write_now(  # noqa: E731  the look before was a moment ago
        lambda c: c.exec_driver_sql("DELETE FROM settings WHERE name = 'alerts looked at'") and None
    )
    for found in ((GONE,), (), (GONE,)):
        door.find(*found)
        door.look()
        again()
    assert sink.posts == []
    door.later(seconds=61)
    door.look()
    assert len(sink.posts) == 1
    again()
    door.find()
    door.look()
    again()
    door.find(GONE)
    door.look()
    again()
    door.later(seconds=61)
    door.look()

    assert len(sink.posts) == 1, "it went and came back within the minute"
    door.hub.close()


def test_what_did_not_get_through_is_told_again_by_whoever_is_there(
    door: Watched, sink: Sink, tmp_path: Path, store_url: str
) -> None:
    added, _ = door.add("webhook", sink.url)
    sink.answers = [500, 307]
    door.find(GONE)
    door.look()
    door.look()
    kept = door.hub.database.read_now(destinations.get, added.id)
    assert (kept.last_well, kept.last_result) == (False, "127.0.0.1 answered 500")
    assert len(sink.posts) == 1, "not before its time"
    door.hub.close()
    again = Watched.__new__(Watched)
    again.hub, again.integration_id = opened(store_url, tmp_path), door.integration_id
    for _ in range(3):
        again.later(seconds=1)
        again.look()

    assert len({headers["webhook-id"] for headers, _ in sink.posts}) == 1, (
        "the same message, so it can be told"
    )
    assert len(sink.posts) == 3, (
        "a redirect is not followed, and what got through is not told again"
    )
    assert again.hub.database.read_now(destinations.get, added.id).last_well
    again.hub.close()


def test_two_processes_tell_once(door: Watched, sink: Sink, tmp_path: Path, store_url: str) -> None:
    other = opened(store_url, tmp_path)
    door.add("slack", sink.url)
    door.find(GONE)

    async def both() -> None:
        alarms = [
            AlertService(door.hub),
            AlertService(other),
            AlertService(door.hub),
            AlertService(other),
        ]
        await asyncio.gather(*(one.look() for one in alarms))
        await asyncio.gather(*(one.tell() for one in alarms))

    run(both())
    other.close()

    assert len(sink.posts) == 1


def test_one_cause_is_not_told_as_two(door: Watched, sink: Sink) -> None:
    door.add("slack", sink.url)
    door.find(REFUSED, GONE)
    door.look()

    [message] = sink.messages()
    assert (
        "ION refuses the API key. Next: Make a new one. http://hub.test/integrations/1"
        in message["text"]
    )
    assert len(message["text"].splitlines()) == 2


def test_mail_goes_by_starttls_with_a_password(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path / "tls") as (mailbox, address, made), capture_logs() as logs:
        door = Watched(opened(store_url, tmp_path, smtp_url=address, mail_from="hub@plant.example"))
        added, _ = door.add("email", "ops@plant.example, night@plant.example")
        untrusted = run(alert_service.test(door.hub, added.id))
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        door.find(
            FindingsPage("receiver", "deleted", "Receiver “7”\nwas deleted", "Run set-up again")
        )
        mailbox.refuses = "451 come back later"
        door.look()
        mailbox.refuses = None
        door.later(seconds=1)
        door.look()
        tested = run(alert_service.test(door.hub, added.id))
        door.hub.close()

    assert not untrusted.last_well
    assert "certificate verify failed" in (untrusted.last_result or "")
    first, second = mailbox.messages
    assert first["subject"] == "[Ultraviolet] plant: Receiver “7” was deleted"
    assert abs(parsedate_to_datetime(first["date"]) - utc_now()) < timedelta(minutes=5)
    assert first["to"] == "ops@plant.example, night@plant.example"
    assert "Next: Run set-up again. http://hub.test/integrations/1" in first.get_content()
    assert "This is a test" in second["subject"]
    assert (tested.last_well, tested.last_result) == (True, "localhost took it")
    assert PASSWORD not in repr(logs)
    assert any("451 come back later" in str(one.get("result")) for one in logs)


@pytest.mark.parametrize(
    ("kind", "address", "says"),
    [
        ("email", "not an address", "no e-mail address"),
        ("email", "bell\x07@plant.example", "no e-mail address"),
        ("slack", "ftp://chat.example/x", "not an http address"),
        ("slack", "http://chat.example/x", "not encrypted"),
        ("webhook", "https://169.254.169.254/x", "not a public address"),
        ("webhook", "https://user:word@host.example/", "name or password"),
        ("webhook", "http:///nowhere", "with a host"),
        ("webhook", "https://[nonsense/", "Invalid IPv6"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused(
    door: Watched, kind: str, address: str, says: str
) -> None:
    with pytest.raises(InvalidError, match=says):
        door.add(kind, address)


def test_where_a_name_leads_is_looked_at_when_it_is_called(tmp_path: Path, sink: Sink) -> None:
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    door = Watched(opened(url, tmp_path, allowed_targets=("192.0.2.0/24",)))
    added, _ = door.add("webhook", f"https://localhost:{sink.url.split(':')[2]}")

    tested = run(alert_service.test(door.hub, added.id))

    assert not tested.last_well
    assert "ULTRAVIOLET_ALLOWED_TARGETS" in (tested.last_result or "")
    assert sink.posts == []
    door.hub.close()


def test_what_is_secret_is_sealed_and_survives_a_new_key(door: Watched, sink: Sink) -> None:
    added, secret = door.add("webhook", sink.url)
    assert secret
    assert secret.startswith("whsec_")
    [row] = door.rows(alert_destinations)
    assert "secret-part" not in added.shown
    assert not any(
        part.encode() in bytes(row.address) + bytes(row.signing_secret)
        for part in ("secret", "whsec")
    )
    with pytest.raises(ConflictError):
        door.add("webhook", sink.url)
    new = SecretBox.from_text("a new key of sixteen characters")
    old = door.hub.secrets
    both = SecretBox.from_text("a new key of sixteen characters")
    both._openers = [*new._openers, *old._openers]

    door.hub.database.write_now(reencrypt_all, both, "test")

    to = door.hub.database.read_now(destinations.decrypt_destination, new, added.id)
    assert (to.address, to.signing_secret) == (sink.url, secret)
    assert "secret" not in repr(to)


def test_many_integrations_are_judged_in_turn(door: Watched, sink: Sink) -> None:
    door.add("slack", sink.url)

    def many(connection: Any) -> None:
        for number in range(30):
            new = NewIntegration(
                f"plant {number}", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret"
            )
            made = integrations.create(connection, door.hub.secrets, "test", new)
            findings.save_findings(connection, made.id, ("receiver",), [GONE])

    door.hub.database.write_now(many)
    door.look()
    door.look()
    door.look()

    found = door.hub.database.read_now(alert_store.recent, 100, standing=True)
    assert {one.integration for one in found} == {f"plant {number}" for number in range(30)}
    assert sum(len(one["text"].splitlines()) for one in sink.messages()) == 30
    assert len(sink.posts) == 2, "what is due at a time is one message"


def test_an_integration_that_is_removed_takes_its_alerts_along(door: Watched, sink: Sink) -> None:
    door.add("slack", sink.url)
    door.find(GONE)
    door.look()
    door.hub.database.write_now(integrations.remove, "ada", door.integration_id)
    door.look()

    assert door.hub.database.read_now(lambda c: c.execute(select(alerts)).all()) == []
    assert len(sink.posts) == 1


def test_a_disk_that_is_nearly_full_needs_a_person() -> None:
    assert disk_conditions(1000, 0) == []
    [need] = disk_conditions(400_000_000, 500_000_000)
    assert "0.4 GB" in need.sentence
