"""The root of the command line: help, version, imports, errors."""

import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ultraviolet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_the_processes() -> None:
    result = run("--help")

    assert result.returncode == 0
    assert "serve" in result.stdout
    assert "ion" in result.stdout


@pytest.mark.parametrize(
    "heavy", ["aiohttp", "alembic", "cryptography", "graphql", "httpx", "litestar", "sqlalchemy"]
)
def test_help_does_not_import_slow_packages(heavy: str) -> None:
    code = f"import sys, ultraviolet.cli.main; sys.exit({heavy!r} in sys.modules)"

    subprocess.run([sys.executable, "-c", code], check=True)


def test_idle_hub_does_not_import_unused_packages(tmp_path: Path) -> None:
    code = f"""
import sys, pathlib
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.server import serve
from ultraviolet.web.app import create_app
data = pathlib.Path({str(tmp_path)!r})
create_app(Hub.open(Settings(data, f"sqlite:///{{data / 'hub.db'}}", "http://hub.test")))
sys.exit(" ".join({{"alembic", "graphql", "pydantic", "typer"}} & sys.modules.keys()) or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_version_option_prints_the_version() -> None:
    assert run("--version").stdout.startswith("ultraviolet 0.")


def test_usage_error_exits_with_2() -> None:
    assert run("ion", "nonsense").returncode == 2


def test_watch_repeats_the_output(tmp_path: Path) -> None:
    settings = Settings(tmp_path, f"sqlite:///{tmp_path / 'hub.db'}", "http://hub.test")
    Hub.open(settings).close()
    command = [
        sys.executable,
        "-m",
        "ultraviolet",
        "status",
        "--watch",
        "--json",
        "--data",
        str(tmp_path),
    ]

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        seen = "".join(_read_two(watching.stdout))
        watching.send_signal(signal.SIGINT)
        watching.stdout.read()
        watching.wait(30)

    assert (2, 130) == (seen.count('"version"'), watching.returncode)


def _read_two(lines: Iterable[str]) -> Iterator[str]:
    found = 0
    for line in lines:
        yield line
        found += '"version"' in line
        if found == 2:
            return
