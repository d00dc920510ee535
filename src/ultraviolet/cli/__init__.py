"""The command line: the processes themselves, and nouns and verbs over the hub's API."""

import os

from ultraviolet.cli import becoming
from ultraviolet.cli.ending import reported, write_any_text
from ultraviolet.folders import PRIVATE_UMASK


def main() -> None:
    """Run a command; leave with the exit code of the kind of error."""
    os.umask(PRIVATE_UMASK)
    write_any_text()
    with reported():
        if becoming.is_hub():
            becoming.run()
        else:
            from ultraviolet.cli.app import commands

            commands()()
