"""Output to limited encodings, full disks, closed pipes and unwritable files."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.command_line import run_command, run_encoded
from tests.idle_hub import IdleHub, body, run

from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub

Run = Callable[..., subprocess.CompletedProcess[bytes]]
MAX_FILE_BYTES = 100_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a stopped hub with an integration, events and objects."""
    folder = tmp_path_factory.mktemp("hub")
    hub = Hub.open(Settings(folder, f"sqlite:///{folder / 'hub.db'}", "http://hub.test"))
    idle_hub = IdleHub(hub, "Größe ✓")
    run(
        idle_hub.deliver(
            *(body(number, name=f"Ventil ✓ {number} " + "x" * 200) for number in range(300))
        )
    )
    while idle_hub.apply_events():
        pass
    hub.close()
    return folder


@pytest.fixture
def call(data: Path) -> Run:
    """Run a command on that hub, as a process."""

    def start(
        *arguments: str, limited: bool = False, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "ULTRAVIOLET_DATA": str(data), **options.pop("env", {})}
        given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        if limited:
            given["preexec_fn"] = limit_files
        command = [sys.executable, "-m", "ultraviolet", *arguments]
        return subprocess.run(command, env=environment, timeout=120, check=False, **given)

    return start


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "posix"])
def test_limited_encodings_do_not_break_commands(call: Run, data: Path, encoding: str) -> None:
    """A terminal has a limited encoding, or the whole process a locale."""

    def run_limited(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        if encoding == "posix":
            return call(*arguments, env={"LC_ALL": "POSIX"})
        return run_encoded(encoding, *arguments, ULTRAVIOLET_DATA=str(data))

    greek = "SELECT 'Größe ✓ \U0001f600' AS name"
    assert json.loads(run_limited("sql", "--json", greek).stdout) == [
        {"name": "Größe ✓ \U0001f600"}
    ]
    written = run_limited("sql", "--format", "csv", greek)
    assert written.stdout.decode() == "name\r\nGröße ✓ \U0001f600\r\n"
    for arguments in (
        ["sql", greek],
        ["db", "check"],
        ["object", "diff", "--help"],
        ["sql", "SELECT 'ü' FROM ✓"],
    ):
        done = run_limited(*arguments)
        assert b"Traceback" not in done.stderr, done.stderr
        assert done.stdout or done.stderr.startswith(b"ultraviolet: ")


def test_invalid_unicode_argument_is_reported_in_one_line(call: Run) -> None:
    for arguments in (["sql", "SELECT '\udcff'"], ["integration", "pause", "\udcff"]):
        done = call(*arguments)
        assert done.stderr.splitlines()[-1].startswith(b"ultraviolet: "), done.stderr
        assert b"Traceback" not in done.stderr
        assert done.returncode in {2, 4}


@pytest.mark.parametrize(
    "command",
    [
        "--version",
        "--help",
        "db check --json",
        "db check",
        "sql --json SELECT*FROM(events)",
        "sql --format=csv SELECT*FROM(events)",
        "sql --format=parquet SELECT*FROM(events)",
        "event list --json",
        "config show",
    ],
)
def test_full_disk_is_reported_in_one_line(call: Run, command: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = call(*command.split(), stdout=full)
    assert done.returncode == 1, done.stderr
    said = done.stderr.decode().splitlines()
    assert "The output could not be written: No space left on device" in said[-1]
    assert "Traceback" not in done.stderr.decode()


def test_closed_stdout_is_reported_in_one_line(call: Run, data: Path) -> None:
    command = f"{sys.executable} -m ultraviolet db check --json --data {data} >&-"
    done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1), done.stderr


def test_closed_pipe_ends_a_command(call: Run) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = call("sql", "--format", "csv", "SELECT * FROM events", stdout=pipe)
    assert (done.returncode, done.stderr) == (1, b"")


def test_file_size_limit_is_reported_in_one_line(call: Run, tmp_path: Path) -> None:
    with (tmp_path / "events.csv").open("wb") as file:
        done = call(
            "sql",
            "--format",
            "csv",
            "SELECT a.* FROM events a, events b",
            stdout=file,
            limited=True,
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"ultraviolet: The output could not be written: File too large")
    assert done.stderr.count(b"\n") == 1


def test_failed_backup_leaves_no_file(call: Run, tmp_path: Path) -> None:
    done = call("db", "backup", str(tmp_path / "out.db"), limited=True)
    assert (done.returncode, list(tmp_path.iterdir())) == (6, []), done.stderr
    assert done.stderr.startswith(b"ultraviolet: ")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "command",
    ["event export {}", "object export parts --out {}", "db backup {}"],
    ids=["events", "objects", "db"],
)
def test_unwritable_target_is_reported_in_one_line(
    data: Path, command: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for target in (tmp_path, tmp_path / "file" / "below", Path("/proc/nothing")):
        done = run_command(*command.format(target).split(), ULTRAVIOLET_DATA=str(data))
        assert done.returncode in {1, 5}, (target, done.stderr)
        assert done.stderr.splitlines()[-1].startswith("ultraviolet: "), done.stderr
        assert "Traceback" not in done.stderr, done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
