"""Commands without a running hub do only their task, send no other requests to ION, and end."""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from docs.generate.commands import leaves
from sqlalchemy import update
from tests.command_line import run_command
from tests.conftest import StartHub
from typer.testing import CliRunner

from ultraviolet import clock
from ultraviolet.cli.main import app
from ultraviolet.db.tables.sync import controller_status as status_table
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health import controller_status, heartbeat
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin
from ultraviolet.testing import LocalIonProcess

KEY = "kept-for-the-tests-of-one-off-commands"

QUIET = {
    "login": "login http://127.0.0.1:9 --key uvk_x",
    "context list": "context list",
    "context use": "context use plant",
    "context show": "context show plant",
    "context remove": "context remove plant",
    "event import": "event import events.jsonl",
    "event list": "event list",
    "event show": "event show 1",
    "event replay": "event replay 1",
    "event export": "event export exported.jsonl",
    "changes": "changes",
    "config show": "config show",
    "status": "status",
    "freshness": "freshness",
    "drift": "drift",
    "doctor": "doctor --port 0",
    "alert add": "alert add program --webhook http://127.0.0.1:9/",
    "alert list": "alert list",
    "alert active": "alert active",
    "alert test": "alert test 1",
    "alert remove": "alert remove 1 --yes",
    "integration list": "integration list",
    "integration show": "integration show plant",
    "integration findings": "integration findings plant",
    "integration resources": "integration resources plant",
    "integration retention": "integration retention plant",
    "integration edit": "integration edit plant --keep-events 60d --yes",
    "integration pause": "integration pause plant",
    "integration resume": "integration resume plant",
    "object list": "object list suppliers",
    "object show": "object show suppliers 1",
    "object history": "object history suppliers 1",
    "object diff": "object diff suppliers 1 --from 1d",
    "object index": "object index suppliers name",
    "object export": "object export suppliers --out suppliers.csv",
    "sql": 'sql "SELECT 1 AS one"',
    "webhook create": "webhook create",
    "webhook list": "webhook list",
    "webhook revoke": "webhook revoke 1 --yes",
    "key create": "key create nightly",
    "key list": "key list",
    "key revoke": "key revoke 1 --yes",
    "user add": "user add ada",
    "user list": "user list",
    "user link": "user link ada",
    "user sessions": "user sessions ada",
    "user sign-out": "user sign-out ada",
    "user provider": "user provider ada --email ada@example.com",
    "user remove": "user remove ada --yes",
    "fetch list": "fetch list",
    "fetch show": "fetch show 1",
    "verify list": "verify list",
    "verify show": "verify show 1",
    "db upgrade": "db upgrade",
    "db check": "db check",
    "db backup": "db backup backup.db",
    "db copy": "db copy sqlite:///copy.db",
    "db restore": "db restore backup.db --data restored",
    "secrets rotate": "secrets rotate",
    "integration remove": "integration remove plant --yes",
}
"""A call of each command that does not use ION. Some fail because their object is missing."""
USES_ION = {
    "fetch run": "fetch run",
    "integration add": "integration add p --environment production --client-id i --client-secret s",
    "integration test": "integration test",
    "setup adopt": "setup adopt --receiver 12",
    "setup apply": "setup apply",
    "setup plan": "setup plan",
    "setup text": "setup text",
    "verify resume": "verify resume 1",
    "verify run": "verify run",
    "webhook rotate": "webhook rotate 1",
}
"""A call of each command that uses ION."""
PROCESSES = ("serve", "demo", "ion ")


class CountingIon(ThreadingHTTPServer):
    """An ION that counts requests and responds with 404."""

    requests = 0


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        server.requests += 1
        self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  as the parent names it
        """Do not log."""


@pytest.fixture
def counting_ion() -> Iterator[CountingIon]:
    with CountingIon(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def create_hub(data: Path, api_url: str, database_url: str, *, secret: str = "secret") -> None:
    """Create a hub with an integration that a hub process would fetch immediately."""
    hub = Hub.open(Settings(data, database_url, "http://hub.test", secret_key=KEY))
    new = NewIntegration("plant", api_url, api_url, "test", secret)

    def fill(connection: Any) -> None:
        made = integrations.create(connection, hub.secrets, "test", new)
        now = clock.now_rfc3339()
        doc = {"id": 1, "name": "Bolts Ltd"}
        seen = Observation(
            "suppliers", "1", "full", doc, now, Origin("fetch", "1"), read_started_at=now
        )
        apply(connection, hub.catalog, made.id, [seen], [])

    hub.database.write_now(fill)
    hub.close()


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = tmp_path / "data"
    monkeypatch.setenv("ULTRAVIOLET_DATA", str(data))
    monkeypatch.setenv("ULTRAVIOLET_SECRET_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    return data


def test_every_command_is_covered() -> None:
    names = {path.removeprefix("ultraviolet ") for path, _ in leaves()}
    one_off = {name for name in names if not name.startswith(PROCESSES)}
    assert one_off == QUIET.keys() | USES_ION.keys()


def test_commands_send_no_unrequested_requests_to_ion(
    environment: Path, counting_ion: CountingIon, subtests: pytest.Subtests
) -> None:
    create_hub(
        environment,
        f"http://127.0.0.1:{counting_ion.server_port}",
        f"sqlite:///{environment}/hub.db",
    )
    event: dict[str, Any] = {
        "received_at": clock.now_rfc3339(),
        "headers": {},
        "verified": None,
        "body": '{"id": 1}',
    }
    Path("events.jsonl").write_text(json.dumps(event) + "\n")
    for name, line in QUIET.items():
        with subtests.test(command=name):
            done = CliRunner().invoke(app, shlex.split(line))
            assert done.exit_code != 2, done.output
            assert 0 == counting_ion.requests
    for file in ("exported.jsonl", "suppliers.csv", "backup.db"):
        assert Path(file).exists(), file


def call_each(subtests: pytest.Subtests, without: tuple[str, ...], **env: str) -> set[str]:
    """Run every command that addresses a hub; return the different messages and exit codes."""
    Path("events.jsonl").touch()
    found = set[str]()
    for name, line in {**QUIET, **USES_ION}.items():
        if not name.startswith(("config ", "context ", "login", *without)):
            with subtests.test(command=name):
                done = run_command(*shlex.split(line), **env)
                assert done.stdout == ""
                found.add(f"{done.returncode} {done.stderr}")
    return found


def test_every_command_reports_a_missing_hub_in_the_same_words(
    environment: Path, subtests: pytest.Subtests
) -> None:
    assert call_each(subtests, ("doctor", "db restore")) == {
        (
            f"6 ultraviolet: No hub in {environment}. Name the directory of a hub with --data, or start"
            f" one with `ultraviolet serve --data {environment}`.\n"
        )
    }
    assert not environment.exists()


def test_every_command_reports_an_unreachable_hub_and_a_wrong_key_in_the_same_words(
    tmp_path: Path, start_hub: StartHub, subtests: pytest.Subtests, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    on_this_machine = ("doctor", "db ", "secrets ")
    hub = start_hub()
    for key, problem in [
        ("", f"Set an API key of {hub.url} with --key or ULTRAVIOLET_KEY."),
        (
            "uvk_wrong",
            (
                "Invalid API key. It may be mistyped, revoked or expired;"
                " an administrator can create another on the page Settings."
            ),
        ),
    ]:
        env = {"ULTRAVIOLET_URL": hub.url, "ULTRAVIOLET_KEY": key}
        assert call_each(subtests, on_this_machine, **env) == {f"3 ultraviolet: {problem}\n"}
    hub.child.stop()
    env = {"ULTRAVIOLET_URL": hub.url, "ULTRAVIOLET_KEY": hub.key}
    assert call_each(subtests, on_this_machine, **env) == {
        (
            f"6 ultraviolet: The hub at {hub.url}/ does not respond: the connection was refused. Start it"
            " with `ultraviolet serve`, or check the address.\n"
        )
    }


def test_stopped_hub_was_alive_when_its_controllers_recorded_their_status_last(
    environment: Path,
) -> None:
    store = f"sqlite:///{environment}/hub.db"
    create_hub(environment, "http://127.0.0.1:9", store)
    hub = Hub.open(Settings(environment, store, "http://hub.test", secret_key=KEY))
    now = clock.utc_now()
    moment = clock.format_rfc3339(now - timedelta(minutes=30))
    hub.database.write_now(heartbeat.record_heartbeat, moment)
    hub.database.write_now(controller_status.record, {1: None})
    later = clock.format_rfc3339(now - timedelta(minutes=29))
    hub.database.write_now(lambda c: c.execute(update(status_table).values(recorded_at=later)))
    hub.close()
    assert "the last one was alive 29 min ago" in run_command("status").stderr


def test_nothing_is_fresh_without_a_hub(environment: Path, local_ion: LocalIonProcess) -> None:
    """What a command says about the mirror right after a fetch, with nobody to follow ION."""
    store = f"sqlite:///{environment}/hub.db"
    create_hub(environment, local_ion.url, store, secret=local_ion.client_secret)
    assert 0 == run_command("fetch", "run", "--mode", "full").returncode
    for alive, seen in ((None, "none has run yet"), (-300, "the last one was alive 5 min ago")):
        if alive:
            hub = Hub.open(Settings(environment, store, "http://hub.test", secret_key=KEY))
            moment = clock.format_rfc3339(clock.utc_now() + timedelta(seconds=alive))
            hub.database.write_now(heartbeat.record_heartbeat, moment)
            hub.close()
        says = f"No hub is running; {seen}. Next: `ultraviolet serve --data {environment}` starts"
        status = run_command("status")
        assert (6, True) == (status.returncode, says in status.stderr)
        assert says in status.stdout
        freshness = run_command("freshness")
        assert f"Stale: No hub is running; {seen}" in freshness.stderr
        assert " fresh " not in freshness.stdout
        paused = run_command("integration", "pause"), run_command("status")
        assert f"Paused: No hub is running; {seen}" in paused[1].stdout, paused
        run_command("integration", "resume")
        assert "No hub is running" in json.loads(run_command("status", "--json").stdout)["problem"]


@pytest.mark.parametrize(
    "line",
    ["event export -", "object export suppliers"],
)
def test_process_ends_after_its_task(
    line: str, environment: Path, counting_ion: CountingIon
) -> None:
    create_hub(
        environment,
        f"http://127.0.0.1:{counting_ion.server_port}",
        f"sqlite:///{environment}/hub.db",
    )
    command = [sys.executable, "-m", "ultraviolet", *shlex.split(line)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (0, 0) == (done.returncode, counting_ion.requests), done.stderr
    assert "Bolts Ltd" in done.stdout or line.startswith("event")


def test_fetch_and_verify_wait_for_the_result(
    environment: Path, store_url: str, local_ion: LocalIonProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", store_url)
    create_hub(environment, local_ion.url, store_url, secret=local_ion.client_secret)
    fetched = CliRunner().invoke(app, ["fetch", "run", "--mode", "full", "--json"])
    assert 0 == fetched.exit_code, fetched.exception
    assert "done" == json.loads(fetched.stdout)["state"]
    verified = CliRunner().invoke(app, ["verify", "run", "--json"])
    assert 0 == verified.exit_code, verified.exception
    report = json.loads(verified.stdout)
    assert ("done", 0) == (
        report["state"],
        report["different"] + report["missing"] + report["extra"],
    )
    assert report["objects"] > 100


@pytest.mark.usefixtures("at_once")
def test_fetch_fails_if_ion_does_not_respond(environment: Path, counting_ion: CountingIon) -> None:
    create_hub(
        environment,
        f"http://127.0.0.1:{counting_ion.server_port}",
        f"sqlite:///{environment}/hub.db",
    )
    done = CliRunner().invoke(app, ["fetch", "run", "--json"])
    assert 8 == getattr(done.exception, "exit_code", None), done.exception
    assert "{" not in done.stderr
    fetch = json.loads(done.stdout)
    assert "failed" == fetch["state"]
    assert fetch["error"]


def test_command_leaves_work_to_a_remote_hub(
    start_hub: StartHub, postgresql: Any, local_ion: LocalIonProcess, environment: Path
) -> None:
    database = postgresql.new_database()
    hub = start_hub(store_url=database, ULTRAVIOLET_SECRET_KEY=KEY)
    hub.connect(local_ion)
    done = run_command("fetch", "run", "--json", ULTRAVIOLET_DATABASE_URL=database)
    assert (0, "done") == (done.returncode, json.loads(done.stdout)["state"]), done.stderr
    assert "process" in json.loads(done.stdout)["requested_by"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_command_knows_at_once_that_a_remote_hub_has_ended(
    end: str, start_hub: StartHub, postgresql: Any, environment: Path
) -> None:
    """The command has another data folder than the hub, so it knows only the database."""
    database = postgresql.new_database()
    hub = start_hub(store_url=database, ULTRAVIOLET_SECRET_KEY=KEY)
    given = {"ULTRAVIOLET_DATABASE_URL": database, "ULTRAVIOLET_SECRET_KEY": KEY}
    running = run_command("status", **given)
    assert "No hub is running" not in running.stdout + running.stderr
    getattr(hub.child, end)()
    ended = run_command("status", **given)
    assert "No hub is running; the last one was alive" in ended.stderr, environment


def test_hub_is_found_by_its_sqlite_database(start_hub: StartHub, environment: Path) -> None:
    """ULTRAVIOLET_DATABASE_URL may name a file outside the data folder."""
    elsewhere = environment / "databases"
    elsewhere.mkdir(parents=True)
    store = f"sqlite:///{elsewhere / 'mirror.db'}"
    hub = start_hub(store_url=store, data=environment / "other" / "data")
    found = run_command("status", "--json", ULTRAVIOLET_DATABASE_URL=store)
    assert hub.url == json.loads(found.stdout)["public_url"]
    assert "No hub is running" not in found.stderr
    assert 0o600 == (elsewhere / "mirror.db.hub.json").stat().st_mode & 0o777
    second = subprocess.run(
        [sys.executable, "-m", "ultraviolet", "serve", "--port", "0", "--data", str(environment)],
        env={**os.environ, "ULTRAVIOLET_DATABASE_URL": store},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (5, True) == (second.returncode, hub.url in second.stderr), second.stderr
    hub.child.stop()
    stopped = run_command("status", ULTRAVIOLET_DATABASE_URL=store, ULTRAVIOLET_DATA=str(hub.data))
    assert "No hub is running" in stopped.stderr
    assert not (elsewhere / "mirror.db.hub.json").exists()
