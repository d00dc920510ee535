"""The hub as a process: the key of its environment, an orderly end, and a command line that needs no running hub."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.cli.children import free_port


@pytest.mark.parametrize("way", ["ULTRAVIOLET_ADMIN_KEY", "ULTRAVIOLET_ADMIN_KEY_FILE"])
def test_a_key_of_the_environment_opens_the_api_while_it_is_set(
    start_hub: Any, tmp_path: Path, way: str
) -> None:
    key = "uvk_a-key-chosen-by-whoever-automates"
    file = tmp_path / "key"
    file.write_text(f"{key}\n")
    hub = start_hub(**{way: str(file) if way.endswith("_FILE") else key})
    assert hub.status("/integrations", key) == 200
    hub.child.stop()

    again = start_hub(data=hub.data)

    assert again.status("/integrations", key) == 401


def test_it_ends_in_order_when_asked_to(start_hub: Any) -> None:
    hub = start_hub()

    hub.child.stop()

    assert hub.child.process.returncode == 0
    assert not (hub.data / "hub.json").exists()
    left = [key["name"] for key in json.loads(hub.cli("key", "list", "--json").stdout)]
    assert left == ["command line"]  # of this very command, which works on the database itself


def test_it_ends_in_order_while_it_waits_for_its_database(tmp_path: Path) -> None:
    nowhere = os.environ | {"ULTRAVIOLET_DATABASE_URL": f"postgresql://u@127.0.0.1:{free_port()}/hub"}
    command = [sys.executable, "-m", "ultraviolet", "serve", "--port", "0", "--data", str(tmp_path)]
    with subprocess.Popen(command, env=nowhere, stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr
        assert b"retry_scheduled" in waiting.stderr.readline()

        waiting.terminate()

        assert waiting.wait(10) == 0


def test_a_folder_that_cannot_be_written_is_said_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for words in ("serve", "ion serve"):
        command = [sys.executable, "-m", "ultraviolet", *words.split(), "--port", "0", "--data"]
        data = tmp_path / "file" / "data"

        done = subprocess.run([*command, data], capture_output=True, text=True, timeout=60, check=False)

        assert done.returncode == 2
        assert f"{data} cannot be written by user" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_hub_that_listens_everywhere_is_announced_where_it_can_be_opened(start_hub: Any) -> None:
    hub = start_hub("--host", "0.0.0.0")

    port = hub.url.rsplit(":", 1)[1]
    assert json.loads((hub.data / "hub.json").read_text())["url"] == f"http://127.0.0.1:{port}"


def test_without_a_running_hub_commands_work_on_its_database(
    start_hub: Any, local_ion: Any, wait: Any
) -> None:
    hub = start_hub()
    integration = hub.connect(local_ion)
    hub.fetch(integration)
    hub.child.stop()

    listed = hub.cli("integration", "list", "--json")
    shown = hub.cli("object", "list", "suppliers", "--json")

    assert [one["name"] for one in json.loads(listed.stdout)] == ["plant"]
    assert len(json.loads(shown.stdout)) > 5


def test_a_port_that_is_taken_is_said_before_anything_is_opened(hub: Any, tmp_path: Path) -> None:
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
