"""The wheel in an empty environment runs the demo and a hub.

The suite tries the newest Python; `make dist` sets PYTHONS to all supported versions.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.child_process import is_responding

ROOT = Path(__file__).parents[2]
VERSIONS = os.environ.get("PYTHONS", "3.13").split()


def find_python(version: str) -> str | None:
    """Return an installed interpreter of this version."""
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    if installed:
        return str(installed[-1])
    command = [sys.executable, "-m", "uv", "python", "find", "--no-python-downloads", version]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return found.stdout.strip() or None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [path] = built.glob("*.whl")
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_installed_wheel_runs_the_demo_and_a_hub(wheel: Path, tmp_path: Path, version: str) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"Python {version} is not installed")
    environment = tmp_path / "environment"
    uv = [sys.executable, "-m", "uv"]
    locked = ROOT / "requirements-run.lock"
    install = ["pip", "install", "--python", environment, "--constraint", locked, wheel]
    for command in (["venv", "--python", python, environment], install):
        subprocess.run([*uv, *command], check=True, capture_output=True, text=True, cwd=tmp_path)
    program = str(environment / "bin" / "ultraviolet")
    installed = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=True, env=clean()
    )
    assert re.fullmatch(r"ultraviolet \d+\.\d+\.\d+\S*\n", installed.stdout)

    # first, because the two programs of the demo would compile the same modules at once
    serve = ["serve", "--port", "0", "--data", str(tmp_path / "hub")]
    shown, code = run_until(program, serve, r"^Ultraviolet: (http://\S+)")
    assert code == 0, shown

    demo = ["demo", "--no-browser", "--data", str(tmp_path / "demo")]
    shown, code = run_until(program, demo, r"^Logs: ")
    assert re.search(r"Ready after \d+ s, and changes are flowing", shown), shown
    assert code == 0, shown

    refused = subprocess.run(
        [program, "serve", "--data", str(tmp_path / "other")],
        env=clean() | {"ULTRAVIOLET_DATABASE_URL": "postgresql://hub@localhost/hub"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "PostgreSQL needs its driver: pip install 'ultraviolet[postgresql]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def clean() -> dict[str, str]:
    """Return an environment without the variables of the tests' own Python."""
    kept = ("HOME", "PATH", "LANG", "XDG_CONFIG_HOME")
    return {name: os.environ[name] for name in kept if name in os.environ}


def run_until(program: str, arguments: list[str], ending: str) -> tuple[str, int]:
    """Run a program until it prints a line, request the address in it, and stop the program."""
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen([program, *arguments], text=True, env=clean(), **options) as process:
        assert process.stdout
        shown = ""
        for line in process.stdout:
            shown += line
            found = re.search(ending, line)
            if found:
                if found.groups():
                    assert is_responding(f"{found[1]}/livez")
                break
        process.send_signal(signal.SIGINT)
        shown += process.stdout.read()
    return shown, process.returncode
