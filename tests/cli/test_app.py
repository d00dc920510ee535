"""The root of the command line: help, version, speed, errors."""

import subprocess
import sys
import time


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ultraviolet", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_names_the_processes() -> None:
    result = run("--help")

    assert result.returncode == 0
    assert "serve" in result.stdout
    assert "ion" in result.stdout


def test_help_is_quick() -> None:
    def once() -> float:
        began = time.perf_counter()
        run("--help")
        return time.perf_counter() - began

    # Other tests share the machine: the best of some runs is what the code costs.
    assert min(once() for _ in range(5)) < 0.3


def test_version() -> None:
    assert run("--version").stdout.startswith("ultraviolet 0.")


def test_usage_error_exits_with_2() -> None:
    assert run("ion", "nonsense").returncode == 2
