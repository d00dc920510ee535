"""The GraphQL-over-HTTP audit of the npm package graphql-http, run against the local ION."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.testing import LocalIonProcess

AUDIT = Path(__file__).parent / "audit"
DOCS = Path(__file__).parents[3] / "docs" / "local-ion.md"


@pytest.fixture(scope="module")
def findings(
    local_ion_process: LocalIonProcess, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """The result of each point of the audit."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed; the audit is a package of npm")
    local_ion_process.faults.clear()
    folder = tmp_path_factory.mktemp("audit")
    for file in AUDIT.iterdir():
        shutil.copy(file, folder)
    install = ["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"]
    installed = subprocess.run(
        install, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert installed.returncode == 0, installed.stderr
    command = ["node", "audit.mjs", f"{local_ion_process.url}/graphql", local_ion_process.token()]
    run = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def missed(findings: list[dict[str, Any]], word: str) -> dict[str, str]:
    return {
        f["id"]: f["name"] for f in findings if f["name"].startswith(word) and f["status"] != "ok"
    }


def test_audit_passes_every_must(findings: list[dict[str, Any]]) -> None:
    assert sum(f["name"].startswith("MUST") for f in findings) > 10
    assert missed(findings, "MUST") == {}


def test_audit_passes_every_should_except_those_ion_fails(findings: list[dict[str, Any]]) -> None:
    documented = DOCS.read_text()
    undocumented = {
        i: name for i, name in missed(findings, "SHOULD").items() if f"`{i}`" not in documented
    }
    assert undocumented == {}


def test_audit_passes_every_may_except_documented_ones(
    findings: list[dict[str, Any]],
) -> None:
    documented = DOCS.read_text()
    assert {
        i: name for i, name in missed(findings, "MAY").items() if f"`{i}`" not in documented
    } == {}
