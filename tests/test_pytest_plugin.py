"""The fixture `local_ion` in another project: an installed plugin without configuration."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT_TESTS = '''
"""Tests of another project."""

import json
import urllib.request

import pytest

MAKE = "mutation($i: CreateSupplierInput!) { createSupplier(input: $i) { supplier { id } } }"
COUNT = "{ suppliers { pageInfo { totalCount } } }"


@pytest.fixture(scope="session")
def local_ion_options():
    return ["--no-plant", "--token-lifetime", "77"]


def count(local_ion):
    return local_ion.execute(COUNT)["suppliers"]["pageInfo"]["totalCount"]


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_starts_with_the_initial_state(local_ion, turn):
    assert count(local_ion) == 0
    local_ion.execute(MAKE, i={"name": "Bolts"})
    assert count(local_ion) == 1


def test_restore_returns_to_the_snapshot(local_ion):
    local_ion.execute(MAKE, i={"name": "Bolts"})
    local_ion.snapshot("one")
    local_ion.execute(MAKE, i={"name": "Nuts"})
    local_ion.restore("one")
    assert count(local_ion) == 1
    local_ion.reset(empty=True)
    assert count(local_ion) == 0


def test_fault_is_set(local_ion):
    local_ion.faults.set("error", status=503, count=1, only="/graphql")
    with pytest.raises(Exception, match="503"):
        local_ion.execute(COUNT)
    assert count(local_ion) == 0
    assert local_ion.faults.triggered("error") == 1


def test_faults_are_cleared_between_tests(local_ion):
    assert local_ion.faults.listed() == []


def test_any_client_can_connect(local_ion):
    form = f"grant_type=client_credentials&client_id={local_ion.client_id}"
    form += f"&client_secret={local_ion.client_secret}"
    address = local_ion.url + "/realms/api-keys/protocol/openid-connect/token"
    with urllib.request.urlopen(address, form.encode()) as answer:
        assert json.load(answer)["expires_in"] == 77
'''


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a project; pytest finds the plugin through its entry point."""
    (folder / "test_other.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_other.py"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "ION_"))}
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=environment,
    )


def test_fixture_works_in_another_project(tmp_path: Path) -> None:
    done = run(tmp_path, PROJECT_TESTS)
    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_unused_plugin_does_not_import_the_package(tmp_path: Path) -> None:
    text = "import sys\n\n\ndef test_it():\n    assert 'ultraviolet.testing.local_ion_process' not in sys.modules\n"
    done = run(tmp_path, text)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_documented_example_runs(tmp_path: Path) -> None:
    document = (Path(__file__).parents[1] / "docs" / "local-ion.md").read_text()
    _, _, rest = document.partition("<!-- a test runs this example -->\n\n```python\n")
    example, _, _ = rest.partition("\n```")
    done = run(tmp_path, example + "\n")
    assert " passed" in done.stdout, done.stdout + done.stderr
    assert 0 == done.returncode, done.stdout
