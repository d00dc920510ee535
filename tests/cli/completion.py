"""Completion of a command line, as a shell asks for it."""

import subprocess
import sys
from pathlib import Path


def complete(typed: str, config: Path) -> list[str]:
    """Return the completions of the last word, for a user with this configuration directory."""
    words = typed.split()
    code = "from ultraviolet.cli.main import commands; commands()(prog_name='ultraviolet')"
    environment = {
        "_ULTRAVIOLET_COMPLETE": "complete_bash",
        "COMP_WORDS": f"ultraviolet {typed}",
        "COMP_CWORD": str(len(words)),
        "XDG_CONFIG_HOME": str(config),
        "PATH": "/usr/bin",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    return sorted(done.stdout.split())
