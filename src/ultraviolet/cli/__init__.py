"""The command line: run the hub and the local ION, and call the hub's API."""

import os

from ultraviolet.cli.support.exit import exit_on_error, replace_unencodable_output
from ultraviolet.files import PRIVATE_UMASK
from ultraviolet.process import collect_garbage_rarely, pause_garbage_collection, skip_import
from ultraviolet.server import reexec


def main() -> None:
    """Run a command; exit with the exit code of its error."""
    os.umask(PRIVATE_UMASK)
    replace_unencodable_output()
    with exit_on_error():
        if reexec.is_hub():
            pause_garbage_collection()
            # structlog would import rich to format exceptions, which takes a twentieth of the start
            skip_import("rich")
            reexec.run()
        else:
            collect_garbage_rarely()
            # httpx would import its own command line with rich and pygments, which takes longer
            # than everything else that a command does.
            skip_import("httpx._main")
            from ultraviolet.cli.main import commands

            commands()()
