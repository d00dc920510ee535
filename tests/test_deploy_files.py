"""The deployment files are valid, and match the command line, settings and dependencies."""

import json
import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path, PurePath

import kubernetes_validate
import pytest
import yaml
from tests import image
from typer.testing import CliRunner

from ultraviolet.cli.commands.config import SETTINGS
from ultraviolet.cli.main import app
from ultraviolet.http_protocol import MAX_OPEN_FILES
from ultraviolet.server.serve import DATABASE_TIMEOUT_SECONDS

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
NAMES = {one.name for one in SETTINGS} | {f"{one.name}_FILE" for one in SETTINGS if one.secret}

PINNED = re.compile(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}")


def is_valid_command(arguments: list[str]) -> bool:
    """Return whether the command line accepts these arguments."""
    return CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


def settings(text: str) -> set[str]:
    return set(re.findall(r"ULTRAVIOLET_\w+", text))


@pytest.mark.filterwarnings("ignore")  # the validator uses deprecated functions of its libraries
def test_kubernetes_objects_are_valid() -> None:
    objects = list(yaml.safe_load_all((DEPLOY / "kubernetes/hub.yaml").read_text()))
    for one in objects:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    assert len(pods) == 2
    for container in (container for pod in pods for container in pod["containers"]):
        assert is_valid_command(container["args"])
        assert {
            container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")
        } == {
            "/readyz",
            "/livez",
        }
        start = container["startupProbe"]
        assert start["httpGet"]["path"] == "/livez"
        assert start["periodSeconds"] * start["failureThreshold"] > DATABASE_TIMEOUT_SECONDS


def test_compose_file_matches_command_line_and_settings() -> None:
    file = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert is_valid_command(file["services"]["hub"]["command"])
    assert set(file["services"]["hub"]["environment"]) <= NAMES
    assert file["services"]["hub"]["depends_on"].keys() <= file["services"].keys()
    named = {
        volume.split(":")[0]
        for one in file["services"].values()
        for volume in one.get("volumes", [])
    }
    assert named == file["volumes"].keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="requires systemd")
def test_systemd_units_are_valid(tmp_path: Path) -> None:
    for name in ("ultraviolet.service", "ultraviolet.socket"):
        there = (DEPLOY / name).read_text().replace("/opt/ultraviolet/bin/ultraviolet", "/bin/true")
        (tmp_path / name).write_text(there)
    units = [tmp_path / "ultraviolet.service", tmp_path / "ultraviolet.socket"]
    done = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_service_command_is_valid() -> None:
    [command] = re.findall(
        r"^ExecStart=\S+ (.*)$", (DEPLOY / "ultraviolet.service").read_text(), re.MULTILINE
    )
    assert is_valid_command(command.split())


def test_base_images_are_pinned_by_digest() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    [base] = re.findall(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)
    assert {"${BASE}"} == set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE))
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    images = [base, *(one["image"] for one in compose.values() if "build" not in one)]
    assert len(images) == 2
    for name in images:
        assert PINNED.fullmatch(name), name
    # The image of the hub has a digest only after its build.
    named = re.findall(
        r"^ +image: (\S+)$", (DEPLOY / "kubernetes/hub.yaml").read_text(), re.MULTILINE
    )
    assert 2 == len(named)
    assert all("@sha256:CHANGE-" in name for name in named)


def test_memory_and_open_files_are_limited() -> None:
    service = dict(
        re.findall(r"^(\w+)=(.*)$", (DEPLOY / "ultraviolet.service").read_text(), re.MULTILINE)
    )
    assert (str(MAX_OPEN_FILES), "0077") == (service["LimitNOFILE"], service["UMask"])
    assert re.fullmatch(r"\d+G", service["MemoryMax"])
    for name, one in yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"].items():
        assert MAX_OPEN_FILES == one["ulimits"]["nofile"], name
        assert re.fullmatch(r"\d+g", one["mem_limit"]), name
    objects = list(yaml.safe_load_all((DEPLOY / "kubernetes/hub.yaml").read_text()))
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    assert all(
        container["resources"]["limits"]["memory"]
        for pod in pods
        for container in pod["containers"]
    )


def test_data_directory_of_image_is_private() -> None:
    assert "install -d -m 0700 -o ultraviolet /data" in (ROOT / "Dockerfile").read_text()


def test_every_named_setting_exists() -> None:
    files = [ROOT / "Dockerfile", *(path for path in DEPLOY.rglob("*") if path.is_file())]
    assert {name for path in files for name in settings(path.read_text())} - NAMES == set()


def test_image_command_is_valid() -> None:
    text = (ROOT / "Dockerfile").read_text()
    command = json.loads(re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)[-1])
    assert is_valid_command(command)
    [user] = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert user.isdecimal()  # the kubelet cannot resolve user names
    assert f"--uid {user}" in text
    pods = (DEPLOY / "kubernetes/hub.yaml").read_text()
    assert pods.count("runAsNonRoot") == pods.count(f"runAsUser: {user}") == 2


def test_image_contains_only_files_that_its_build_needs() -> None:
    [building, _] = image.instructions()
    given = {path.as_posix() for name in image.copied(building) for path in image.in_context(name)}

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {
        "pyproject.toml",
        project["readme"],
        "LICENSE",
        "src/ultraviolet/ion/contract/inventory.graphql",
    } <= given
    assert [path for path in given if "__pycache__" in path] == []
    for secret in (
        ".git/config",
        "demo-data/hub/secret.key",
        "hub.db",
        "tests/image.py",
        "src/ultraviolet/__pycache__/x",
    ):
        assert image.is_ignored(PurePath(secret)), secret


def pins(name: str) -> dict[str, str]:
    """Return the version and hashes of each package of a lock file."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    return dict(line.split("==", 1) for line in text.replace("\\\n", "").splitlines())


def test_image_installs_tested_versions_of_runtime_dependencies() -> None:
    tested, run, build = (pins(f"requirements{lock}.lock") for lock in ("", "-run", "-build"))
    assert run.items() <= tested.items()
    assert build.items() <= tested.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [
        *project["dependencies"],
        *chain.from_iterable(project["optional-dependencies"].values()),
    ]
    assert {re.split(r"[^\w-]", one)[0] for one in needed} <= run.keys()
    assert {"pytest", "playwright", "hatchling"} & run.keys() == set()
