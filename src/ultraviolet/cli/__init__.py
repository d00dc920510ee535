"""The command line: the processes themselves, and nouns and verbs over the hub's API."""

import os

from ultraviolet.cli.support.exit import exit_on_error, write_any_text
from ultraviolet.files import PRIVATE_UMASK
from ultraviolet.server import reexec


def main() -> None:
    """Run a command; leave with the exit code of the kind of error."""
    os.umask(PRIVATE_UMASK)
    write_any_text()
    with exit_on_error():
        if reexec.is_hub():
            reexec.run()
        else:
            from ultraviolet.cli.main import commands

            commands()()
