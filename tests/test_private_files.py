"""Files of the hub, the local ION and commands are private, independent of the umask."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.command_line import run_command
from tests.conftest import StartHub, StartIon, send

from ultraviolet.files import ensure_private_dir

COMMANDS = (
    "event export events.jsonl",
    "object export purchase_orders --out orders.csv",
    "db backup deep/er/hub.db",
    "db restore deep/er/hub.db --data restored/data",
    "db copy sqlite:///copied/hub.db",
)


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Set the umask to 0, also for child processes."""
    before = os.umask(0)
    yield
    os.umask(before)


def accessible_to_others(folder: Path) -> dict[str, str]:
    """Return the files in a folder that other users can access, with their modes."""
    modes = {
        str(file.relative_to(folder)): file.lstat().st_mode & 0o777 for file in folder.rglob("*")
    }
    return {name: oct(mode) for name, mode in modes.items() if mode & 0o077}


@pytest.mark.usefixtures("open_umask")
def test_files_of_processes_and_commands_are_private(
    start_hub: StartHub, start_ion: StartIon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, work = tmp_path / "run", tmp_path / "work"
    for folder in (run, work):
        folder.mkdir(mode=0o700)
    for part in ("deep", "copied"):
        (work / part).mkdir(mode=0o700)
    ion = start_ion("--tls", data=run / "ion" / "data")
    hub = start_hub(
        "--spool",
        str(run / "spool"),
        data=run / "hub" / "data",
        SSL_CERT_FILE=str(ion.data / "tls/ca.pem"),
    )
    hub.connect(ion)
    monkeypatch.chdir(work)
    for line in COMMANDS:
        done = run_command(*shlex.split(line), ULTRAVIOLET_DATA=str(hub.data))
        assert 0 == done.returncode, (line, done.stderr)
    assert {} == accessible_to_others(tmp_path)
    names = {one.name for one in tmp_path.rglob("*")}
    assert {
        "hub.db",
        "hub.db-wal",
        "hub.db-shm",
        "hub.json",
        "secret.key",
        "hub.log",
        "spool-1.db",
    } <= names
    assert {
        "ion.db",
        "ion.db-wal",
        "local-ion.json",
        "token-key.pem",
        "ca.pem",
        "ca-key.pem",
        "key",
    } <= names
    assert {"events.jsonl", "orders.csv", "as-set-up.db"} <= names

    hub.child.stop()
    for one in (hub.data, *hub.data.iterdir()):
        one.chmod(0o777 if one.is_dir() else 0o666)
    hub = start_hub(data=hub.data)
    assert 200 == send("GET", f"{hub.url}/livez")[0]
    assert {} == accessible_to_others(hub.data.parent), "the start restricts existing files"


def test_files_of_other_programs_keep_their_mode(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    data.mkdir()
    elsewhere.write_text("another's")
    for name in ("hub.db", "notes.txt"):
        (data / name).write_text("")
    (data / "hub.json").symlink_to(elsewhere)
    for one in (data, elsewhere, data / "hub.db", data / "notes.txt"):
        one.chmod(0o755 if one == data else 0o644)
    ensure_private_dir(data, ["hub.*"])
    modes = [
        one.stat().st_mode & 0o777 for one in (data, elsewhere, data / "hub.db", data / "notes.txt")
    ]
    assert [0o755, 0o644, 0o600, 0o644] == modes
    (data / "notes.txt").unlink()
    ensure_private_dir(data, ["hub.*"])
    assert 0o700 == data.stat().st_mode & 0o777


def test_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared.json"
    shared.write_text("{}")
    shared.chmod(0o640)
    code = """
import pathlib, sys
from ultraviolet.files import atomic_write
with atomic_write(pathlib.Path(sys.argv[1])) as out:
    out.write(b'{"new": true}')
"""
    subprocess.run([sys.executable, "-c", code, str(shared)], check=True)
    assert ({"new": True}, 0o640) == (json.loads(shared.read_text()), shared.stat().st_mode & 0o777)
