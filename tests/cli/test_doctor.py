"""What the doctor sees on the machine."""

import sqlite3
from pathlib import Path

from ultraviolet.cli import doctor


def states(data: Path) -> dict[str, str]:
    return {check.what: check.state for check in doctor.machine(data)}


def test_a_missing_directory_is_only_a_warning(tmp_path: Path) -> None:
    assert states(tmp_path / "none")["data"] == "warning"


def test_a_key_that_others_can_read_is_wrong(tmp_path: Path) -> None:
    key = tmp_path / "secret.key"
    key.touch(mode=0o600)
    assert states(tmp_path)["secret key"] == "well"

    key.chmod(0o644)
    assert states(tmp_path)["secret key"] == "wrong"


def test_a_broken_database_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    assert states(tmp_path)["database"] == "well"

    path.write_bytes(b"not a database" * 100)
    assert states(tmp_path)["database"] == "wrong"


def test_no_hub_is_a_warning_with_a_next_step(tmp_path: Path) -> None:
    [check] = doctor.running(tmp_path)

    assert check.state == "warning"
    assert "ultraviolet serve" in check.next_step
