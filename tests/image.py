"""Execute the steps of the Dockerfile without a container, and start and stop the result.

`make deploy-check` runs this without podman and docker (`tests/container.py`). Every path is moved into
a temporary directory, and a virtual environment replaces the base image. The steps of the last stage need
the base image and root, so they are only printed. The process has the rights of the current user, so the
check searches for files written outside the volume.
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
    """Return the instructions of the Dockerfile by stage."""
    stages: list[list[Instruction]] = []
    text = re.sub(r"^#.*\n", "", (HOME / "Dockerfile").read_text(), flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        name, _, value = line.partition(" ")
        if name == "FROM":
            stages.append([])
        elif name and stages:  # the argument before the first stage names the base image
            stages[-1].append((name, value))
    return stages


def copied(stage: list[Instruction]) -> list[str]:
    """Return the names that a stage copies from the context."""
    of_each = [
        value.split()[:-1] for name, value in stage if name == "COPY" and "--from" not in value
    ]
    return [name for names in of_each for name in names]


def is_ignored(path: PurePath) -> bool:
    """Return whether .dockerignore excludes a path: the last pattern that matches it or a parent decides."""
    out = False
    for line in (HOME / ".dockerignore").read_text().splitlines():
        pattern = (
            re.escape(line.removeprefix("!")).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        )
        if any(re.fullmatch(pattern, one.as_posix()) for one in (path, *path.parents)):
            out = not line.startswith("!")
    return out


def in_context(name: str) -> Iterator[PurePath]:
    """Return the files of the context that a name in a COPY matches."""
    place = HOME / name
    for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if path.is_file() and not is_ignored(path.relative_to(HOME)):
            yield path.relative_to(HOME)


class Machine:
    """A directory that replaces the container during build and run."""

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
        """Move every absolute path of a text under the root, except in URLs."""
        return re.sub(r"(?<![\w/.:-])/(?=\w)", f"{self.root}/", text)

    def run(self, command: list[str]) -> None:
        subprocess.run(command, cwd=self.folder, env=self.environment, check=True)

    def do(self, name: str, value: str) -> None:
        """Execute one instruction of the build stage."""
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
                raise SystemExit(f"Unsupported instruction {name}: {value}")

    def found(self, command: list[str]) -> list[str]:
        """Return the path of a program in the image's PATH."""
        path = shutil.which(command[0], path=self.environment["PATH"])
        assert path, command[0]
        return [path, *command[1:]]

    def files(self, but: Path) -> dict[Path, float]:
        """Return all files with their modification times."""
        found = (path for path in self.root.rglob("*") if not path.is_relative_to(but))
        return {path: path.lstat().st_mtime for path in found}


def main() -> None:
    """Build, start, check and stop."""
    building, last = instructions()
    with tempfile.TemporaryDirectory() as place:
        say("| step | duration |\n| --- | --- |")
        with step("a virtual environment for the base image"):
            machine = Machine(Path(place))
        for name, value in building:
            with step(f"{name} {value}"):
                machine.do(name, value)
        start(machine, last)


def start(machine: Machine, stage: list[Instruction]) -> None:
    """Start the result by the last stage, run its health check, and stop it."""
    said = dict(stage)
    from_build = re.fullmatch(r"--from=build (\S+) (\S+)", said["COPY"])
    assert from_build, said["COPY"]
    assert from_build[1] == from_build[2], "its scripts contain the path of their installation"
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
        f"\n{said['VOLUME']} is the only directory with new files. {packages} packages, {size / 1e6:.0f} MB in {from_build[2]}."
    )
    say(f"Not checked: the base image, USER {said['USER']}, and RUN {said['RUN']}")


def ask(health: list[str], machine: Machine, hub: subprocess.Popen[bytes]) -> None:
    """Repeat the health check as Docker does, until it succeeds."""
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
def step(title: str) -> Generator[None]:
    """Print the duration of a step at its end."""
    began = time.monotonic()
    yield
    say(f"| `{title}` | {time.monotonic() - began:.1f} s |")


if __name__ == "__main__":
    main()
