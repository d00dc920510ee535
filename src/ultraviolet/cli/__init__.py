"""The command line: the processes themselves, and nouns and verbs over the hub's API."""

from ultraviolet.cli import becoming
from ultraviolet.cli.ending import reported


def main() -> None:
    """Run a command; leave with the exit code of the kind of error."""
    with reported():
        if becoming.is_hub():
            becoming.run()
        else:
            from ultraviolet.cli.app import commands

            commands()()
