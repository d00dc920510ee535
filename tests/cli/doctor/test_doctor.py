"""The doctor, where each problem has really been made: on the machine, with the hub, in the local ION."""

import socket
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import HubProcess
from tests.e2e.test_watchdog import (
    CREATE,
    DELETE_RECEIVER,
    DELETE_SUBSCRIPTION,
    NEVER,
    UPDATE_RECEIVER,
    receiver,
)

from ultraviolet.cli.doctor import hub as doctor_hub
from ultraviolet.cli.doctor import machine
from ultraviolet.cli.doctor.problems import PROBLEMS, CheckResult
from ultraviolet.cli.support.connection import HubAddress
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.testing import LocalIonProcess, running_local_ion


def amiss(checks: Iterable[CheckResult]) -> dict[str, str]:
    """What is not well: name and state; the worst where there are several."""
    found = [(one.name, one.state) for one in checks if one.state != "well"]
    return dict(sorted(found, key=lambda one: one[1] == "wrong"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The directory of a hub that is not running, with the credentials of one integration."""
    folder = tmp_path / "data"
    hub = Hub.open(Settings(folder, f"sqlite:///{folder / 'hub.db'}", "http://hub.test"))
    given = NewIntegration("plant", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
    hub.database.write_now(integrations.create, hub.secrets, "test", given)
    hub.close()
    return folder


class TestMachine:
    def test_nothing_is_wrong_with_a_new_hub(self, data: Path) -> None:
        assert amiss(machine.look(data)) == {}

    def test_a_directory_that_is_none(self, data: Path, tmp_path: Path) -> None:
        assert amiss(machine.look(tmp_path / "none")) == {"data": "warning"}
        assert amiss(machine.look(data / "hub.db")) == {"data": "wrong"}

    def test_a_disk_that_is_nearly_full(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "SCARCE", 1 << 80)
        assert amiss(machine.look(data)) == {"disk": "warning"}

    def test_a_key_that_others_can_read(self, data: Path) -> None:
        (data / "secret.key").chmod(0o644)
        assert amiss(machine.look(data)) == {"secret-key": "wrong"}

    def test_a_key_that_is_missing_is_not_made(self, data: Path) -> None:
        (data / "secret.key").unlink()
        assert amiss(machine.look(data)) == {"secret-key": "wrong"}
        assert not (data / "secret.key").exists()

    def test_a_key_that_is_another(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ULTRAVIOLET_SECRET_KEY", "not the key it was set up with")
        assert amiss(machine.look(data)) == {"secret-key": "wrong"}

    def test_a_database_that_is_damaged(self, data: Path) -> None:
        (data / "hub.db").write_bytes(b"not a database" * 100)
        assert amiss(machine.look(data)) == {"database": "wrong"}

    def test_a_database_of_another_release(self, data: Path) -> None:
        with closing(sqlite3.connect(data / "hub.db")) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '0000'")
        [check] = [one for one in machine.look(data) if one.state == "wrong"]
        assert ("database", "ultraviolet db upgrade") == (check.name, check.next_step)

    def test_a_database_that_does_not_answer(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/hub")
        assert amiss(machine.look(data)) == {"database": "wrong"}


Look = Callable[[], dict[str, str]]


@pytest.fixture(scope="module")
def local_ion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalIonProcess]:
    """An ION without a plant: what goes wrong does not depend on how much there is."""
    with running_local_ion(tmp_path_factory.mktemp("ion") / "data", ["--no-plant"]) as ion:
        yield ion


@pytest.fixture(scope="module")
def hub(module_hub: Any) -> HubProcess:
    """A hub whose watchdog does not put right what is made wrong here."""
    return module_hub(ULTRAVIOLET_WATCH_SECONDS="3600")


@pytest.fixture(scope="module")
def integration(hub: HubProcess, local_ion: LocalIonProcess, wait: Any) -> Any:
    made = hub.connect(local_ion, incremental_schedule=NEVER, full_schedule=NEVER)
    fetches = f"/integrations/{made['id']}/fetches"
    wait(
        lambda: {one["state"] for one in hub.api("GET", fetches)["items"]} == {"done"},
        60,
        "what it reads by itself",
    )
    local_ion.execute(CREATE, i={"name": "told by an event"})
    wait(
        lambda: hub.api("GET", "/events")["items"] and hub.at_rest(local_ion, made), 30, "its event"
    )
    return made


@pytest.fixture
def look(hub: HubProcess, local_ion: LocalIonProcess, integration: Any, wait: Any) -> Any:
    """Look at a hub with which nothing is wrong so far; whatever a test makes fail works again afterwards."""

    def look() -> dict[str, str]:
        return amiss(doctor_hub.look(HubAddress(None, None, hub.data), 0))

    wait(lambda: hub.at_rest(local_ion, integration), 30, "rest")
    wait(lambda: look() == {}, 30, "a hub with which nothing is wrong")
    yield look
    local_ion.faults.clear()


class TestHub:
    def test_no_hub_and_a_port_that_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            found = amiss(doctor_hub.look(HubAddress(None, None, tmp_path), taken.getsockname()[1]))
        assert found == {"port": "wrong", "hub": "warning"}

    def test_an_address_where_nothing_or_something_else_answers(
        self, tmp_path: Path, local_ion: LocalIonProcess
    ) -> None:
        for url in ("http://127.0.0.1:9", local_ion.url):
            assert amiss(doctor_hub.look(HubAddress(url, "uvk_any", tmp_path), 0)) == {
                "hub": "wrong"
            }

    def test_a_key_that_the_hub_does_not_know(self, hub: HubProcess, tmp_path: Path) -> None:
        assert amiss(doctor_hub.look(HubAddress(hub.url, "uvk_of-another-hub", tmp_path), 0)) == {
            "key": "wrong"
        }
        assert amiss(doctor_hub.look(HubAddress(hub.url, None, tmp_path), 0)) == {"key": "wrong"}

    def test_an_ion_that_is_away_and_a_public_address_that_leads_nowhere(
        self, module_hub: Any
    ) -> None:
        broken = module_hub(ULTRAVIOLET_PUBLIC_URL="http://127.0.0.1:9", ULTRAVIOLET_HEAL="off")
        given = {
            "api_url": "http://127.0.0.1:9",
            "auth_url": "http://127.0.0.1:9",
            "client_id": "x",
        }
        broken.api("POST", "/integrations", {"name": "away", "client_secret": "y", **given})
        where = HubAddress(None, None, broken.data)
        expected = {
            "public-address": "wrong",
            "ion-address": "wrong",
            "paused": "wrong",
            "silence": "warning",
        }
        assert expected.items() <= amiss(doctor_hub.look(where, 0)).items()
        far = {"api_url": "https://ion.invalid", "client_secret": "y"}
        broken.api("PATCH", "/integrations/away", far)
        broken.api("POST", "/integrations/away/pause")
        found = {one.name: one for one in doctor_hub.look(where, 0)}
        assert "this machine only" in found["public-address"].finding
        assert "resume away" in found["paused"].next_step


class TestIntegration:
    def test_a_key_that_was_revoked(self, look: Look, local_ion: LocalIonProcess) -> None:
        local_ion.faults.set("key_revoked", only=local_ion.client_id)
        assert look()["credentials"] == "wrong"

    def test_a_permission_that_is_lacking_and_what_stays_stale_by_it(
        self, look: Look, hub: HubProcess, integration: Any, local_ion: LocalIonProcess, wait: Any
    ) -> None:
        local_ion.faults.set("permission_lost", only="suppliers")
        local_ion.execute(CREATE, i={"name": "cannot be read"})
        path = f"/integrations/{integration['id']}/freshness"
        wait(
            lambda: any(one["failing"] for one in hub.api("GET", path)["resources"]),
            30,
            "a read that failed",
        )
        assert {"permission": "warning", "stale": "wrong"}.items() <= look().items()

    def test_clocks_that_differ(self, look: Look, local_ion: LocalIonProcess) -> None:
        local_ion.faults.set("clock_skew", seconds=-120)
        assert look() == {"clock": "warning"}

    def test_deliveries_with_a_false_signature(
        self, look: Look, hub: HubProcess, integration: Any, local_ion: LocalIonProcess, wait: Any
    ) -> None:
        local_ion.faults.set("forged", only="suppliers", count=1)
        local_ion.execute(CREATE, i={"name": "beside a forgery"})
        urls = f"/integrations/{integration['id']}/webhook-urls"
        [url] = wait(
            lambda: [one for one in hub.api("GET", urls)["items"] if one["refused"]],
            30,
            "a refusal",
        )
        assert look() == {"signatures": "warning"}
        hub.api("POST", f"/webhook-urls/{url['id']}/rotate")
        hub.api("DELETE", f"/webhook-urls/{url['id']}")

    def test_a_subscription_that_is_missing(self, look: Look, local_ion: LocalIonProcess) -> None:
        one = receiver(local_ion)["subscriptions"][0]
        local_ion.execute(DELETE_SUBSCRIPTION, id=one["id"], etag=one["_etag"])
        local_ion.faults.set(
            "permission_lost", only="createWebhookSubscription"
        )  # or the hub repairs it
        assert look()["subscriptions"] == "wrong"

    def test_a_receiver_that_was_switched_off_or_deleted_and_the_silence_after_it(
        self, look: Look, hub: HubProcess, integration: Any, local_ion: LocalIonProcess
    ) -> None:
        now = receiver(local_ion)
        local_ion.execute(
            UPDATE_RECEIVER, i={"id": now["id"], "etag": now["_etag"], "active": False}
        )
        local_ion.faults.set("permission_lost", only="updateWebhookReceiver")
        for number in range(3):
            local_ion.execute(CREATE, i={"name": f"told by nobody {number}"})
        hub.fetch(integration, "incremental")
        assert {"receiver": "wrong", "silence": "wrong"}.items() <= look().items()

        local_ion.faults.set("permission_lost", only="createWebhookReceiver")
        now = receiver(local_ion)
        local_ion.execute(DELETE_RECEIVER, id=now["id"], etag=now["_etag"])
        done = hub.cli("doctor")
        assert 10 == done.returncode
        assert "No receiver in ION posts here" in done.stdout
        assert "ultraviolet setup apply plant" in done.stdout
        assert "somebody deleted" in done.stderr


def test_every_problem_says_why_and_what_to_do() -> None:
    assert len({one.name for one in PROBLEMS}) == len(PROBLEMS) >= 10
    assert all(one.cause and one.remedy for one in PROBLEMS)
