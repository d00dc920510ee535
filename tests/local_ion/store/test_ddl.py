"""A database of another version of Ultraviolet is used as far as its tables are the same."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.local_ion.in_process_ion import Ion

from ultraviolet.errors import ConflictError
from ultraviolet.local_ion.sandbox.loader import copy_into


@pytest.fixture
def database(tmp_path: Path) -> Path:
    ion = Ion(tmp_path / "ion")
    ion.create("Part", partNumber="old")
    ion.ion.close()
    return tmp_path / "ion/ion.db"


def alter(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for statement in (*statements, "PRAGMA user_version = 7"):
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    "statement", ["ALTER TABLE parts ADD COLUMN colour TEXT", "ALTER TABLE parts DROP COLUMN cost"]
)
def test_other_tables_are_refused_with_the_way_out(database: Path, statement: str) -> None:
    triggers = [f"DROP TRIGGER parts_{name}_logged" for name in ("insert", "update", "delete")]
    alter(database, *triggers, statement)
    before = database.read_bytes()
    serve = ["ion", "serve", "--no-plant", "--port", "0", "--data", str(database.parent)]
    done = subprocess.run(
        [sys.executable, "-m", "ultraviolet", *serve], capture_output=True, text=True, check=False
    )
    written = " ".join((done.stdout + done.stderr).split())
    assert done.returncode
    assert "Another version of Ultraviolet created" in written
    assert "its table parts differs. Start the local ION with another folder" in written
    assert "Traceback" not in written
    assert before == database.read_bytes()

    with pytest.raises(ConflictError, match=rf"created .*{database.name}: its table parts differs"):
        copy_into(database.parent / "copy", database)
    assert not (database.parent / "copy").exists()


def test_same_tables_get_the_current_triggers(database: Path) -> None:
    alter(database, "DROP TRIGGER parts_insert_logged")
    ion = Ion(database.parent)
    part = ion.create("Part", partNumber="new")["id"]
    assert ["CREATE"] == [
        event["eventType"] for event in ion.get("part", part, "timeline { eventType }")["timeline"]
    ]
    assert [{"partNumber": "old"}, {"partNumber": "new"}] == ion.list_all("parts", "partNumber")
    ion.ion.close()
