"""The hub as a process: admin key, start, stop, and commands without a running hub."""

import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.child_process import free_port


def test_admin_key_works_while_it_is_set(start_hub: Any, tmp_path: Path) -> None:
    key, of_file = "uvk_a-key-chosen-for-automation", "uvk_a-key-in-a-file"
    file = tmp_path / "key"
    file.write_text(f"{of_file}\n")
    hub = start_hub(ULTRAVIOLET_ADMIN_KEY=key)
    assert (200, 401) == (hub.status("/integrations", key), hub.status("/integrations", of_file))
    hub.child.stop()

    second = start_hub(data=hub.data, ULTRAVIOLET_ADMIN_KEY_FILE=str(file))
    given = [second.status("/integrations", each) for each in (key, of_file)]
    second.child.stop()
    third = start_hub(data=hub.data)

    assert [401, 200] == given
    assert [401, 401] == [third.status("/integrations", each) for each in (key, of_file)]


def test_stopping_hub_refuses_new_connections_and_stops_cleanly(start_hub: Any, wait: Any) -> None:
    hub = start_hub("--host", "0.0.0.0")
    place = ("127.0.0.1", int(hub.url.rsplit(":", 1)[1]))
    announced = json.loads((hub.data / "hub.json").read_text())["url"]
    assert announced == f"http://127.0.0.1:{place[1]}", "it listens on all addresses"
    assert hub.data.stat().st_mode & 0o077 == 0  # not accessible for other users

    def refused() -> bool:
        with suppress(ConnectionRefusedError), socket.create_connection(place):
            return False
        return True

    with socket.create_connection(place):  # open connections may send requests for a second
        hub.child.process.terminate()
        wait(refused, 10, "a refused connection")
        assert hub.child.process.poll() is None
    assert hub.child.process.wait(10) == 0

    assert not (hub.data / "hub.json").exists()
    [left] = json.loads(hub.cli("key", "list", "--json").stdout)
    assert left["name"].startswith("command line on ")  # the key of this command itself


def test_hub_stops_cleanly_while_waiting_for_its_database(tmp_path: Path) -> None:
    nowhere = os.environ | {
        "ULTRAVIOLET_DATABASE_URL": f"postgresql://u@127.0.0.1:{free_port()}/hub"
    }
    command = [sys.executable, "-m", "ultraviolet", "serve", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, env=nowhere, stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr
        said = json.loads(waiting.stderr.readline())
        assert (said["event"], said["attempt"]) == ("attempt.failed", 1)
        assert said["error"].startswith("StoreUnavailableError: The database postgresql")

        waiting.terminate()

        assert waiting.wait(10) == 0


def test_unwritable_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in ("serve", "ion serve"):
        command = [sys.executable, "-m", "ultraviolet", *words.split(), "--port", "0", "--data"]
        data = tmp_path / "file" / "data"

        done = subprocess.run(
            [*command, data], capture_output=True, text=True, timeout=60, check=False
        )

        assert done.returncode == 2
        assert f"cannot write to {data}" in done.stderr
        assert "Traceback" not in done.stderr


def test_invalid_mail_server_is_reported_at_start(tmp_path: Path) -> None:
    given = os.environ | {"ULTRAVIOLET_SMTP_URL": "mail.example.com:25"}
    command = [sys.executable, "-m", "ultraviolet", "serve", "--port", "0", "--data", str(tmp_path)]

    done = subprocess.run(
        command, env=given, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 2
    assert "ULTRAVIOLET_SMTP_URL must start with smtp:// or smtps://" in done.stderr


@pytest.fixture(scope="module")
def stopped(module_hub: Any, local_ion: Any) -> Any:
    """A stopped hub that has fetched a plant."""
    hub = module_hub()
    hub.fetch(hub.connect(local_ion))
    hub.child.stop()
    return hub


def test_commands_work_without_a_running_hub(stopped: Any) -> None:
    listed = stopped.cli("integration", "list", "--json")
    shown = stopped.cli("object", "list", "suppliers", "--json")

    assert [one["name"] for one in json.loads(listed.stdout)] == ["plant"]
    assert len(json.loads(shown.stdout)) > 5


def test_request_id_appears_only_in_log_lines_of_the_request(stopped: Any) -> None:
    lines = (stopped.data.parent / "hub.log").read_text().splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]

    answered = [line for line in said if line["event"] == "request.answered"]
    assert answered
    assert all("request_id" in line for line in answered)
    finished = [line for line in said if line["event"] == "fetch.finished"]
    assert finished
    assert not [line for line in finished if "request_id" in line]


def serve(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a hub that fails to start."""
    command = [sys.executable, "-m", "ultraviolet", "serve", "--port", "0", *options]
    given = {**os.environ, **environment}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env=given
    )


def test_start_error_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    here, nowhere = str(tmp_path / "data"), str(file / "folder")
    for done, code, says in (
        (serve("--data", here, "--spool", nowhere), 1, f"{nowhere} is not usable"),
        (
            serve("--data", here, ULTRAVIOLET_PUBLIC_URL="hub.example.com"),
            2,
            "such as https://hub.example",
        ),
    ):
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith("ultraviolet: ")
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert serve("--port", "65536").returncode == 2


def test_changed_secret_key_is_reported_at_start(stopped: Any) -> None:
    done = serve("--data", str(stopped.data), ULTRAVIOLET_SECRET_KEY="quite another secret key")

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert f"the key in {stopped.data / 'secret.key'} does; unset ULTRAVIOLET_SECRET_KEY" in line


def test_second_hub_or_ion_on_one_folder_is_refused(hub: Any, local_ion: Any) -> None:
    for command, data, url, name, child in (
        (("serve",), hub.data, hub.url, "The hub", hub.child),
        (("ion", "serve"), local_ion.data, local_ion.url, "The local ION", local_ion.child),
    ):
        words = [sys.executable, "-m", "ultraviolet", *command, "--port", "0", "--data", str(data)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 5, done.stderr
        used = f"{name} with the data in {data} is already running at {url}"
        expected = f"ultraviolet: {used}; `kill {child.process.pid}` ends it"
        assert done.stderr.splitlines() == [expected]


def test_port_in_use_is_reported_before_the_database_is_created(hub: Any, tmp_path: Path) -> None:
    port = hub.url.rsplit(":", 1)[1]
    command = [
        sys.executable,
        "-m",
        "ultraviolet",
        "serve",
        "--port",
        port,
        "--data",
        str(tmp_path / "other"),
    ]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 5
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert not (tmp_path / "other" / "hub.db").exists()
