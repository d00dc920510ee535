"""`ultraviolet demo`: one command connects a local ION and a hub."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from ultraviolet.child_process import is_responding


def test_demo_shows_changes_and_restarts_a_crashed_hub_once(tmp_path: Path, wait: Any) -> None:
    data, errors = tmp_path / "demo", tmp_path / "errors"
    command = [sys.executable, "-m", "ultraviolet", "demo", "--no-browser", "--data", str(data)]
    with errors.open("wb") as written:
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=written, text=True)
        try:
            assert demo.stdout
            shown = read_until(demo, "Logs: ")
            status = run_printed_command(shown, "On the command line")
            assert re.search(r"^Local ION +(fresh|stale|ageing) ", status, re.MULTILINE), status
            run_printed_command(shown, "To use this hub without --data")
            stored = Path(os.environ["XDG_CONFIG_HOME"], "ultraviolet", "contexts.json")
            assert "demo" == json.loads(stored.read_bytes())["current"]
            stored.unlink()
            first = running(data)
            os.kill(first["pid"], signal.SIGSEGV)
            second = wait(lambda: another(data, first), 60, "another hub")
            wait(lambda: is_responding(f"{second['url']}/livez"), 60, "its answer")
            os.kill(second["pid"], signal.SIGSEGV)
            assert demo.wait(60) == 1
            demo.stdout.close()
        finally:
            demo.terminate()
            demo.wait()
    said = errors.read_text()

    assert re.search(r"Ready after \d+ s, and changes are flowing", shown)
    for name in ("Hub", "Sign in", "Local ION", "Query runner"):
        assert re.search(rf"{name} +http://127\.0\.0\.1:\d+", shown), name
    assert re.search(r"\d+ of \d+ resources, \d+ objects read", said), "no progress"
    restarted = f"The hub (process {first['pid']}) was ended by SIGSEGV; its data is kept, and it restarts.\n"
    assert said.count(restarted) == 1
    assert "ultraviolet: The hub was ended by SIGSEGV. The end of" in said
    assert "Traceback" not in said


def read_until(process: subprocess.Popen[str], ending: str) -> str:
    assert process.stdout
    shown = ""
    for line in process.stdout:
        shown += line
        if line.startswith(ending):
            break
    return shown


def run_printed_command(shown: str, purpose: str) -> str:
    """Run a command that the demo printed, in a shell without `ultraviolet` on PATH."""
    [command] = re.findall(rf"^{purpose}: (.+)$", shown, re.MULTILINE)
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        command, shell=True, env=environment, capture_output=True, text=True, check=True
    ).stdout


def running(data: Path) -> dict[str, Any]:
    """Return the hub.json of the latest hub process."""
    try:
        return json.loads((data / "hub" / "hub.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {"pid": 0, "url": ""}


def another(data: Path, before: dict[str, Any]) -> dict[str, Any] | None:
    now = running(data)
    return now if now["pid"] not in (0, before["pid"]) else None
