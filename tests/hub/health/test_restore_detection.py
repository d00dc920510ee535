"""A database restored from a backup is detected, reported and fetched in full."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.idle_hub import IdleHub
from typer.testing import CliRunner

from ultraviolet.cli.main import app
from ultraviolet.db.tables.integrations import settings
from ultraviolet.db.tables.sync import fetches
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health import restore_detection
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.sync import fetch


def opened(data: Path, url: str) -> Hub:
    data.mkdir(exist_ok=True)
    return Hub.open(Settings(data=data, database_url=url, public_url="http://hub.test"))


def live(hub: Hub) -> None:
    """Start and stop a hub."""

    async def story() -> None:
        await hub.start()
        await hub.stop()

    asyncio.run(story())


def told(hub: Hub) -> list[str]:
    """Return the messages of the open findings about a restored database."""
    found = hub.database.read_now(finding_store.list_findings, 1, 10, unresolved=True)
    return [one.message for one in found if one.kind == restore_detection.FINDING_KIND]


def asked(hub: Hub) -> list[tuple[str, str]]:
    """Return the state and requester of each full fetch."""
    query = (
        select(fetches.c.state, fetches.c.requested_by)
        .where(fetches.c.mode == "full")
        .order_by(fetches.c.id)
    )
    return hub.database.read_now(lambda c: [(state, why) for state, why in c.execute(query)])


@pytest.fixture
def paused(tmp_path: Path, store_url: str) -> Callable[[], Hub]:
    """Return a function that opens a hub with a paused integration, so that only its start acts."""
    first = opened(tmp_path / "data", store_url)
    IdleHub(first)
    first.database.write_now(
        lambda c: c.exec_driver_sql("UPDATE integrations SET paused = true") and None
    )
    first.database.write_now(
        lambda c: fetch.request_fetch(c, 1, "full", "before the backup") and None
    )
    live(first)
    first.close()
    return lambda: opened(tmp_path / "data", store_url)


def test_ordinary_restart_is_not_a_restored_database(paused: Callable[[], Hub]) -> None:
    hub = paused()
    live(hub)
    assert (told(hub), asked(hub)) == ([], [("running", "before the backup")])
    hub.close()


def test_heartbeat_older_than_the_data_directory_is_a_restored_database(
    paused: Callable[[], Hub],
) -> None:
    hub = paused()
    older = (
        update(settings)
        .where(settings.c.name == "alive_at")
        .values(value="2026-01-01T00:00:00.000000+00:00")
    )
    hub.database.write_now(lambda c: c.execute(older) and None)
    live(hub)
    (sentence,) = told(hub)
    assert "restored from a backup" in sentence
    assert "it ends at 2026-01-01 00:00:00 UTC" in sentence
    assert asked(hub) == [("cancelled", "before the backup"), ("running", "restored database")]
    hub.close()

    hub = paused()
    live(hub)
    assert len(asked(hub)) == 2, "it is asked for once"
    hub.close()


def test_copied_back_database_is_a_restored_database(
    paused: Callable[[], Hub], tmp_path: Path, store_url: str
) -> None:
    if not store_url.startswith("sqlite"):
        dumped_and_restored(paused, tmp_path, store_url)
        return
    shutil.copy(tmp_path / "hub.db", tmp_path / "backup.db")
    hub = paused()
    live(hub)
    hub.close()
    for ending in ("-wal", "-shm"):
        (tmp_path / f"hub.db{ending}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", tmp_path / "hub.db")
    hub = paused()
    live(hub)
    assert len(told(hub)) == 1
    hub.close()


def dumped_and_restored(paused: Callable[[], Hub], tmp_path: Path, store_url: str) -> None:
    """Restore PostgreSQL with a new data directory, as in a new container: the database shows it."""
    shutil.rmtree(tmp_path / "data")
    hub = paused()
    with hub.database.engine.begin() as connection:  # like pg_restore: the same rows in a new table
        connection.exec_driver_sql("ALTER TABLE settings RENAME TO settings_before")
        connection.exec_driver_sql("CREATE TABLE settings (LIKE settings_before INCLUDING ALL)")
        connection.exec_driver_sql("INSERT INTO settings SELECT * FROM settings_before")
        connection.exec_driver_sql("DROP TABLE settings_before")
    live(hub)
    assert len(told(hub)) == 1
    hub.close()


def test_db_restore_is_reported_in_a_new_data_directory(
    tmp_path: Path, paused: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = paused()
    url = hub.settings.database_url
    hub.close()
    monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", url)
    backup, data = tmp_path / "kept.db", tmp_path / "elsewhere"
    data.mkdir()
    runner = CliRunner()
    assert (
        runner.invoke(
            app, ["db", "backup", str(backup), "--data", str(tmp_path / "data")]
        ).exit_code
        == 0
    )
    monkeypatch.setenv("ULTRAVIOLET_DATABASE_URL", f"sqlite:///{data / 'hub.db'}")
    assert runner.invoke(app, ["db", "restore", str(backup), "--data", str(data)]).exit_code == 0
    shutil.copy(tmp_path / "data" / "secret.key", data)
    again = opened(data, f"sqlite:///{data / 'hub.db'}")
    live(again)
    assert len(told(again)) == 1
    again.close()


def test_later_full_fetch_resolves_the_finding(paused: Callable[[], Hub]) -> None:
    hub = paused()
    hub.database.write_now(restore_detection.report_restore, 1, "It was restored")
    number = hub.database.read_now(fetch.unfinished_fetch, 1)
    assert number
    hub.database.write_now(lambda c: fetch.finish(c, number[0]) and None)
    assert told(hub) == []
    hub.close()
