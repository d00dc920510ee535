"""The benchmarks keep working: each runs at a tiny size, loses nothing, and gives figures beside baselines."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parent.parent
BUDGETED = {
    "local-ion",
    "local-ion-changes",
    "local-ion-plant",
    "ingest",
    "apply",
    "visible",
    "fetch",
    "freshness",
    "ingest-during-fetch",
    "scale",
    "verify",
    "pages",
    "start",
}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280
    )


@pytest.mark.parametrize("name", sorted(BUDGETED))
def test_a_benchmark_gives_a_figure_and_a_verdict(name: str) -> None:
    done = bench(name, "--tiny", "--json")

    assert "expected" not in done.stderr
    (first, *_) = msgspec.json.decode(done.stdout)
    assert {"name", "store", "figure", "baseline", "ratio", "budget", "met"} <= first.keys()
    assert first["budget"]
    assert first["figure"]["least"] <= first["figure"]["median"] <= first["figure"]["most"]
    assert done.returncode in {0, 1}


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    done = bench("nothing")

    assert done.returncode == 2
    assert "local-ion" in done.stderr
