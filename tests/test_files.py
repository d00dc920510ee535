"""What commands write into files: whole, or nothing, over HTTP as well."""

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ultraviolet.cli.main import app
from ultraviolet.errors import HubUnreachableError
from ultraviolet.files import FileError, atomic_write

PLANT = b'{"items": [{"id": 1, "name": "plant"}], "next": null}'


class Breaks(BaseHTTPRequestHandler):
    """A hub with one integration: exports of parts break off, those of runs are a page to sign in, events are moved."""

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
        """Nobody reads it."""


@pytest.fixture(scope="module")
def breaking() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Breaks) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("object export parts --out", "was lost"),
        ("object export runs --out", "is no hub"),
        ("event export", "sends on to"),
    ],
)
def test_an_export_that_fails_leaves_the_file_as_it_was(
    command: str, says: str, breaking: str, tmp_path: Path
) -> None:
    file = tmp_path / "parts.csv"
    file.write_text("yesterday's\n")
    done = CliRunner().invoke(app, [*command.split(), str(file), "--url", breaking, "--key", "k"])
    assert isinstance(done.exception, HubUnreachableError)
    assert says in str(done.exception)
    assert ([file], "yesterday's\n") == (list(tmp_path.iterdir()), file.read_text())


def test_what_is_whole_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    file, link = tmp_path / "parts.csv", tmp_path / "newest.csv"
    file.write_text("yesterday's\n")
    file.chmod(0o600)
    link.symlink_to(file)
    with atomic_write(link) as out:
        out.write(b"today's\n")
        assert "yesterday's\n" == file.read_text()
    assert ("today's\n", True) == (file.read_text(), link.is_symlink())
    assert 0o600 == file.stat().st_mode & 0o777


def test_a_pipe_is_written_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with atomic_write(pipe) as out:
        out.write(b"today's\n")
    assert b"today's\n" == os.read(reading, 100)
    os.close(reading)


@pytest.mark.parametrize(
    "target", ["/dev/full", "/proc/nothing", "{folder}", "{folder}/none/below"]
)
def test_a_file_that_cannot_be_written_is_one_sentence(target: str, tmp_path: Path) -> None:
    file = Path(target.format(folder=tmp_path))
    with pytest.raises(FileError, match="could not be written"), atomic_write(file) as out:
        out.write(b"today's\n")
    assert list(tmp_path.iterdir()) == []
