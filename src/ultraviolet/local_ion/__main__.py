"""Runs the local ION without the command line: `python -m ultraviolet.local_ion`.

It has the options of `ultraviolet ion serve`, except those that read from a hub. It starts faster,
and needs only the packages of the local ION.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ultraviolet.errors import UltravioletError
from ultraviolet.files import PRIVATE_UMASK
from ultraviolet.process import pause_garbage_collection, skip_import

if TYPE_CHECKING:
    from ultraviolet.local_ion.server import ServeOptions


def parse_options(arguments: Sequence[str]) -> "ServeOptions":
    """Return the options in arguments; print the usage and exit for invalid ones."""
    from ultraviolet.local_ion.server import ServeOptions

    parser = argparse.ArgumentParser("python -m ultraviolet.local_ion", allow_abbrev=False)
    for field in msgspec.structs.fields(ServeOptions):
        default = Path("local-ion-data") if field.required else field.default
        settings: dict[str, Any] = {"default": default, "help": f"Default: {default}."}
        if isinstance(default, bool):
            settings["action"] = argparse.BooleanOptionalAction
        elif isinstance(default, tuple):
            settings |= {"action": "append", "default": [], "help": "Repeatable."}
        else:
            settings["type"] = Path if default is None else type(default)
        parser.add_argument(f"--{field.name.replace('_', '-')}", **settings)
    return msgspec.convert(vars(parser.parse_args(arguments)), ServeOptions)


def main() -> None:
    """Run until SIGTERM or SIGINT; exit with the exit code of an error."""
    os.umask(PRIVATE_UMASK)
    pause_garbage_collection()  # before the imports, which create many objects
    # structlog would import rich to format exceptions, which takes a tenth of the start
    skip_import("rich")
    from ultraviolet import log_config
    from ultraviolet.local_ion.server import serve

    log_config.configure()
    try:
        serve(parse_options(sys.argv[1:]))
    except UltravioletError as error:
        sys.stderr.write(f"ultraviolet: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
