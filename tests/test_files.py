"""Atomic writes: a file is complete or unchanged, also when an HTTP export fails."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ultraviolet.cli.main import app
from ultraviolet.errors import ConflictError, HubUnreachableError
from ultraviolet.files import FileError, atomic_write
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub

PLANT = b'{"items": [{"id": 1, "name": "plant"}], "next": null}'


class BrokenHub(BaseHTTPRequestHandler):
    """A hub whose exports fail: parts end early, runs return a sign-in page, events redirect."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/api/v1/")
        self.send_response(301 if path.endswith("/events/export") else 200)
        if path == "exports/parts":
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b"id,part_number\n")
            return
        body = PLANT if path == "integrations" else b"<html>Sign in</html>"
        self.send_header("content-type", "application/json" if body is PLANT else "text/html")
        self.send_header("location", "/api/v1/integrations")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def broken_hub() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), BrokenHub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("object export parts --out", "was lost"),
        ("object export runs --out", "does not belong to a hub"),
        ("event export", "redirects to"),
    ],
)
def test_failed_export_keeps_the_existing_file(
    command: str, message: str, broken_hub: str, tmp_path: Path
) -> None:
    file = tmp_path / "parts.csv"
    file.write_text("yesterday's\n")
    done = CliRunner().invoke(
        app, [*command.split(), str(file), "--url", broken_hub, "--key", "k", "--force"]
    )
    assert isinstance(done.exception, HubUnreachableError)
    assert message in str(done.exception)
    assert ([file], "yesterday's\n") == (list(tmp_path.iterdir()), file.read_text())


def test_complete_file_replaces_the_target_of_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "parts.csv", tmp_path / "newest.csv"
    file.write_text("yesterday's\n")
    file.chmod(0o600)
    link.symlink_to(file)
    with atomic_write(link) as out:
        out.write(b"today's\n")
        assert "yesterday's\n" == file.read_text()
    assert ("today's\n", True) == (file.read_text(), link.is_symlink())
    assert 0o600 == file.stat().st_mode & 0o777


def test_pipe_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as out:
        out.write(b"today's\n")
    assert b"today's\n" == os.read(reader, 100)
    os.close(reader)


@pytest.mark.parametrize(
    "target", ["/dev/full", "/proc/nothing", "{folder}", "{folder}/none/below"]
)
def test_unwritable_file_is_reported(target: str, tmp_path: Path) -> None:
    file = Path(target.format(folder=tmp_path))
    with pytest.raises(FileError, match="could not be written"), atomic_write(file) as out:
        out.write(b"today's\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["object export parts --out", "event export", "db backup"])
def test_existing_file_is_replaced_only_with_force(
    command: str, broken_hub: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kept"
    file.write_text("yesterday's\n")
    Hub.open(Settings(tmp_path / "hub", f"sqlite:///{tmp_path}/hub/hub.db", "http://h")).close()
    words = [*command.split(), str(file)]
    if command == "db backup":
        words += ["--data", str(tmp_path / "hub")]
    else:
        words += ["--url", broken_hub, "--key", "k"]
    monkeypatch.delenv("ULTRAVIOLET_DATABASE_URL", raising=False)
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, ConflictError)
    assert "Choose another name, or use --force." in str(done.exception)
    assert "yesterday's\n" == file.read_text()
    if command == "db backup":
        assert 0 == CliRunner().invoke(app, [*words, "--force"]).exit_code
        assert file.read_bytes().startswith(b"SQLite format 3")


@pytest.mark.parametrize("name", ["q?x", "a b", "50%20", "x#y", "é"])
def test_database_is_in_the_data_folder_whatever_its_name(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    data.mkdir()
    Hub.open(Settings(data, f"sqlite:///{data}/hub.db", "http://h")).close()
    assert (data / "hub.db").stat().st_size > 0
    assert [data] == list(tmp_path.iterdir())
