"""Build the image and run it as in Kubernetes with podman or docker, or execute its steps without them.

`make deploy-check` runs this. BUILD_OPTIONS contains options of the build, such as a `--volume`, to reach a
package index. All containers, volumes and images are removed in the end.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import time
import urllib.request

from tests import image
from tests.image import HOME, say, step

NAME = f"ultraviolet-check-{os.getpid()}"
ION = f"{NAME}-ion"
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
ION_KEY = ("--env=ION_CLIENT_ID=check", "--env=ION_CLIENT_SECRET=only-for-this-check")
ULTRAVIOLET = ("exec", *ION_KEY, NAME, "ultraviolet")


class Tool:
    """Podman or docker, with the common part of their command lines."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.options = [*HARDENED, "--read-only-tmpfs=false"] if program == "podman" else HARDENED

    def succeeds(self, *arguments: str) -> bool:
        """Return whether a command succeeds."""
        return not subprocess.run(
            [self.program, *arguments], check=False, capture_output=True
        ).returncode

    def run(self, *arguments: str) -> str:
        """Run a command and return its output."""
        return subprocess.check_output([self.program, *arguments], cwd=HOME, text=True).strip()

    def wait_for(self, *arguments: str) -> None:
        """Repeat a command until it succeeds, for a minute at most."""
        until = time.monotonic() + 60
        while not self.succeeds(*arguments):
            time.sleep(0.5)
            assert time.monotonic() < until, arguments

    def start(self, name: str, *arguments: str) -> None:
        """Start a container of the image, with a volume of the same name."""
        self.run(
            "run", "--detach", f"--name={name}", f"--volume={name}:/data", *self.options, *arguments
        )

    def stop(self, name: str) -> None:
        """Stop a container; check that it ends in order within the default ten seconds."""
        self.run("stop", name)
        assert self.run("inspect", "--format={{.State.ExitCode}}", name) == "0", name


def find_tool() -> Tool | None:
    """Return a tool that has or can pull the base image, or None."""
    given = os.environ.get("BUILD_OPTIONS", "") + (HOME / "Dockerfile").read_text()
    base = re.findall(r"\bBASE=(\S+)", given)[0]
    tools = (Tool(program) for program in ("podman", "docker") if shutil.which(program))
    have = (
        one for one in tools if one.succeeds("image", "inspect", base) or one.succeeds("pull", base)
    )
    return next(have, None)


def check(tool: Tool) -> None:
    """Build, start, connect, stop and restart the image."""
    last = dict(image.instructions()[-1])
    health = ("exec", NAME, *json.loads(last["HEALTHCHECK"].partition("CMD ")[2]))
    suppliers = (*ULTRAVIOLET, "object", "list", "suppliers", "--json")
    say("| step | duration |\n| --- | --- |")
    with step(f"{tool.program} build"):
        tool.run(
            "build",
            "--quiet",
            f"--tag={NAME}",
            *shlex.split(os.environ.get("BUILD_OPTIONS", "")),
            ".",
        )
    with step("start, until the health check succeeds"):
        address = "--env=ULTRAVIOLET_PUBLIC_URL=http://127.0.0.1:8000"
        tool.start(NAME, "--publish=127.0.0.1::8000", address, NAME)
        tool.wait_for(*health)
        port = tool.run("port", NAME, "8000").rpartition(":")[2]
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
    with step("check the permissions of the process"):
        assert not tool.succeeds(
            "exec", NAME, "sh", "-c", "touch /tmp/x || touch /opt/x || touch ~/x"
        )
        status = tool.run("exec", NAME, "cat", "/proc/1/status")
        may = dict(re.findall(r"^(Uid|CapBnd|NoNewPrivs):\s+(\w+)", status, re.MULTILINE))
        assert may == {"Uid": last["USER"], "CapBnd": "0" * 16, "NoNewPrivs": "1"}, may
    with step("connect a busy local ION of the same image, and verify the mirror"):
        command = ("ion", "serve", "--data=/data/ion", "--changes-per-second=1")
        tool.start(ION, f"--network=container:{NAME}", *ION_KEY, NAME, *command)
        tool.wait_for(
            *ULTRAVIOLET, "integration", "add", "plant", "--environment=local", "--client-id=check"
        )
        for words in ("setup apply plant", "verify plant", "doctor"):
            tool.wait_for(*ULTRAVIOLET, *words.split())
    with step("SIGTERM to both, until they have ended in order"):
        tool.stop(ION)
        known = tool.run(*suppliers)
        tool.stop(NAME)
    with step("restart, and compare the data"):
        tool.run("start", NAME)
        tool.wait_for(*health)
        assert tool.run(*suppliers) == known
        tool.stop(NAME)
    size = tool.run("image", "inspect", "--format={{.Size}}", NAME)
    say(f"\nThe image has {int(size) / 1e6:.0f} MB, including its base.")


def main() -> None:
    """Check the image with a container tool, or without."""
    os.environ["BUILDAH_FORMAT"] = "docker"  # podman omits HEALTHCHECK from other formats
    tool = find_tool()
    if tool is None:
        say("Neither podman nor docker has the base image. The steps run without a container.\n")
        image.main()
        return
    try:
        check(tool)
    except (AssertionError, OSError, subprocess.CalledProcessError):
        for name in (NAME, ION):
            subprocess.run([tool.program, "logs", "--tail=30", name], check=False)
        raise
    finally:
        for words in (f"rm -f {ION}", f"rm -f {NAME}", f"volume rm {NAME} {ION}", f"rmi {NAME}"):
            tool.succeeds(*words.split())


if __name__ == "__main__":
    main()
