"""Fixtures: real processes on free ports, databases, and a small client of the hub's API."""

import atexit
import gc
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stamina
from hypothesis import HealthCheck, settings
from sqlalchemy import Engine, select
from tests import debian_packages
from tests.command_line import own_logging, run_command
from tests.postgresql import Postgresql, made

from ultraviolet.child_process import Child, free_port, is_responding
from ultraviolet.cli.support.connection import find_running
from ultraviolet.db import engine as db_engine
from ultraviolet.db.database import Database
from ultraviolet.db.migrations import upgrade
from ultraviolet.db.tables.events import events
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.process import collect_garbage_rarely
from ultraviolet.testing import LocalIonProcess, running_local_ion

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile("shared", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
"""Generation is slow on a machine with other work, and is not a fault of the test."""

collect_garbage_rarely()
pytest_plugins = ["ultraviolet.testing.pytest_plugin"]

LONG = (
    "test_crash_points",
    "test_pages_in_a_browser",
    "test_busy_plant",
    "test_soak",
    "test_bench",
)
"""Test files that take more than a minute."""

FOLDER = tempfile.mkdtemp(prefix="ultraviolet-tests-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
os.environ["XDG_CONFIG_HOME"] = FOLDER
"""The contexts of the person who runs the tests are neither used nor changed."""
PLANT = Path(FOLDER) / "plant"
"""The data of a local ION with a small plant, as it is after the setup, to start others quickly."""

UNDER_WAY = """{ webhookEvents(filters: {status: {in: [SENDING, RETRYING]}}, first: 1) {
  pageInfo { totalCount } } }"""

StartIon = Callable[..., LocalIonProcess]
StartHub = Callable[..., "HubProcess"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Install required programs, and run the longest tests first to balance the workers."""
    needed = {
        name for item in items if isinstance(item, pytest.Function) for name in item.fixturenames
    }
    debian_packages.install(needed & debian_packages.PACKAGES.keys())

    def place(item: pytest.Item) -> int:
        if item.path.stem in LONG:
            return LONG.index(item.path.stem)
        return len(LONG) + ("e2e" not in item.path.parts)

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Keep the modules and tests out of the garbage collector, which would scan them for each test."""
    gc.collect()
    gc.freeze()


class RequestFailedError(Exception):
    """A response with status 400 or more."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body.decode(errors='replace')[:2000]}")
        self.status = status
        self.body = body


def send(method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    """Send one request synchronously."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=120) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def wait_for(look: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until `look` returns a true value and return it; fail after a time-out.

    The interval grows with the time waited, because each look slows the awaited work.
    """
    started = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        waited = time.monotonic() - started
        if waited > seconds:
            pytest.fail(f"{what}: not within {seconds} s")
        time.sleep(min(0.02 + waited / 20, 0.25))


def set_pace(ion: LocalIonProcess, rate: float) -> None:
    """Set the rate of the plant in changes per second."""
    content = json.dumps({"changes_per_second": rate}).encode()
    url = f"{ion.url}/_local/plant"
    assert send("PATCH", url, content, content_type="application/json")[0] == 200


class HubProcess:
    """A hub process with a client of its API."""

    def __init__(self, url: str, child: Child, data: Path, store_url: str | None = None) -> None:
        self.url = url
        self.store_url = store_url or f"sqlite:///{data / 'hub.db'}"
        self.child = child
        self.data = data
        running = find_running(data)
        assert running is not None
        self.key = running.key

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Send an API request; raise RequestFailedError for a status of 400 or more."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.key}", "content_type": "application/json"}
        status, answer = send(method, f"{self.url}/api/v1{path}", content, **headers)
        if status >= 400:
            raise RequestFailedError(status, answer)
        return json.loads(answer) if answer else None

    def status(self, path: str, key: str) -> int:
        """Return the status of a GET with an API key."""
        return send("GET", f"{self.url}/api/v1{path}", authorization=f"Bearer {key}")[0]

    def find(self, path: str) -> Any:
        """Return an API resource, or None if it does not exist."""
        try:
            return self.api("GET", path)
        except RequestFailedError as error:
            if error.status == 404:
                return None
            raise

    def connect(self, ion: LocalIonProcess, name: str = "plant", **more: Any) -> dict[str, Any]:
        """Create an integration with its receiver and subscriptions."""
        given = {
            "name": name,
            "api_url": ion.url,
            "auth_url": ion.url,
            "requests_per_second": 500,
            **more,
        }
        given |= {"client_id": ion.client_id, "client_secret": ion.client_secret}
        integration = self.api("POST", "/integrations", given)
        self.api("POST", f"/integrations/{integration['id']}/setup", {"mode": "automatic"})
        return integration

    def fetch(self, integration: dict[str, Any], mode: str = "full") -> dict[str, Any]:
        """Wait for running fetches, then run a fetch to its end."""
        fetches = f"/integrations/{integration['id']}/fetches"
        under_way = ("running", "waiting", "queued")
        wait_for(
            lambda: all(one["state"] not in under_way for one in self.api("GET", fetches)["items"]),
            240,
            "the fetch under way",
        )
        fetch = self.api("POST", f"/integrations/{integration['id']}/fetches", {"mode": mode})

        def over() -> Any:
            now = self.api("GET", f"/fetches/{fetch['id']}")
            return now if now["state"] not in ("running", "waiting", "queued") else None

        return wait_for(over, 240, f"the {mode} fetch")

    def verify(self, integration: dict[str, Any]) -> dict[str, Any]:
        """Compare mirror and ION; return the report."""
        path = f"/integrations/{integration['id']}/verifications"
        started = self.api("POST", f"{path}?wait=false")

        def over() -> Any:
            now = self.api("GET", f"/verifications/{started['id']}")
            return now if now["state"] in ("done", "failed") else None

        return wait_for(over, 240, "the verification")

    def assert_equal_to_ion(self, integration: dict[str, Any], *, objects: int = 100) -> None:
        """Assert that a verification finds no difference in more than a number of objects."""
        report = self.verify(integration)
        assert report["state"] == "done", report
        found = [report[name] for name in ("missing", "extra", "different", "displayed")]
        assert found == [0, 0, 0, 0], report
        assert report["equal"] == report["objects"] > objects, report

    def stored_events(self) -> set[str]:
        """Return ION's event ids from the database."""
        engine = db_engine.make_engine(self.store_url)
        with engine.connect() as connection:
            found = {str(id_) for id_ in connection.execute(select(events.c.event_id)).scalars()}
        engine.dispose()
        return found

    def at_rest(self, ion: LocalIonProcess, integration: dict[str, Any]) -> bool:
        """Return whether all deliveries are applied and nothing is stale."""
        summary = self.api("GET", f"/integrations/{integration['id']}/freshness")["summary"]
        under_way = ion.execute(UNDER_WAY)["webhookEvents"]["pageInfo"]["totalCount"]
        return not (under_way or summary["stale"] or summary["waiting_events"])

    def cli(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command against this hub."""
        return run_command(
            *arguments,
            ULTRAVIOLET_DATA=str(self.data),
            ULTRAVIOLET_DATABASE_URL=self.store_url,
        )


def make_start_ion(stack: ExitStack, where: Callable[[str], Path]) -> StartIon:
    def start(
        *options: str,
        data: Path | None = None,
        port: int = 0,
        size: str = "small",
        changes: float = 0,
    ) -> LocalIonProcess:
        given = ["--size", size, "--changes-per-second", str(changes), *options]
        data = data or where("ion")
        is_usual = size == "small" and not options and not data.exists()
        if is_usual and PLANT.exists():
            shutil.copytree(PLANT, data)
        ion = stack.enter_context(running_local_ion(data, given, port=port))
        if is_usual and not PLANT.exists():
            keep_plant(data)
        return ion

    return start


def keep_plant(data: Path) -> None:
    """Copy the state that a local ION had after its setup, which takes longer than a copy."""
    snapshot = data / "snapshots" / "as-set-up.db"
    (PLANT / "snapshots").mkdir(mode=0o700, parents=True)
    for target in (PLANT / "ion.db", PLANT / "snapshots" / snapshot.name):
        shutil.copy(snapshot, target)
    for name in ("plant.begun", "plant.done", "token-key.pem"):
        shutil.copy(data / name, PLANT)


def make_start_hub(stack: ExitStack, where: Callable[[str], Path]) -> StartHub:
    def start(
        *options: str,
        data: Path | None = None,
        port: int = 0,
        store_url: str | None = None,
        **environment: str,
    ) -> HubProcess:
        data = data or where("hub")
        port = port or free_port()
        url = f"http://127.0.0.1:{port}"
        arguments = ["serve", "--port", str(port), "--data", str(data), *options]
        if store_url:
            environment["ULTRAVIOLET_DATABASE_URL"] = store_url
        child = stack.enter_context(Child("hub", arguments, data.parent / "hub.log", environment))

        def ready() -> bool:
            running = find_running(data)
            return (
                running is not None
                and running.pid == child.process.pid
                and is_responding(f"{url}/livez")
            )

        child.wait_until(ready, 60)
        return HubProcess(url, child, data, store_url)

    return start


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """Restore logging and exception hooks after each test."""
    with own_logging():
        yield


@pytest.fixture
def at_once() -> Iterator[None]:
    """Retry requests without waiting."""
    with stamina.set_testing(testing=True, attempts=10, cap=True):
        yield


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL server for all tests of this worker."""
    server = made()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub database without rows, which tests copy because creating one takes longer."""
    path = tmp_path_factory.mktemp("template") / "hub.db"
    Database.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def ion_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of a local ION without a plant."""
    folder = tmp_path_factory.mktemp("ion-template")
    LocalIon(folder, lambda: "2026-11-23T00:00:00.000000+00:00").close()
    return folder / "ion.db"


@pytest.fixture
def ion_folder(tmp_path: Path, ion_template: Path) -> Path:
    """The directory of a new local ION; creating its tables takes longer than copying them."""
    shutil.copy(ion_template, tmp_path / "ion.db")
    return tmp_path


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """The URL of an SQLite hub database without rows."""
    shutil.copy(sqlite_template, tmp_path / "hub.db")
    return f"sqlite:///{tmp_path / 'hub.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a hub database without rows, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite_url")
    return request.getfixturevalue("postgresql").new_database()


@pytest.fixture
def engine(store_url: str) -> Iterator[Engine]:
    """The engine of an empty hub database."""
    engine = db_engine.make_engine(store_url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def start_ion(tmp_path: Path) -> Iterator[StartIon]:
    """Start local IONs, stopped when the test ends."""
    with ExitStack() as stack:
        yield make_start_ion(stack, lambda name: tmp_path / name / "data")


@pytest.fixture
def start_hub(tmp_path: Path) -> Iterator[StartHub]:
    """Start hubs, stopped when the test ends."""
    with ExitStack() as stack:
        yield make_start_hub(stack, lambda name: tmp_path / name / "data")


@pytest.fixture(scope="module")
def local_ion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalIonProcess]:
    """A local ION with a small paused plant, shared by a module."""
    with ExitStack() as stack:
        yield make_start_ion(stack, lambda name: tmp_path_factory.mktemp(name) / "data")()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubProcess]:
    """An empty hub, shared by a module."""
    with ExitStack() as stack:
        yield make_start_hub(stack, lambda name: tmp_path_factory.mktemp(name) / "data")()


@pytest.fixture(scope="module")
def module_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartHub]:
    """Start hubs for a module, stopped after its tests."""
    with ExitStack() as stack:
        yield make_start_hub(stack, lambda name: tmp_path_factory.mktemp(name) / "data")


@pytest.fixture(scope="session")
def wait() -> Callable[[Callable[[], Any], float, str], Any]:
    """Return `wait_for`."""
    return wait_for


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the path of a Chromium."""
    return debian_packages.program("chromium")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only browser tests need it

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pgbouncer() -> str:
    """Return the path of PgBouncer."""
    return debian_packages.program("pgbouncer")


@pytest.fixture(scope="session")
def nginx() -> str:
    """Return the path of nginx."""
    return debian_packages.program("nginx")
