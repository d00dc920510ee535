"""Each benchmark runs at a tiny size without loss, and returns figures with baselines."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parent.parent
ON_POSTGRESQL = {"ingest", "ingest-processes", "apply", "fetch", "growth", "pages"}
"""Each benchmark runs here on one database; on the other it is the same program."""
DOCUMENTATION = ROOT / "docs" / "performance.md"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280
    )


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_returns_figures_with_budgets(name: str) -> None:
    store = "postgresql" if name in ON_POSTGRESQL else "sqlite"
    done = bench(name, "--tiny", "--json", "--store", store)

    assert "failed" not in done.stderr
    figures = msgspec.json.decode(done.stdout)
    for each in figures:
        assert {"name", "store", "figure", "baseline", "ratio", "budget", "met"} <= each.keys()
        assert each["figure"]["least"] <= each["figure"]["median"] <= each["figure"]["most"]
    assert any(each["budget"] for each in figures)
    assert done.returncode in {0, 1}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_is_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCUMENTATION.read_text()


def test_unknown_name_is_refused_with_known_names() -> None:
    done = bench("nothing")

    assert done.returncode == 2
    assert "local-ion" in done.stderr


def test_one_database_can_be_selected() -> None:
    done = bench("start", "--tiny", "--json", "--store", "sqlite")

    assert {"", "sqlite"} == {each["store"] for each in msgspec.json.decode(done.stdout)}


def test_failed_benchmark_is_named_and_others_continue() -> None:
    done = bench("start", "apply", "--store", "sqlite", "--size", "0.01", "--repeats", "0")

    assert "failed: start, apply" in done.stderr
    assert done.returncode == 1
