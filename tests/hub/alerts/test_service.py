"""Alerts: each destination is notified once when a problem needs a person and once when fixed."""

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
from tests.idle_hub import IdleHub, run

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.db.tables.alerts import alert_destinations, alert_notices, alerts
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.hub.alerts import destinations
from ultraviolet.hub.alerts import store as alert_store
from ultraviolet.hub.alerts.conditions import disk_conditions
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.core.reencryption import reencrypt_all
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration

REFUSED = Finding("credentials", "error", "ION refuses the API key", "Make a new one")
GONE = Finding("receiver", "error", "Receiver 7 was deleted in ION", "Run setup again")

ONE_DAY = timedelta(days=1)


class AlertHub(IdleHub):
    """A hub whose alert service runs when the test calls it."""

    def run_alerts(self) -> None:
        """Check all conditions and send due notifications."""

        async def check_and_send() -> None:
            await self.hub.alerts.check()
            await self.hub.alerts.send_due()

        run(check_and_send())

    def save_findings(self, *found: Finding) -> None:
        kinds = ("credentials", "receiver")
        self.hub.database.write_now(finding_store.save_findings, self.integration_id, kinds, found)

    def add_destination(
        self, kind: Any, address: str, name: str = "operators"
    ) -> tuple[Any, str | None]:
        return self.hub.database.write_now(
            destinations.add,
            self.hub.secrets,
            self.hub.targets,
            "ada",
            name=name,
            kind=kind,
            address=address,
        )

    def move_back(self, **span: float) -> None:
        """Move the times of alerts and notifications to this span before now."""

        def shift(connection: Any) -> None:
            for table, column in (
                (alerts, alerts.c.opened_at),
                (alerts, alerts.c.gone_since),
                (alert_notices, alert_notices.c.next_attempt_at),
            ):
                moved = format_rfc3339(utc_now() - timedelta(**span))
                connection.execute(
                    update(table).where(column.is_not(None)).values({column.name: moved})
                )

        self.hub.database.write_now(shift)


def open_hub(store_url: str, data: Path, **changed: Any) -> Hub:
    settings = {"alert_seconds": 0.0, "allowed_targets": ("127.0.0.1",), **changed}
    return Hub.open(
        Settings(data=data, database_url=store_url, public_url="http://hub.test", **settings)
    )


@pytest.fixture
def hub(tmp_path: Path, store_url: str) -> Iterator[AlertHub]:
    opened = open_hub(store_url, tmp_path)
    yield AlertHub(opened)
    opened.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    with http_sink() as sink:
        yield sink


def test_finding_is_sent_once_and_its_fix_once(hub: AlertHub, sink: Sink) -> None:
    _, secret = hub.add_destination("webhook", sink.url)
    assert secret
    hub.save_findings(GONE)
    for _ in range(4):
        hub.run_alerts()
    hub.save_findings()
    for _ in range(4):
        hub.run_alerts()

    sent = sink.messages()
    assert [one["type"] for one in sent] == ["alert.opened", "alert.fixed"]
    assert sent[0]["data"]["message"] == GONE.message
    assert sent[0]["data"]["integration"] == "plant"
    assert sent[1]["data"]["fixed_at"]
    for headers, body in sink.posts:
        assert Webhook(secret).verify(body, headers) == msgspec.json.decode(body)
    assert len({headers["webhook-id"] for headers, _ in sink.posts}) == 2


def test_problem_is_recorded_without_a_destination(hub: AlertHub, sink: Sink) -> None:
    def listed(state: Any) -> list[tuple[str, str]]:
        found = hub.hub.database.read_now(alert_store.list_recent, 10, state=state)
        return [(one.message, one.next_step) for one in found]

    hub.save_findings(GONE)
    hub.run_alerts()
    assert listed("open") == [(GONE.message, GONE.next_step)]
    active = hub.hub.database.read_now(hub.hub.alerts.list_active)
    assert [alert.message for alert, _ in active] == [GONE.message]

    hub.add_destination("slack", sink.url)
    hub.run_alerts()
    assert len(sink.posts) == 1  # a new destination is notified of active problems

    hub.save_findings()
    for _ in range(3):
        hub.run_alerts()
    assert listed("open") == []
    assert listed("fixed") == [(GONE.message, GONE.next_step)]


def test_pause_does_not_count_as_fixed(hub: AlertHub, sink: Sink) -> None:
    database, id_ = hub.hub.database, hub.integration_id
    hub.add_destination("webhook", sink.url)
    hub.save_findings(REFUSED)
    hub.run_alerts()
    database.write_now(integrations.pause, "ada", id_)
    for _ in range(3):
        hub.run_alerts()
    assert ["alert.opened"] == [one["type"] for one in sink.messages()]

    database.write_now(integrations.resume, "ada", id_)
    hub.save_findings()
    for _ in range(3):
        hub.run_alerts()
    assert ["alert.opened", "alert.fixed"] == [one["type"] for one in sink.messages()]


def test_paused_integration_sends_nothing(hub: AlertHub, sink: Sink) -> None:
    database, id_ = hub.hub.database, hub.integration_id
    hub.save_findings(REFUSED)
    hub.add_destination("webhook", sink.url)
    database.write_now(
        alert_store.save_conditions,
        {id_},
        {(id_, "credentials"): Finding("credentials", "error", "says", "next")},
        ONE_DAY,
    )
    database.write_now(integrations.pause, "ada", id_)
    for _ in range(3):
        hub.run_alerts()
    assert [] == sink.messages()


def test_problem_within_the_settle_time_is_not_sent(
    tmp_path: Path, store_url: str, sink: Sink
) -> None:
    hub = AlertHub(open_hub(store_url, tmp_path, alert_seconds=60.0))
    hub.add_destination("slack", sink.url)

    def forget_last_check() -> None:
        def delete(connection: Any) -> None:
            connection.exec_driver_sql("DELETE FROM settings WHERE name = 'alerts checked at'")

        hub.hub.database.write_now(delete)

    for found in ((GONE,), (), (GONE,)):
        hub.save_findings(*found)
        hub.run_alerts()
        forget_last_check()
    assert sink.posts == []
    resolved = hub.hub.database.read_now(alert_store.list_recent, 10, state="fixed")
    assert [GONE.message] == [one.message for one in resolved], "the short problem is listed"
    hub.move_back(seconds=61)
    hub.run_alerts()
    assert len(sink.posts) == 1
    forget_last_check()
    hub.save_findings()
    hub.run_alerts()
    forget_last_check()
    hub.save_findings(GONE)
    hub.run_alerts()
    forget_last_check()
    hub.move_back(seconds=61)
    hub.run_alerts()

    assert len(sink.posts) == 1, "the problem was gone for less than the settle time"
    hub.hub.close()


def test_failed_notification_is_retried_by_another_process(
    hub: AlertHub, sink: Sink, tmp_path: Path, store_url: str
) -> None:
    added, _ = hub.add_destination("webhook", sink.url)
    sink.answers = [500, 307]
    hub.save_findings(GONE)
    hub.run_alerts()
    hub.run_alerts()
    kept = hub.hub.database.read_now(destinations.get, added.id)
    assert (kept.last_well, kept.last_result) == (False, "127.0.0.1 answered 500")
    assert len(sink.posts) == 1, "not before the retry time"
    hub.hub.close()
    other = AlertHub.__new__(AlertHub)
    other.hub, other.integration_id = open_hub(store_url, tmp_path), hub.integration_id
    for _ in range(3):
        other.move_back(seconds=1)
        other.run_alerts()

    assert len({headers["webhook-id"] for headers, _ in sink.posts}) == 1, (
        "a repeated message keeps its id"
    )
    assert len(sink.posts) == 3, (
        "redirects are not followed, and a sent notification is not repeated"
    )
    assert other.hub.database.read_now(destinations.get, added.id).last_well
    other.hub.close()


def test_concurrent_processes_send_once(
    hub: AlertHub, sink: Sink, tmp_path: Path, store_url: str
) -> None:
    other = open_hub(store_url, tmp_path)
    hub.add_destination("slack", sink.url)
    hub.save_findings(GONE)

    async def check_and_send() -> None:
        services = [hub.hub.alerts, other.alerts, hub.hub.alerts, other.alerts]
        await asyncio.gather(*(service.check() for service in services))
        await asyncio.gather(*(service.send_due() for service in services))

    run(check_and_send())
    other.close()

    assert len(sink.posts) == 1


def test_credentials_alert_covers_missing_freshness(hub: AlertHub, sink: Sink) -> None:
    hub.add_destination("slack", sink.url)
    hub.save_findings(REFUSED, GONE)
    hub.run_alerts()

    [message] = sink.messages()
    assert (
        "ION refuses the API key. Next: Make a new one. http://hub.test/integrations/1"
        in message["text"]
    )
    assert len(message["text"].splitlines()) == 2


def test_email_uses_starttls_and_password(
    tmp_path: Path, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mail_server(tmp_path / "tls") as (mailbox, address, made), capture_logs() as logs:
        hub = AlertHub(
            open_hub(store_url, tmp_path, smtp_url=address, mail_from="hub@plant.example")
        )
        added, _ = hub.add_destination("email", "ops@plant.example, night@plant.example")
        untrusted = run(hub.hub.alerts.send_test(added.id))
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        hub.save_findings(
            Finding("receiver", "error", "Receiver “7”\nwas deleted", "Run setup again")
        )
        mailbox.refuses = "451 come back later"
        hub.run_alerts()
        mailbox.refuses = None
        hub.move_back(seconds=1)
        hub.run_alerts()
        tested = run(hub.hub.alerts.send_test(added.id))
        hub.hub.close()

    assert not untrusted.last_well
    assert "its certificate is not valid" in (untrusted.last_result or "")
    first, second = mailbox.messages
    assert first["subject"] == "[Ultraviolet] plant: Receiver “7” was deleted"
    assert abs(parsedate_to_datetime(first["date"]) - utc_now()) < timedelta(minutes=5)
    assert first["to"] == "ops@plant.example, night@plant.example"
    assert "Next: Run setup again. http://hub.test/integrations/1" in first.get_content()
    assert "This is a test" in second["subject"]
    assert (tested.last_well, tested.last_result) == (True, "localhost accepted it")
    assert PASSWORD not in repr(logs)
    assert any("451 come back later" in str(one.get("result")) for one in logs)


@pytest.mark.parametrize(
    ("kind", "address", "says"),
    [
        ("email", "not an address", "not an e-mail address"),
        ("email", "bell\x07@plant.example", "not an e-mail address"),
        ("slack", "ftp://chat.example/x", "not a full address"),
        ("slack", "http://chat.example/x", "not encrypted"),
        ("webhook", "https://169.254.169.254/x", "not a public address"),
        ("webhook", "https://user:word@host.example/", "user name or password"),
        ("webhook", "http:///nowhere", "not a full address"),
        ("webhook", "https://[nonsense/", "Invalid IPv6"),
    ],
)
def test_invalid_address_is_refused(hub: AlertHub, kind: str, address: str, says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        hub.add_destination(kind, address)


def test_resolved_address_is_checked_when_sending(tmp_path: Path, sink: Sink) -> None:
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    hub = AlertHub(open_hub(url, tmp_path, allowed_targets=("192.0.2.0/24",)))
    added, _ = hub.add_destination("webhook", f"https://localhost:{sink.url.split(':')[2]}")

    tested = run(hub.hub.alerts.send_test(added.id))

    assert not tested.last_well
    assert "ULTRAVIOLET_ALLOWED_TARGETS" in (tested.last_result or "")
    assert sink.posts == []
    hub.hub.close()


def test_secrets_are_encrypted_and_survive_key_rotation(
    hub: AlertHub, sink: Sink, tmp_path: Path
) -> None:
    added, secret = hub.add_destination("webhook", sink.url)
    assert secret
    assert secret.startswith("whsec_")
    [row] = hub.rows(alert_destinations)
    assert "secret-part" not in added.shown
    assert not any(
        part.encode() in bytes(row.address) + bytes(row.signing_secret)
        for part in ("secret", "whsec")
    )
    with pytest.raises(ConflictError):
        hub.add_destination("webhook", sink.url)
    new_key = "a new key of sixteen characters"
    new = SecretBox.from_text(new_key)
    both = SecretBox.from_text(new_key, (tmp_path / "secret.key").read_text())

    hub.hub.database.write_now(reencrypt_all, both, "test")

    to = hub.hub.database.read_now(destinations.decrypt_destination, new, added.id)
    assert (to.address, to.signing_secret) == (sink.url, secret)
    assert "secret" not in repr(to)


def test_many_integrations_are_checked_in_turn(hub: AlertHub, sink: Sink) -> None:
    hub.add_destination("slack", sink.url)

    def many(connection: Any) -> None:
        for number in range(30):
            new = NewIntegration(
                f"plant {number}", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret"
            )
            made = integrations.create(connection, hub.hub.secrets, "test", new)
            finding_store.save_findings(connection, made.id, ("receiver",), [GONE])

    hub.hub.database.write_now(many)
    hub.run_alerts()
    hub.run_alerts()
    hub.run_alerts()

    found = hub.hub.database.read_now(alert_store.list_recent, 100, state="open")
    assert {one.integration for one in found} == {f"plant {number}" for number in range(30)}
    assert sum(len(one["text"].splitlines()) for one in sink.messages()) == 30
    assert len(sink.posts) == 2, "one message for all that is due"


def test_removed_integration_deletes_its_alerts(hub: AlertHub, sink: Sink) -> None:
    hub.add_destination("slack", sink.url)
    hub.save_findings(GONE)
    hub.run_alerts()
    hub.hub.database.write_now(integrations.remove, "ada", hub.integration_id)
    hub.run_alerts()

    assert hub.hub.database.read_now(lambda c: c.execute(select(alerts)).all()) == []
    assert len(sink.posts) == 1


def test_low_disk_space_is_a_condition() -> None:
    assert disk_conditions(1000, 0) == {}
    [condition] = disk_conditions(400_000_000, 500_000_000).values()
    assert "0.4 GB" in condition.message
