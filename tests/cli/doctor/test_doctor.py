"""`ultraviolet doctor` against real problems of the machine, the hub and the local ION."""

import shutil
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

from ultraviolet.cli.doctor import machine
from ultraviolet.cli.doctor.hub import check_hub
from ultraviolet.cli.doctor.machine import check_machine
from ultraviolet.cli.doctor.problems import PROBLEMS, CheckResult
from ultraviolet.cli.support.connection import HubAddress
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.testing import LocalIonProcess, running_local_ion


def failures(checks: Iterable[CheckResult]) -> dict[str, str]:
    """Return the failed checks as kind and severity; the worst severity of each kind."""
    failed = [(str(one.kind), one.severity) for one in checks if one.severity != "info"]
    return dict(sorted(failed, key=lambda one: one[1] == "error"))


@pytest.fixture
def data(tmp_path: Path, sqlite_template: Path) -> Path:
    """The directory of a hub that is not running, with the credentials of one integration."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copy(sqlite_template, folder / "hub.db")
    hub = Hub.open(Settings(folder, f"sqlite:///{folder / 'hub.db'}", "http://hub.test"))
    given = NewIntegration("plant", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
    hub.database.write_now(integrations.create, hub.secrets, "test", given)
    hub.close()
    return folder


class TestMachine:
    def test_new_hub_has_no_problems(self, data: Path) -> None:
        assert failures(check_machine(data)) == {}

    def test_missing_directory_and_file_instead_of_directory_are_reported(
        self, data: Path, tmp_path: Path
    ) -> None:
        assert failures(check_machine(tmp_path / "none")) == {"data": "warning"}
        assert failures(check_machine(data / "hub.db")) == {"data": "error"}

    def test_nearly_full_disk_is_reported(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(machine, "MIN_FREE_BYTES", 1 << 80)
        assert failures(check_machine(data)) == {"disk": "warning"}

    def test_secret_key_readable_for_others_is_reported(self, data: Path) -> None:
        (data / "secret.key").chmod(0o644)
        assert failures(check_machine(data)) == {"secret_key": "error"}

    def test_missing_secret_key_is_not_created(self, data: Path) -> None:
        (data / "secret.key").unlink()
        assert failures(check_machine(data)) == {"secret_key": "error"}
        assert not (data / "secret.key").exists()

    def test_changed_secret_key_is_reported(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ULTRAVIOLET_SECRET_KEY", "not the key it was set up with")
        assert failures(check_machine(data)) == {"secret_key": "error"}

    def test_damaged_database_is_reported(self, data: Path) -> None:
        (data / "hub.db").write_bytes(b"not a database" * 100)
        assert failures(check_machine(data)) == {"database": "error"}

    def test_database_of_another_release_is_reported(self, data: Path) -> None:
        with closing(sqlite3.connect(data / "hub.db")) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = '0000'")
        [result] = [one for one in check_machine(data) if one.severity == "error"]
        assert ("database", "ultraviolet db upgrade") == (result.kind, result.next_step)

    def test_unreachable_database_is_reported(
        self, data: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/hub")
        assert failures(check_machine(data)) == {"database": "error"}


Check = Callable[[], dict[str, str]]


@pytest.fixture(scope="module")
def local_ion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalIonProcess]:
    """A local ION without a plant: the problems do not depend on the number of objects."""
    with running_local_ion(tmp_path_factory.mktemp("ion") / "data", ["--no-plant"]) as ion:
        yield ion


@pytest.fixture(scope="module")
def hub(module_hub: Any) -> HubProcess:
    """A hub whose watchdog does not repair the problems of these tests."""
    return module_hub(ULTRAVIOLET_WATCH_SECONDS="3600")


@pytest.fixture(scope="module")
def integration(hub: HubProcess, local_ion: LocalIonProcess, wait: Any) -> Any:
    made = hub.connect(local_ion, incremental_schedule=NEVER, full_schedule=NEVER)
    fetches = f"/integrations/{made['id']}/fetches"
    wait(
        lambda: [one["state"] for one in hub.api("GET", fetches)["items"]] == ["done", "done"],
        60,
        "the first fetch, and the one after the subscriptions",
    )
    local_ion.execute(CREATE, i={"name": "created with an event"})
    wait(
        lambda: hub.api("GET", "/events")["items"] and hub.at_rest(local_ion, made), 30, "its event"
    )
    return made


@pytest.fixture
def check(hub: HubProcess, local_ion: LocalIonProcess, integration: Any, wait: Any) -> Any:
    """Return a function that checks a hub without problems; faults are cleared after each test."""

    def check() -> dict[str, str]:
        return failures(check_hub(HubAddress(None, None, hub.data), 0))

    wait(lambda: hub.at_rest(local_ion, integration), 30, "rest")
    wait(lambda: check() == {}, 30, "a hub without problems")
    yield check
    local_ion.faults.clear()


class TestHub:
    def test_stopped_hub_and_port_in_use_are_reported(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            found = failures(check_hub(HubAddress(None, None, tmp_path), taken.getsockname()[1]))
        assert found == {"port": "error", "hub": "warning"}

    def test_address_without_a_hub_is_reported(
        self, tmp_path: Path, local_ion: LocalIonProcess
    ) -> None:
        for url in ("http://127.0.0.1:9", local_ion.url):
            assert failures(check_hub(HubAddress(url, "uvk_any", tmp_path), 0)) == {"hub": "error"}

    def test_invalid_and_missing_api_keys_are_reported(
        self, hub: HubProcess, tmp_path: Path
    ) -> None:
        assert failures(check_hub(HubAddress(hub.url, "uvk_of-another-hub", tmp_path), 0)) == {
            "api_key": "error"
        }
        assert failures(check_hub(HubAddress(hub.url, None, tmp_path), 0)) == {"api_key": "error"}

    def test_unreachable_ion_and_public_address_are_reported(self, module_hub: Any) -> None:
        broken = module_hub(ULTRAVIOLET_PUBLIC_URL="http://127.0.0.1:9", ULTRAVIOLET_HEAL="off")
        given = {
            "api_url": "http://127.0.0.1:9",
            "auth_url": "http://127.0.0.1:9",
            "client_id": "x",
        }
        broken.api("POST", "/integrations", {"name": "away", "client_secret": "y", **given})
        where = HubAddress(None, None, broken.data)
        expected = {
            "public_address": "error",
            "unreachable": "error",
            "healing_off": "error",
            "no_event_yet": "warning",
        }
        assert expected.items() <= failures(check_hub(where, 0)).items()
        far = {"api_url": "https://ion.invalid", "client_secret": "y"}
        broken.api("PATCH", "/integrations/away", far)
        broken.api("POST", "/integrations/away/pause")
        found = {one.kind: one for one in check_hub(where, 0)}
        assert "from this machine only" in found["public_address"].message
        assert "resume away" in found["paused"].next_step


class TestIntegration:
    def test_key_of_a_viewer_is_reported_as_a_warning(
        self, check: Check, hub: HubProcess, tmp_path: Path
    ) -> None:
        assert check() == {}
        key = hub.api("POST", "/api-keys", {"name": "reader", "role": "viewer"})["token"]
        found = failures(check_hub(HubAddress(hub.url, key, tmp_path), 0))
        assert found == {"api_key": "warning"}

    def test_revoked_ion_key_is_reported(self, check: Check, local_ion: LocalIonProcess) -> None:
        local_ion.faults.set("key_revoked", only=local_ion.client_id)
        assert check()["credentials"] == "error"

    def test_missing_permission_and_stale_objects_are_reported(
        self, check: Check, hub: HubProcess, integration: Any, local_ion: LocalIonProcess, wait: Any
    ) -> None:
        local_ion.faults.set("permission_lost", only="suppliers")
        local_ion.execute(CREATE, i={"name": "cannot be read"})
        path = f"/integrations/{integration['id']}/freshness"
        wait(
            lambda: any(one["failing"] for one in hub.api("GET", path)["resources"]),
            30,
            "a read that failed",
        )
        assert {"permission": "warning", "unreadable": "error"}.items() <= check().items()

    def test_clock_skew_is_reported(self, check: Check, local_ion: LocalIonProcess) -> None:
        local_ion.faults.set("clock_skew", seconds=-120)
        assert check() == {"clock": "warning"}

    def test_deliveries_with_invalid_signature_are_reported(
        self, check: Check, hub: HubProcess, integration: Any, local_ion: LocalIonProcess, wait: Any
    ) -> None:
        local_ion.faults.set("forged", only="suppliers", count=1)
        local_ion.execute(CREATE, i={"name": "beside a forgery"})
        urls = f"/integrations/{integration['id']}/webhook-urls"
        [url] = wait(
            lambda: [one for one in hub.api("GET", urls)["items"] if one["refused"]],
            30,
            "a refusal",
        )
        assert check() == {"forged": "warning"}
        hub.api("POST", f"/webhook-urls/{url['id']}/rotate")
        hub.api("DELETE", f"/webhook-urls/{url['id']}")

    def test_missing_subscription_is_reported(
        self, check: Check, local_ion: LocalIonProcess
    ) -> None:
        one = receiver(local_ion)["subscriptions"][0]
        local_ion.execute(DELETE_SUBSCRIPTION, id=one["id"], etag=one["_etag"])
        local_ion.faults.set(
            "permission_lost", only="createWebhookSubscription"
        )  # or the hub repairs it
        assert check()["subscriptions"] == "error"

    def test_disabled_and_deleted_receiver_and_missing_deliveries_are_reported(
        self, check: Check, hub: HubProcess, integration: Any, local_ion: LocalIonProcess
    ) -> None:
        now = receiver(local_ion)
        local_ion.execute(
            UPDATE_RECEIVER, i={"id": now["id"], "etag": now["_etag"], "active": False}
        )
        local_ion.faults.set("permission_lost", only="updateWebhookReceiver")
        for number in range(3):
            local_ion.execute(CREATE, i={"name": f"created without a delivery {number}"})
        hub.fetch(integration, "incremental")
        found = check()
        assert found["receiver"] == "error"
        assert "silent" not in found, "the receiver is the cause"

        local_ion.faults.set("permission_lost", only="createWebhookReceiver")
        now = receiver(local_ion)
        local_ion.execute(DELETE_RECEIVER, id=now["id"], etag=now["_etag"])
        done = hub.cli("doctor")
        assert 10 == done.returncode
        assert "ION has no receiver" in done.stdout
        assert "ultraviolet setup apply plant" in done.stdout
        assert "the receiver was deleted" in done.stderr


def test_every_problem_has_a_cause_and_a_remedy() -> None:
    kinds = [kind for one in PROBLEMS for kind in one.kinds]
    assert len(set(kinds)) == len(kinds) >= len(PROBLEMS) >= 10
    assert all(one.cause and one.remedy for one in PROBLEMS)
