"""The root of the command line: help, version, speed, errors."""

import subprocess
import sys

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ultraviolet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_the_processes() -> None:
    result = run("--help")

    assert result.returncode == 0
    assert "serve" in result.stdout
    assert "ion" in result.stdout


@pytest.mark.parametrize("heavy", ["aiohttp", "alembic", "cryptography", "graphql", "litestar", "sqlalchemy"])
def test_help_loads_nothing_that_is_slow_to_load(heavy: str) -> None:
    code = f"import sys, ultraviolet.cli.app; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_version() -> None:
    assert run("--version").stdout.startswith("ultraviolet 0.")


def test_usage_error_exits_with_2() -> None:
    assert run("ion", "nonsense").returncode == 2
