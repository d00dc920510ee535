"""Each benchmark runs at a tiny size without loss, and returns figures with baselines."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from bench.__main__ import BENCHMARKS

ROOT = Path(__file__).parent.parent
TOGETHER = (
    ("postgresql", ("ingest", "ingest-processes", "apply")),
    ("postgresql", ("fetch", "growth", "pages")),
    ("sqlite", ("local-ion", "local-ion-changes", "local-ion-plant", "local-ion-fixture", "start")),
    ("sqlite", ("ingest-during-fetch", "visible", "verify")),
    ("sqlite", ("freshness", "memory", "scale")),
)
"""Each benchmark runs here on one database; on the other it is the same program.

Several run in one process, as they do for the documented figures, because a process with a
PostgreSQL server takes longer to start than most of them take.
"""
DOCUMENTATION = ROOT / "docs" / "performance.md"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280
    )


def test_every_benchmark_runs() -> None:
    assert sorted(name for _, names in TOGETHER for name in names) == sorted(BENCHMARKS)


@pytest.mark.parametrize(("store", "names"), TOGETHER)
def test_benchmarks_return_figures_with_budgets_of_one_database(
    store: str, names: tuple[str, ...]
) -> None:
    done = bench(*names, "--tiny", "--json", "--store", store)

    assert "failed" not in done.stderr
    assert "Traceback" not in done.stderr
    figures = msgspec.json.decode(done.stdout)
    for each in figures:
        assert {"name", "store", "figure", "baseline", "ratio", "budget", "met"} <= each.keys()
        assert each["figure"]["least"] <= each["figure"]["median"] <= each["figure"]["most"]
        assert each["store"] in {"", store}
    for name in names:
        assert any(each["budget"] for each in figures if each["name"].split(":")[0] == name), name
    assert done.returncode in {0, 1}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_benchmark_is_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCUMENTATION.read_text()


def test_unknown_name_is_refused_with_known_names() -> None:
    done = bench("nothing")

    assert done.returncode == 2
    assert "local-ion" in done.stderr


def test_failed_benchmark_is_named_and_others_continue() -> None:
    done = bench("start", "apply", "--store", "sqlite", "--size", "0.01", "--repeats", "0")

    assert "failed: start, apply" in done.stderr
    assert done.returncode == 1
