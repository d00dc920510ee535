"""Build the image and run it as Kubernetes does, with podman or docker; where neither can, do its steps without them.

Run by `make deploy-check`. BUILD_OPTIONS is what a build has to be told to reach a package index, such as a `--volume`.
Nothing is left behind.
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
    """Podman or docker, whose command lines are the same for what is done here."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.options = [*HARDENED, "--read-only-tmpfs=false"] if program == "podman" else HARDENED

    def tries(self, *arguments: str) -> bool:
        """Tell whether this works here."""
        return not subprocess.run(
            [self.program, *arguments], check=False, capture_output=True
        ).returncode

    def does(self, *arguments: str) -> str:
        """Do it, and give what it said."""
        return subprocess.check_output([self.program, *arguments], cwd=HOME, text=True).strip()

    def comes_to(self, *arguments: str) -> None:
        """Try again for a minute, until it works."""
        until = time.monotonic() + 60
        while not self.tries(*arguments):
            time.sleep(0.5)
            assert time.monotonic() < until, arguments

    def starts(self, name: str, *arguments: str) -> None:
        """Start a container of the image, with a volume of the same name."""
        self.does(
            "run", "--detach", f"--name={name}", f"--volume={name}:/data", *self.options, *arguments
        )

    def ends(self, name: str) -> None:
        """Ask it to end, which it does in order, and in the ten seconds that both tools give it if nothing else is said."""
        self.does("stop", name)
        assert self.does("inspect", "--format={{.State.ExitCode}}", name) == "0", name


def found() -> Tool | None:
    """Find a tool that has the base image, or gets it."""
    given = os.environ.get("BUILD_OPTIONS", "") + (HOME / "Dockerfile").read_text()
    base = re.findall(r"\bBASE=(\S+)", given)[0]
    tools = (Tool(program) for program in ("podman", "docker") if shutil.which(program))
    have = (one for one in tools if one.tries("image", "inspect", base) or one.tries("pull", base))
    return next(have, None)


def check(tool: Tool) -> None:
    """Build, start, connect, stop, and start again."""
    last = dict(image.instructions()[-1])
    health = ("exec", NAME, *json.loads(last["HEALTHCHECK"].partition("CMD ")[2]))
    suppliers = (*ULTRAVIOLET, "object", "list", "suppliers", "--json")
    say("| step | took |\n| --- | --- |")
    with step(f"{tool.program} build"):
        tool.does(
            "build",
            "--quiet",
            f"--tag={NAME}",
            *shlex.split(os.environ.get("BUILD_OPTIONS", "")),
            ".",
        )
    with step("start, until it is well"):
        address = "--env=ULTRAVIOLET_PUBLIC_URL=http://127.0.0.1:8000"
        tool.starts(NAME, "--publish=127.0.0.1::8000", address, NAME)
        tool.comes_to(*health)
        port = tool.does("port", NAME, "8000").rpartition(":")[2]
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
    with step("look at what it may do"):
        assert not tool.tries("exec", NAME, "sh", "-c", "touch /tmp/x || touch /opt/x || touch ~/x")
        status = tool.does("exec", NAME, "cat", "/proc/1/status")
        may = dict(re.findall(r"^(Uid|CapBnd|NoNewPrivs):\s+(\w+)", status, re.MULTILINE))
        assert may == {"Uid": last["USER"], "CapBnd": "0" * 16, "NoNewPrivs": "1"}, may
    with step("connect a busy local ION of the same image, and prove the mirror"):
        command = ("ion", "serve", "--data=/data/ion", "--changes-per-second=1")
        tool.starts(ION, f"--network=container:{NAME}", *ION_KEY, NAME, *command)
        tool.does(
            *ULTRAVIOLET, "integration", "add", "plant", "--environment=local", "--client-id=check"
        )
        for words in ("setup apply plant", "verify plant", "doctor"):
            tool.comes_to(*ULTRAVIOLET, *words.split())
    with step("SIGTERM to both, until they have ended in order"):
        tool.ends(ION)
        known = tool.does(*suppliers)
        tool.ends(NAME)
    with step("start again, and find what was there"):
        tool.does("start", NAME)
        tool.comes_to(*health)
        assert tool.does(*suppliers) == known
        tool.ends(NAME)
    size = tool.does("image", "inspect", "--format={{.Size}}", NAME)
    say(f"\nThe image has {int(size) / 1e6:.0f} MB, its base included.")


def main() -> None:
    """Do as much as can be done here."""
    os.environ["BUILDAH_FORMAT"] = "docker"  # else podman leaves HEALTHCHECK out of an image
    tool = found()
    if tool is None:
        say(
            "Neither podman nor docker has or gets the base image here: its steps are done without.\n"
        )
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
            tool.tries(*words.split())


if __name__ == "__main__":
    main()
