"""Do what the Dockerfile says without Docker, as far as a machine can, and start and stop what it made.

Run by `make deploy-check` where neither podman nor docker can (`tests/container.py`). Every path is moved under a folder of its own. A virtual environment of this Python stands for
the base image; the steps of the last stage, which need the base image and root, are printed and not done; who runs it is
whoever runs this, so instead of being forbidden, writing outside the volume is looked for.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

HOME = Path(__file__).parent.parent
Instruction = tuple[str, str]


def instructions() -> list[list[Instruction]]:
    """Give what the Dockerfile says, by stage."""
    stages: list[list[Instruction]] = []
    text = re.sub(r"^#.*\n", "", (HOME / "Dockerfile").read_text(), flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        name, _, value = line.partition(" ")
        if name == "FROM":
            stages.append([])
        elif (
            name and stages
        ):  # what comes before the first stage is an argument that names the base image
            stages[-1].append((name, value))
    return stages


def copied(stage: list[Instruction]) -> list[str]:
    """Give what a stage copies from the context."""
    of_each = [
        value.split()[:-1] for name, value in stage if name == "COPY" and "--from" not in value
    ]
    return [name for names in of_each for name in names]


def is_ignored(path: PurePath) -> bool:
    """Tell whether .dockerignore keeps it out: the last pattern that fits it, or a folder it is in, decides."""
    out = False
    for line in (HOME / ".dockerignore").read_text().splitlines():
        pattern = (
            re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        )
        if any(re.fullmatch(pattern, one.as_posix()) for one in (path, *path.parents)):
            out = not line.startswith("!")
    return out


def in_context(name: str) -> Iterator[PurePath]:
    """Give the files of the context that one name in a COPY stands for."""
    place = HOME / name
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file() and not is_ignored(path.relative_to(HOME)):
            yield path.relative_to(HOME)


class Machine:
    """What stands for the container, while it is built and when it runs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root
        self.environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ULTRAVIOLET", "PYTHON"))
        }
        self.environment |= {"PATH": f"{root}/usr/local/bin:{os.environ['PATH']}", "PIP_QUIET": "1"}
        self.run([sys.executable, "-m", "venv", f"{root}/usr/local"])

    def moved(self, text: str) -> str:
        """Move every absolute path in it under the root; addresses are left alone."""
        return re.sub(r"(?<![\w/.:-])/(?=\w)", f"{self.root}/", text)

    def run(self, command: list[str]) -> None:
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True)

    def do(self, name: str, value: str) -> None:
        """Follow one instruction of the stage that builds."""
        match name:
            case "WORKDIR":
                self.folder = Path(self.moved(value))
                self.folder.mkdir(parents=True)
            case "COPY":
                *names, target = value.split()
                for one in names:
                    for path in in_context(one):
                        to = (
                            self.folder
                            / target
                            / (path if target == "./" else path.relative_to(one))
                        )
                        to.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(HOME / path, to)
            case "RUN":
                self.run(["sh", "-c", self.moved(value)])
            case _:
                raise SystemExit(f"What {name} is to do here is not known: {value}")

    def found(self, command: list[str]) -> list[str]:
        """Find a program where the image's PATH says."""
        path = shutil.which(command[0], path=self.environment["PATH"])
        assert path, command[0]
        return [path, *command[1:]]

    def files(self, but: Path) -> dict[Path, float]:
        """Give all that is there, with when it was written."""
        found = (path for path in self.root.rglob("*") if not path.is_relative_to(but))
        return {path: path.lstat().st_mtime for path in found}


def main() -> None:
    """Build, start, ask, stop."""
    building, last = instructions()
    with tempfile.TemporaryDirectory() as place:
        say("| step | took |\n| --- | --- |")
        with step("a virtual environment for the base image"):
            machine = Machine(Path(place))
        for name, value in building:
            with step(f"{name} {value}"):
                machine.do(name, value)
        start(machine, last)


def start(machine: Machine, stage: list[Instruction]) -> None:
    """Start what was built as the last stage says, ask whether it is well, and stop it."""
    said = dict(stage)
    from_build = re.fullmatch(r"--from=build (\S+) (\S+)", said["COPY"])
    assert from_build, said["COPY"]
    assert from_build[1] == from_build[2], "its scripts name the place they were installed in"
    installed = Path(machine.moved(from_build[2]))
    data = Path(machine.moved(said["VOLUME"]))
    data.mkdir()
    for name, value in (word.split("=", 1) for word in said["ENV"].split()):
        machine.environment[name] = machine.moved(value).replace(
            "$PATH", machine.environment["PATH"]
        )
    port = str(free_port())
    command: list[str] = [*json.loads(said["ENTRYPOINT"]), *json.loads(said["CMD"])]
    command = [port if word == said["EXPOSE"] else word for word in command]
    health: list[str] = json.loads(
        said["HEALTHCHECK"].partition("CMD ")[2].replace(said["EXPOSE"], port)
    )
    before = machine.files(but=data)
    with step(" ".join(command) + ", until it is well"):
        hub = subprocess.Popen(machine.found(command), cwd=machine.root, env=machine.environment)
        ask(health, machine, hub)
    with step("SIGTERM, until it has ended in order"):
        hub.send_signal(signal.SIGTERM)
        assert hub.wait(10) == 0
    written = {path for path, at in machine.files(but=data).items() if before.get(path) != at}
    assert not written, f"written outside {said['VOLUME']}: {written}"
    packages = len(list(installed.glob("lib/python*/site-packages/*.dist-info")))
    size = sum(path.lstat().st_size for path in installed.rglob("*") if path.is_file())
    say(
        f"\n{said['VOLUME']} is all it wrote to. {packages} packages, {size / 1e6:.0f} MB in {from_build[2]}."
    )
    say(f"Not done here: the base image, USER {said['USER']}, and RUN {said['RUN']}")


def ask(health: list[str], machine: Machine, hub: subprocess.Popen[bytes]) -> None:
    """Ask as Docker does, until it is well."""
    asked = machine.found(health)
    until = time.monotonic() + 60
    while hub.poll() is None and time.monotonic() < until:
        if not subprocess.run(
            asked, env=machine.environment, check=False, capture_output=True
        ).returncode:
            return
    hub.kill()
    raise SystemExit("It did not become well.")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return listening.getsockname()[1]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def step(what: str) -> Generator[None]:
    """Say of a step how long it took, when it ends."""
    began = time.monotonic()
    yield
    say(f"| `{what}` | {time.monotonic() - began:.1f} s |")


if __name__ == "__main__":
    main()
