"""`ultraviolet demo`: one command, and changes flow from a local ION into a hub."""

import re
import subprocess
import sys
from pathlib import Path


def test_one_command_shows_changes_flowing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ultraviolet", "demo", "--once", "--no-browser"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "demo")], capture_output=True, text=True, timeout=300, check=False
    )

    assert done.returncode == 0, done.stderr
    assert re.search(r"Ready after \d+ s, and changes are flowing", done.stdout)
    for name in ("Hub", "Sign in", "Local ION", "Query runner"):
        assert re.search(rf"{name} +http://127\.0\.0\.1:\d+", done.stdout), name
    assert re.search(r"\d+ of \d+ resources, \d+ objects read", done.stderr), "no progress was shown"
