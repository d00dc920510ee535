"""Freshness decays without confirmations, and each cause has a next step."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, text, update

from ultraviolet.db.database import Database
from ultraviolet.db.tables.events import webhook_urls as webhook_url_table
from ultraviolet.db.tables.sync import fetches, findings
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.finding import UNCHECKED_RECEIVER, Finding
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health import controller_status, freshness, heartbeat
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.health.resource_freshness import ProcessStatus, State
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.hub.sync.fetch import request_fetch
from ultraviolet.hub.sync.watermarks import raise_watermark, record_proof
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.mirror.apply import apply, mark_stale
from ultraviolet.mirror.observation import Mark, Observation, Origin
from ultraviolet.mirror.stale_reasons import VERIFICATION

START = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="microseconds")


class Plant:
    """An integration with one resource that a fetch confirmed at second 0."""

    def __init__(self, connection: Connection, secrets: SecretBox) -> None:
        self.connection = connection
        given = NewIntegration("plant", "http://ion", "http://ion", "id", "secret")
        self.integration = integrations.create(connection, secrets, "test", given)
        self.read("1", -100, first=True)
        record_proof(connection, 1, "parts", at=at(0), by="incremental fetch")
        raise_watermark(connection, 1, "parts", at(-100))
        self.event(-50)

    def judge(self, seconds: float, **more: Any) -> Freshness:
        now = ProcessStatus(START + timedelta(seconds=seconds), **more)
        return freshness.judge_freshness(self.connection, load_catalog(), self.integration, now)

    def read(self, id_: str, second: float, *, first: bool = False) -> None:
        fields = {"id": int(id_), "_updated": at(second)}
        origin = Origin("fetch", None, first)
        seen = Observation("parts", id_, "full", fields, at(second), origin, at(second), at(second))
        apply(self.connection, load_catalog(), 1, [seen])

    def fetched(self, second: float) -> None:
        """Record a finished incremental fetch."""
        number = request_fetch(self.connection, 1, "incremental", "test")
        done = update(fetches).where(fetches.c.id == number)
        self.connection.execute(done.values(state="done", started_at=at(second)))

    def event(self, second: float, outcome: str | None = "applied") -> None:
        self.connection.execute(
            text(
                """INSERT INTO events (integration_id, webhook_url_id, dedupe_key, received_at, body, headers,
                  signature, outcome) VALUES (1, 1, :key, :at, :key, '{}', 'verified', :outcome)"""
            ),
            {"key": at(second).encode(), "at": at(second), "outcome": outcome},
        )


@pytest.fixture
def plant(tmp_path: Path, sqlite_url: str) -> Iterator[Plant]:
    settings = Settings(data=tmp_path, database_url="", public_url="http://hub.test")
    database = Database.open(sqlite_url)
    with database.engine.connect() as connection:
        yield Plant(connection, SecretBox.from_settings(settings))
    database.close()


def kinds(judged: Freshness) -> list[str]:
    return [finding.kind for finding in judged.findings]


def test_recently_confirmed_resource_is_fresh(plant: Plant) -> None:
    judged = plant.judge(40)
    assert judged.sentence == "Fresh: last change 2 min ago, everything confirmed 40 sec ago."
    assert judged.state == "fresh"
    assert judged.findings == []


def test_freshness_decays_without_confirmation(plant: Plant) -> None:
    states = [plant.judge(minutes * 60).state for minutes in (5, 8, 10, 15, 17, 60 * 24)]
    assert states == ["fresh", "fresh", "ageing", "ageing", "stale", "stale"]
    assert (
        "parts were last confirmed 17 min ago, but a sync is due every 5 min"
        in plant.judge(17 * 60).sentence
    )


def test_resource_without_dated_rows_is_due_with_the_full_fetch(plant: Plant) -> None:
    """An incremental fetch does not confirm it, as ION does not filter it by `_updated`."""
    record_proof(plant.connection, 1, "permissions", at=at(0), by="full fetch")
    record_proof(plant.connection, 1, "parts", at=at(3600), by="incremental fetch")
    assert plant.judge(3600).state == "fresh"
    assert [one.subject for one in plant.judge(3 * 24 * 3600).findings if one.kind == "overdue"]


def test_integration_without_a_fetch_is_unsynced(plant: Plant) -> None:
    for table in ("watermarks", "versions", "objects"):
        plant.connection.execute(text(f"DELETE FROM {table}"))
    judged = plant.judge(0)
    assert judged.state == "unsynced"
    expected = "Unsynced: Nothing has been read from ION yet. Next: ultraviolet fetch run plant."
    assert judged.sentence == expected
    request_fetch(plant.connection, 1, "full", "test")
    assert "First sync: " in plant.judge(0).sentence


def test_first_sync_is_unsynced_until_it_ends(plant: Plant) -> None:
    """All resources that were read so far are confirmed, but the others are not known yet."""
    for statement in (
        "DELETE FROM fetches",
        f"""INSERT INTO fetches (id, integration_id, mode, state, requested_by, accept_absence,
          started_at)
          VALUES (9, 1, 'full', 'running', 'test', false, '{at(-200)}')""",
        """INSERT INTO fetch_steps (fetch_id, resource, state, read, changed, deleted)
          VALUES (9, 'parts', 'done', 1, 1, 0), (9, 'runs', 'waiting', 0, 0, 0)""",
    ):
        plant.connection.execute(text(statement))
    judged = plant.judge(0)
    assert (judged.state, judged.proven_at) == ("unsynced", None)
    assert judged.sentence.startswith("Unsynced: First sync: 1 of 2 resources.")


def test_paused_integration_is_not_fresh(plant: Plant) -> None:
    plant.integration = msgspec.structs.replace(plant.integration, paused=True)
    judged = plant.judge(40)
    assert judged.state == "paused"
    assert kinds(judged) == ["paused"]
    assert {one.state for one in judged.resources} == {"paused"}


def test_failing_credentials_are_not_fresh(plant: Plant) -> None:
    judged = plant.judge(40, problem="ION refuses these credentials")
    assert judged.state == "failing"
    assert judged.sentence.startswith(
        "Failing: ION refuses these credentials. Next: ultraviolet integration test"
    )


def test_waiting_or_unreadable_object_makes_the_resource_stale(plant: Plant) -> None:
    mark_stale(plant.connection, 1, [Mark("parts", "1", "event", at(1))])
    assert plant.judge(20).state == "fresh"
    assert kinds(plant.judge(60)) == ["behind"]
    plant.connection.execute(text("UPDATE stale SET error = 'User does not have permission'"))
    judged = plant.judge(20)
    assert judged.state == "stale"
    assert judged.sentence.startswith(
        "Stale: 1 part cannot be read: User does not have permission."
    )


def test_changes_without_events_mean_a_dead_webhook(plant: Plant) -> None:
    for number in range(2, 5):
        plant.read(str(number), number)
    judged = plant.judge(40)
    assert judged.state == "stale"
    assert "A sync found 3 changes without a webhook event" in judged.sentence
    assert "the last event arrived 2 min ago" in judged.sentence
    plant.event(10)
    assert plant.judge(40).state == "fresh"


def test_open_problem_of_the_receiver_includes_missed_changes(plant: Plant) -> None:
    missing = Finding("receiver", "warning", "No receiver in ION posts to this hub", "", None)
    finding_store.add_findings(plant.connection, 1, [missing])
    assert plant.judge(40).state == "fresh"
    for number in range(2, 5):
        plant.read(str(number), number)
    judged = plant.judge(40)
    assert (judged.state, kinds(judged)) == ("stale", ["receiver"])
    assert "posts to this hub; a sync found 3 changes without a webhook event" in judged.sentence
    finding_store.save_findings(plant.connection, 1, ("receiver",), [])
    assert kinds(plant.judge(40)) == ["silent"]


def test_mirror_catches_up_until_a_sync_after_the_last_subscription(plant: Plant) -> None:
    url, _ = webhook_urls.create_url(plant.connection, "test", 1, "Violet")
    subscribed = update(webhook_url_table).values(subscribed_at=at(10))
    plant.connection.execute(subscribed)
    assert "deliveries began to arrive" in plant.judge(40).sentence
    assert plant.judge(40).state == "catching_up"
    plant.fetched(9)
    assert plant.judge(40).sentence.startswith("Catching up: The hub is reading changes in ION")
    plant.fetched(11)
    assert plant.judge(40).state == "fresh"
    webhook_urls.revoke_url(plant.connection, "test", url.id)
    assert plant.judge(40).state == "fresh"


@pytest.mark.parametrize(
    ("subject", "gap"), [("address", "catching_up"), (UNCHECKED_RECEIVER, "fresh")]
)
def test_mirror_catches_up_after_the_end_of_an_interruption(
    plant: Plant, subject: str, gap: str
) -> None:
    moved = Finding("receiver", "error", "Receiver 3 posts elsewhere", "", None, subject)
    plant.fetched(30)
    finding_store.add_findings(plant.connection, 1, [moved])
    assert plant.judge(40).state == "stale"
    finding_store.save_findings(plant.connection, 1, ("receiver",), [])
    plant.connection.execute(update(findings).values(resolved_at=at(35)))
    assert plant.judge(40).state == gap
    plant.fetched(36)
    assert plant.judge(40).state == "fresh"


def test_finding_is_a_cause_until_it_is_repaired(plant: Plant) -> None:
    gone = Finding(
        "receiver",
        "error",
        "Receiver 4 was deleted in ION",
        "Give the key the webhook permissions",
    )
    finding_store.save_findings(plant.connection, 1, ("receiver",), [gone])
    judged = plant.judge(40)
    assert judged.state == "stale"
    expected = "Stale: Receiver 4 was deleted in ION. Next: Give the key the webhook permissions."
    assert judged.sentence == expected
    finding_store.save_findings(
        plant.connection,
        1,
        ("receiver",),
        [msgspec.structs.replace(gone, severity="warning", repaired=True)],
    )
    assert plant.judge(40).state == "catching_up"
    plant.fetched((datetime.now(UTC) - START).total_seconds())
    assert (plant.judge(40).state, kinds(plant.judge(40))) == ("fresh", ["receiver"])
    finding_store.save_findings(plant.connection, 1, ("receiver",), [])
    assert kinds(plant.judge(40)) == []


def test_missing_first_event_of_a_sandbox_names_its_sink(plant: Plant) -> None:
    plant.connection.execute(text("DELETE FROM events"))
    (found,) = plant.judge(40).findings
    assert "sink" not in found.message
    sandbox = "https://staging-api.buildwithion.com"
    plant.integration = msgspec.structs.replace(plant.integration, api_url=sandbox)
    (found,) = plant.judge(40).findings
    assert "A sandbox of ION delivers webhooks to a sink by default" in found.message


def test_missing_first_event_is_reported(plant: Plant) -> None:
    plant.connection.execute(text("DELETE FROM events"))
    judged = plant.judge(40)
    assert kinds(judged) == ["no_event_yet"]
    assert judged.state == "fresh"
    missing = Finding("receiver", "warning", "No receiver in ION posts to this hub", "", None)
    finding_store.add_findings(plant.connection, 1, [missing])
    assert kinds(plant.judge(40)) == ["receiver"], "it is the cause"


def test_downtime_is_a_cause_until_everything_is_confirmed(plant: Plant) -> None:
    heartbeat.record_heartbeat(plant.connection)
    assert heartbeat.last_down(plant.connection) is None
    plant.connection.execute(
        text("UPDATE settings SET value = :at WHERE name = 'alive_at'"), {"at": at(-500)}
    )
    heartbeat.record_heartbeat(plant.connection)
    assert kinds(plant.judge(40)) == ["hub_was_down"]
    record_proof(
        plant.connection,
        1,
        "parts",
        at=datetime.now(UTC).isoformat(timespec="microseconds"),
        by="full fetch",
    )
    assert kinds(plant.judge(40)) == []


def test_disabled_healing_is_a_cause(plant: Plant) -> None:
    assert kinds(plant.judge(40, heals=False)) == ["healing_off"]


def test_latency_of_changes_is_reported(plant: Plant) -> None:
    moment = datetime.now(UTC)
    fields = {
        "id": 9,
        "_updated": (moment - timedelta(seconds=3)).isoformat(timespec="microseconds"),
    }
    origin = Origin("heal")
    now = moment.isoformat(timespec="microseconds")
    seen = Observation("parts", "9", "full", fields, now, origin, fields["_updated"], now)
    apply(plant.connection, load_catalog(), 1, [seen])
    judged = freshness.judge_freshness(
        plant.connection, load_catalog(), plant.integration, ProcessStatus(moment)
    )
    (parts,) = judged.resources
    assert parts.changes == 1
    assert parts.p50_seconds is not None
    assert 2.4 <= parts.p50_seconds <= 3.7
    assert judged.p99_seconds == parts.p50_seconds


def test_unapplied_events_make_the_mirror_stale(plant: Plant) -> None:
    plant.event(0, outcome=None)
    assert plant.judge(5).state == "fresh"
    judged = plant.judge(15)
    assert (judged.state, kinds(judged)) == ("stale", ["events_wait"])


def test_unmaintained_integration_is_stale(plant: Plant) -> None:
    judged = plant.judge(40, unmaintained_since=at(0))
    assert (judged.state, kinds(judged)) == ("stale", ["unmaintained"])
    assert "No hub process has maintained this integration for 40 s" in judged.sentence


def test_maintenance_record_expires(plant: Plant) -> None:
    def since() -> str | None:
        return controller_status.unmaintained_since(plant.connection, 1, at(0))

    assert since() == at(0), "no process ever maintained it"
    controller_status.record(plant.connection, {1: None, 99: "deleted in the meantime"})
    assert since() is None
    plant.connection.execute(
        text("UPDATE controller_status SET recorded_at = :at"), {"at": at(100)}
    )
    assert since() == at(100)


def test_difference_found_by_a_verification_is_stale_until_read(plant: Plant) -> None:
    mark_stale(plant.connection, 1, [Mark("parts", "1", "event", at(1))])
    mark_stale(plant.connection, 1, [Mark("parts", "1", VERIFICATION, at(2))])
    judged = plant.judge(3)
    assert (judged.state, kinds(judged)) == ("stale", ["differs"])
    plant.read("1", 4)
    assert plant.judge(5).state == "fresh"


def test_failed_step_is_reported_while_its_fetch_runs(plant: Plant) -> None:
    def fetch(mode: str, state: str) -> int:
        id_ = request_fetch(plant.connection, 1, mode, "test")  # pyright: ignore[reportArgumentType]
        step = {
            "fetch": id_,
            "state": state,
            "error": "ION answered no parts" if state == "failed" else None,
        }
        plant.connection.execute(
            text(
                """INSERT INTO fetch_steps (fetch_id, resource, state, error, read, changed, deleted)
                VALUES (:fetch, 'parts', :state, :error, 0, 0, 0)"""
            ),
            step,
        )
        return id_

    def end(id_: int, state: str) -> None:
        plant.connection.execute(
            text("UPDATE fetches SET state = :state WHERE id = :id"), {"state": state, "id": id_}
        )

    full = fetch("full", "failed")
    judged = plant.judge(5)
    assert (judged.state, kinds(judged)) == ("stale", ["unreadable"])
    assert "ION answered no parts" in judged.sentence
    end(full, "failed")
    end(fetch("incremental", "done"), "done")
    assert kinds(plant.judge(5)) == ["unreadable"], (
        "an incremental fetch does not show what a full one missed"
    )
    fetch("full", "done")
    assert plant.judge(5).state == "fresh"


@pytest.mark.parametrize(
    ("problem", "step"),
    [
        ("ION at http://ion/graphql asks to slow down (429)", "limits the request rate"),
        (
            "http://ion/graphql answered 302, a redirect to login.example, instead of ION's API",
            "proxy",
        ),
        ("ION does not accept this client id and secret: unknown", "new API key"),
    ],
)
def test_next_step_fits_the_cause(plant: Plant, problem: str, step: str) -> None:
    (cause,) = plant.judge(40, problem=problem).findings
    assert step in cause.next_step
    mark_stale(plant.connection, 1, [Mark("parts", "1", "event", at(1))])
    plant.connection.execute(text("UPDATE stale SET error = :error"), {"error": problem})
    assert step in plant.judge(40).findings[-1].next_step


def test_next_step_does_not_suggest_more_requests_while_ion_limits_them(
    plant: Plant,
) -> None:
    mark_stale(plant.connection, 1, [Mark("parts", "1", "event", at(1))])
    (cause,) = plant.judge(60, limited=True).findings
    assert (cause.kind, "limits the request rate" in cause.next_step) == ("behind", True)


def test_names_in_suggested_commands_are_quoted(plant: Plant) -> None:
    plant.integration = msgspec.structs.replace(plant.integration, name="-my plant's", paused=True)
    (cause,) = plant.judge(40).findings
    assert shlex.split(cause.next_step) == [
        "ultraviolet",
        "integration",
        "resume",
        "--",
        "-my plant's",
    ]


def test_documentation_has_the_words_of_the_states() -> None:
    """Pages, API and command line write the same words."""
    text = (Path(__file__).parents[3] / "docs" / "concepts.md").read_text()
    table = text.partition("## States of freshness")[2].partition("## ")[0]
    words = re.findall(r"^\| ([\w ]+) \|", table, re.MULTILINE)
    assert set(words) == {"state", *(state.words for state in State)}
