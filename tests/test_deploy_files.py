"""The files to deploy from are what their tools understand, and start what there is."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from typer.testing import CliRunner

from ultraviolet.cli.app import app
from ultraviolet.cli.config import SETTINGS

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
NAMES = {one.name for one in SETTINGS} | {f"{one.name}_FILE" for one in SETTINGS if one.secret}


def understood(arguments: list[str]) -> bool:
    """Whether the command line knows these options; with --help behind them it does nothing."""
    return CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


def settings(text: str) -> set[str]:
    return set(re.findall(r"ULTRAVIOLET_\w+", text))


@pytest.mark.filterwarnings("ignore")  # the validator uses what its own libraries have deprecated
def test_kubernetes_understands_its_objects() -> None:
    objects = list(yaml.safe_load_all((DEPLOY / "kubernetes/hub.yaml").read_text()))
    for one in objects:
        kubernetes_validate.validate(one, kubernetes_validate.latest_version(), strict=True)
    pods = [one["spec"]["template"]["spec"] for one in objects if one["kind"] == "Deployment"]
    assert len(pods) == 2
    for container in (container for pod in pods for container in pod["containers"]):
        assert understood(container["args"])
        assert {container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")} == {
            "/readyz",
            "/livez",
        }


def test_compose_starts_what_there_is() -> None:
    file = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert understood(file["services"]["hub"]["command"])
    assert set(file["services"]["hub"]["environment"]) <= NAMES
    assert file["services"]["hub"]["depends_on"].keys() <= file["services"].keys()
    named = {volume.split(":")[0] for one in file["services"].values() for volume in one.get("volumes", [])}
    assert named == file["volumes"].keys()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_its_units(tmp_path: Path) -> None:
    for name in ("ultraviolet.service", "ultraviolet.socket"):
        there = (DEPLOY / name).read_text().replace("/opt/ultraviolet/bin/ultraviolet", "/bin/true")
        (tmp_path / name).write_text(there)
    units = [tmp_path / "ultraviolet.service", tmp_path / "ultraviolet.socket"]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_service_starts_what_there_is() -> None:
    [command] = re.findall(
        r"^ExecStart=\S+ (.*)$", (DEPLOY / "ultraviolet.service").read_text(), re.MULTILINE
    )
    assert understood(command.split())


def test_every_setting_named_in_them_exists() -> None:
    files = [ROOT / "Dockerfile", *(path for path in DEPLOY.rglob("*") if path.is_file())]
    assert {name for path in files for name in settings(path.read_text())} - NAMES == set()


def test_the_image_starts_what_there_is() -> None:
    text = (ROOT / "Dockerfile").read_text()
    command = json.loads(re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)[-1])
    assert understood(command)
    copied = [
        name for line in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE) for name in line.split()
    ]
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    [user] = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert user.isdecimal()  # the kubelet does not know whether a name is root
    assert f"--uid {user}" in text
    pods = (DEPLOY / "kubernetes/hub.yaml").read_text()
    assert pods.count("runAsNonRoot") == pods.count(f"runAsUser: {user}") == 2
