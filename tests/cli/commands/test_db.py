"""`ultraviolet db`: backup, restore, copy between databases, check, upgrade."""

import json
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, text
from tests.idle_hub import IdleHub, body, run
from typer.testing import CliRunner

from ultraviolet.cli.commands import db
from ultraviolet.db import engine as db_engine
from ultraviolet.db.driver_errors import DatabaseSetupError
from ultraviolet.db.migrations import NewerTablesError
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.mirror import versions
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub

KEY = "a key of sixteen characters"


def opened(url: str, data: Path) -> Hub:
    return Hub.open(
        Settings(data=data, database_url=url, public_url="http://hub.test", secret_key=KEY)
    )


def call(*arguments: str, url: str) -> Any:
    """Run a command on a hub's database; return its JSON."""
    done = CliRunner().invoke(db.app, [*arguments, "--json"], env={"ULTRAVIOLET_DATABASE_URL": url})
    if done.exception and not isinstance(done.exception, db.DatabaseDamagedError):
        raise done.exception
    return json.loads(done.stdout)


def contents(engine: Engine, table: Any) -> list[Any]:
    with engine.connect() as connection:
        return [
            tuple(row)
            for row in connection.execute(select(table).order_by(*table.primary_key.columns))
        ]


@pytest.fixture
def idle_hub(tmp_path: Path, store_url: str) -> Any:
    """Return a hub with content on each database."""
    hub = opened(store_url, tmp_path)
    made = IdleHub(hub)
    run(made.deliver(*(body(number, name=f"Größe {number}") for number in range(1200))))
    while made.apply_events():
        pass
    yield made
    hub.close()


def test_backup_can_be_restored_to_either_database(
    idle_hub: IdleHub, store_url: str, tmp_path: Path, postgresql: Any
) -> None:
    file = tmp_path / "backup.db"
    call("backup", str(file), url=store_url)

    for number, url in enumerate(
        [postgresql.new_database(), f"sqlite:///{tmp_path / 'again' / 'hub.db'}"]
    ):
        call("restore", str(file), url=url)
        again = opened(url, tmp_path / str(number))
        for table in (events, integrations, versions):
            assert contents(idle_hub.hub.database.engine, table) == contents(
                again.database.engine, table
            )
        back = IdleHub.__new__(IdleHub)
        back.hub, back.integration_id, back.token = again, idle_hub.integration_id, idle_hub.token
        assert run(back.deliver(body(5000), body(1, name="Größe 1"))) == [200, 200]
        assert back.apply_events() == 1
        again.close()
        assert all(finding["well"] for finding in call("check", url=url))
        with pytest.raises(ConflictError, match="already"):
            call("restore", str(file), url=url)


def test_failed_backup_leaves_no_file(tmp_path: Path, postgresql: Any) -> None:
    url = postgresql.new_database()
    hub = opened(url, tmp_path)
    run(IdleHub(hub).deliver(*(body(number, name="x" * 1000) for number in range(1000))))
    hub.close()
    file = tmp_path / "backups" / "backup.db"
    command = [sys.executable, "-m", "ultraviolet", "db", "backup", str(file)]
    given: dict[str, Any] = {"capture_output": True, "text": True}
    given["env"] = {**os.environ, "ULTRAVIOLET_DATABASE_URL": url}

    full = subprocess.run(
        command,
        check=False,
        **given,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2),
    )

    assert full.returncode == 6
    assert full.stderr.startswith("ultraviolet: Nothing was copied")
    assert [*file.parent.iterdir()] == []
    file.with_name("backup.db.part").write_text("of one that was killed")
    assert subprocess.run(command, check=False, **given).returncode == 0
    assert [*file.parent.iterdir()] == [file]
    assert file.stat().st_mode & 0o077 == 0


def test_backup_on_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    hub = opened(f"sqlite:///{tmp_path / 'data' / 'hub.db'}", tmp_path / "data")
    run(IdleHub(hub).deliver(*(body(number, name="x" * 1000) for number in range(1000))))
    hub.close()
    small = tmp_path / "small"
    small.mkdir()
    # What is written beside the file fits onto this disk, and then not both.
    size = (tmp_path / "data" / "hub.db").stat().st_size * 3 // 2
    command = f"""mount -t tmpfs -o size={size} none {small} || exit 77
      {sys.executable} -m ultraviolet db backup {small}/backup.db --data {tmp_path}/data; code=$?
      ls {small}; exit $code"""

    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
    )

    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no small disk can be made here")
    assert (done.returncode, done.stdout) == (6, "")
    assert "Nothing was copied" in done.stderr


def test_copies_to_postgresql_during_deliveries_are_complete(
    tmp_path: Path, postgresql: Any
) -> None:
    old_url, new_url = f"sqlite:///{tmp_path / 'hub.db'}", postgresql.new_database()
    old = opened(old_url, tmp_path)
    idle_hub = IdleHub(old)
    run(idle_hub.deliver(*(body(number) for number in range(2000))))
    stop = threading.Event()
    acknowledged: list[int] = []

    def deliver() -> None:
        number = 10_000
        while not stop.is_set():
            assert run(idle_hub.deliver(body(number))) == [200]
            acknowledged.append(number)
            number += 1

    other = threading.Thread(target=deliver)
    other.start()
    first = call("copy", new_url, url=old_url)
    stop.set()
    other.join()
    second = call("copy", new_url, url=old_url)

    new = opened(new_url, tmp_path)
    stored = {
        row.event_id for row in new.database.read_now(lambda c: c.execute(select(events)).all())
    }
    assert first["whole"]
    assert not second["whole"]
    assert {str(number) for number in [*range(2000), *acknowledged]} == stored
    assert first["rows"]["events"] + second["rows"]["events"] == len(stored)
    assert call("copy", new_url, url=old_url)["rows"] == {"events": 0}
    old.close()
    new.close()


def test_check_finds_damage(idle_hub: IdleHub, store_url: str) -> None:
    assert all(finding["well"] for finding in call("check", url=store_url))
    idle_hub.hub.database.write_now(lambda c: c.execute(delete(versions)) and None)

    wrong = [finding["what"] for finding in call("check", url=store_url) if not finding["well"]]

    assert wrong == ["the history contains the current version of every object"]


def test_tables_of_a_newer_release_are_not_changed(engine: Engine, store_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    for command in (["upgrade"], ["backup", "never.db"], ["copy", store_url]):
        done = CliRunner().invoke(db.app, command, env={"ULTRAVIOLET_DATABASE_URL": store_url})
        assert isinstance(done.exception, NewerTablesError), command
    [tables] = call("check", url=store_url)
    assert not tables["well"]
    assert "newer release" in tables["detail"]
    assert "upgrade" not in tables["detail"]


def test_invalid_database_is_reported(tmp_path: Path, postgresql: Any) -> None:
    file = tmp_path / "letter.db"
    file.write_text("Dear Sir or Madam")
    with pytest.raises(InvalidError, match="file is not a database"):
        call("check", url=f"sqlite:///{file}")
    with pytest.raises(InvalidError, match="file is not a database"):
        call("restore", str(file), url=f"sqlite:///{tmp_path / 'hub.db'}")
    assert file.read_text() == "Dear Sir or Madam"
    nowhere = postgresql.new_database().replace("/hub_", "/nowhere_")
    with pytest.raises(DatabaseSetupError, match=r"nowhere_\d+. does not exist"):
        call("check", url=nowhere)


def test_upgrade_creates_the_tables(postgresql: Any) -> None:
    url = postgresql.empty_database()
    assert not call("check", url=url)[0]["well"]

    CliRunner().invoke(db.app, ["upgrade"], env={"ULTRAVIOLET_DATABASE_URL": url})

    assert all(finding["well"] for finding in call("check", url=url))
    engine = db_engine.make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ion_parts")).scalar() == 0
    engine.dispose()


def test_missing_database_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        call("backup", str(tmp_path / "backup"), url=f"sqlite:///{tmp_path / 'no.db'}")
    assert list(tmp_path.iterdir()) == []
