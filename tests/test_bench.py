"""The benchmarks keep working: each runs at a tiny size, loses nothing, and gives figures beside baselines."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parent.parent
DOCUMENTATION = ROOT / "docs" / "performance.md"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280
    )


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_gives_a_figure_and_a_verdict(name: str) -> None:
    done = bench(name, "--tiny", "--json")

    assert "failed" not in done.stderr
    figures = msgspec.json.decode(done.stdout)
    for each in figures:
        assert {"name", "store", "figure", "baseline", "ratio", "budget", "met"} <= each.keys()
        assert each["figure"]["least"] <= each["figure"]["median"] <= each["figure"]["most"]
    assert any(each["budget"] for each in figures)
    assert done.returncode in {0, 1}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_is_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCUMENTATION.read_text()


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    done = bench("nothing")

    assert done.returncode == 2
    assert "local-ion" in done.stderr


def test_one_store_can_be_chosen() -> None:
    done = bench("start", "--tiny", "--json", "--store", "sqlite")

    assert {"", "sqlite"} == {each["store"] for each in msgspec.json.decode(done.stdout)}


def test_a_benchmark_that_fails_is_named_and_the_others_go_on() -> None:
    done = bench("start", "apply", "--store", "sqlite", "--size", "0.01", "--repeats", "0")

    assert "failed: start, apply" in done.stderr
    assert done.returncode == 1
