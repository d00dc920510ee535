"""The root of the command line: help, version, speed, errors."""

import resource
import subprocess
import sys


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
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    # Processor time, best of some: other tests share the machine, and only this is what the code costs.
    assert min(once() for _ in range(5)) < 0.3


def test_version() -> None:
    assert run("--version").stdout.startswith("ultraviolet 0.")


def test_usage_error_exits_with_2() -> None:
    assert run("ion", "nonsense").returncode == 2
