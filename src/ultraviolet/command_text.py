"""Commands in messages, quoted for a shell."""

import shlex
import shutil
import sys
from pathlib import Path

DEMO_LOCK = "demo.lock"
"""The lock file in the data folder of a demo."""


def command(name: str, *arguments: str, **options: str | bool) -> str:
    """Return a command of this program, such as `ultraviolet fetch run --mode full plant-1`.

    An option that is True is a flag. Options precede arguments; `--` separates them if an argument starts with a dash.
    """
    words = ["ultraviolet", *name.split()]
    for option, value in options.items():
        words.append(f"--{option.replace('_', '-')}")
        if isinstance(value, str):
            words.append(value)
    if any(argument.startswith("-") for argument in arguments):
        words.append("--")
    return shlex.join([*words, *arguments])


def start_command(data: Path) -> str:
    """Return the command that starts the hub of a data folder, with the local ION of a demo."""
    if data.name == "hub" and (data.parent / DEMO_LOCK).exists():
        return f"{program()} demo --data {shlex.quote(str(data.parent))}"
    return command("serve", data=str(data))


def program() -> str:
    """Return how to call this program: by name if it is on PATH, else as it was started."""
    on_path = shutil.which("ultraviolet")
    if on_path and Path(on_path).parent == Path(sys.executable).parent:
        return "ultraviolet"
    if Path(sys.argv[0]).name == "__main__.py":
        return shlex.join([sys.executable, "-m", "ultraviolet"])
    return shlex.quote(sys.argv[0])
