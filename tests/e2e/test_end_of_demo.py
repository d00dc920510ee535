"""The two programs of `ultraviolet demo` end with it, and the next start uses the same data."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.child_process import Child, free_port

PROGRAM = [sys.executable, "-m", "ultraviolet"]
STARTED_BY_HAND = {
    "hub": ["serve", "--port", "0"],
    "ion": ["ion", "serve", "--port", "0", "--no-plant"],
}
ADDRESS_FILES = {"hub": "hub.json", "ion": "local-ion.json"}


@contextmanager
def running_demo(data: Path, *options: str) -> Generator[tuple[subprocess.Popen[str], list[int]]]:
    """Run a demo in a process group of its own; yield it when it is ready, with its processes."""
    errors = data.with_name("errors")
    with errors.open("w") as written:
        demo = subprocess.Popen(
            [*PROGRAM, "demo", "--no-browser", "--data", str(data), *options],
            stdout=subprocess.PIPE,
            stderr=written,
            text=True,
            process_group=0,
        )
    try:
        assert demo.stdout
        assert any(line.startswith("Logs: ") for line in demo.stdout), errors.read_text()
        yield demo, [process_id(data, name) for name in ADDRESS_FILES]
    finally:
        demo.kill()
        demo.communicate()


def process_id(data: Path, name: str) -> int:
    return json.loads((data / name / ADDRESS_FILES[name]).read_bytes())["pid"]


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def hang_up_group(demo: int) -> None:
    os.killpg(demo, signal.SIGHUP)


def hang_up(demo: int) -> None:
    os.kill(demo, signal.SIGHUP)


def kill(demo: int) -> None:
    os.kill(demo, signal.SIGKILL)


def test_programs_end_with_the_demo_and_it_starts_again(tmp_path: Path, wait: Any) -> None:
    data = tmp_path / "demo"
    ports = {"hub": free_port(), "ion": free_port()}
    options = ["--port", str(ports["hub"]), "--ion-port", str(ports["ion"])]
    says = "Starting a local ION with a small plant"
    ends: list[Callable[[int], None]] = [hang_up_group, hang_up, kill]
    for end in ends:
        with running_demo(data, *options) as (demo, processes):
            end(demo.pid)
            demo.wait(60)
            wait(lambda of=processes: not any(map(is_alive, of)), 30, f"the end by {end.__name__}")
        assert says in (tmp_path / "errors").read_text()
        assert json.loads((data / "ports.json").read_bytes()) == ports
        options, says = [], f"Continuing with the local ION and the hub in {data}"

    for command in ("status", "doctor"):
        done = subprocess.run(
            [*PROGRAM, command, "--data", str(data / "hub")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"{shlex.join(PROGRAM)} demo --data {data}" in done.stdout, done

    with running_demo(data) as (demo, _):
        kill(demo.pid)
        demo.wait(60)
        with running_demo(data, "--once"):  # while the processes of the killed demo still end
            assert "is in use" not in (tmp_path / "errors").read_text()
        assert json.loads((data / "ports.json").read_bytes()) == ports


@pytest.mark.parametrize("name", STARTED_BY_HAND)
def test_demo_names_a_program_that_uses_its_data(name: str, tmp_path: Path) -> None:
    data = tmp_path / "demo"
    arguments = [*STARTED_BY_HAND[name], "--data", str(data / name)]
    with Child(name, arguments, tmp_path / "log", {}) as child:
        child.wait_until((data / name / ADDRESS_FILES[name]).exists, 60)
        done = subprocess.run(
            [*PROGRAM, "demo", "--no-browser", "--data", str(data)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 5
        used = f"with the data in {data / name} is already running at http://127.0.0.1:"
        assert re.fullmatch(
            rf"ultraviolet: The \S.* {used}\d+; `kill {child.process.pid}` ends it\n", done.stderr
        ), done.stderr
        assert not (data / "ports.json").exists()
        os.kill(child.process.pid, signal.SIGTERM)
        assert child.process.wait(60) == 0
