"""The command line: the processes themselves, and nouns and verbs over the hub's API."""

from ultraviolet.cli import becoming
from ultraviolet.cli.ending import reported, write_any_text


def main() -> None:
    """Run a command; leave with the exit code of the kind of error."""
    write_any_text()
    with reported():
        if becoming.is_hub():
            becoming.run()
        else:
            from ultraviolet.cli.app import commands

            commands()()
