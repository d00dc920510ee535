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


CACHED_TESTS = """
MAKE = "mutation($v: String!) { createLabel(input: {value: $v}) { label { id } } }"
LABELS = "{ labels { edges { node { value } } } }"

def test_state_is_restored(local_ion):
    assert local_ion.execute(MAKE, v="new")

def test_plant_is_from_the_cache(local_ion):
    found = local_ion.execute(LABELS)["labels"]["edges"]
    assert found
    assert "new" not in [edge["node"]["value"] for edge in found]
    print("cached:", "--from-file" in local_ion.child.command)
"""


OTHER_PLUGINS = ("no:schemathesis", "no:faker", "no:hypothesispytest", "no:anyio", "no:xdist")
"""Plugins of the development environment, which take longer to import than a test runs."""


def run(
    folder: Path, text: str, *options: str, cache: str = "no:cacheprovider"
) -> subprocess.CompletedProcess[str]:
    """Run the tests of a project; pytest finds the plugin through its entry point."""
    (folder / "test_other.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\n")
    disabled = [word for plugin in [*OTHER_PLUGINS, cache] for word in ("-p", plugin)]
    command = [sys.executable, "-m", "pytest", "-q", *disabled, *options, "test_other.py"]
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
    text = """
import sys

def test_it():
    loaded = {name for name in sys.modules if name.partition(".")[0] == "ultraviolet"}
    package = "ultraviolet.testing"
    assert loaded == {"ultraviolet", package, f"{package}.pytest_plugin"}
    assert not {"msgspec", "httpx", "graphql", "litestar", "sqlalchemy"} & sys.modules.keys()
"""
    done = run(tmp_path, text)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_second_session_starts_with_the_cached_plant(tmp_path: Path) -> None:
    outputs = [run(tmp_path, CACHED_TESTS, "-s", cache="cacheprovider").stdout for _ in range(2)]

    assert ["cached: False" in outputs[0], "cached: True" in outputs[1]] == [True, True], outputs
    assert all("2 passed" in output for output in outputs), outputs
    assert len(list((tmp_path / ".pytest_cache").rglob("*.db"))) == 1


def test_documented_example_runs(tmp_path: Path) -> None:
    document = (Path(__file__).parents[1] / "docs" / "local-ion.md").read_text()
    _, _, rest = document.partition("<!-- a test runs this example -->\n\n```python\n")
    example, _, _ = rest.partition("\n```")
    done = run(tmp_path, example + "\n")
    assert " passed" in done.stdout, done.stdout + done.stderr
    assert 0 == done.returncode, done.stdout
