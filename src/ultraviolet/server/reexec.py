"""Becomes the hub: the process begins anew once its command line is read, without the libraries that read it.

Typer and pydantic would take 14 MB for as long as the hub runs, to read a handful of options once.
"""

import json
import os
import sys
from typing import Any, NoReturn

from ultraviolet.process import reexec

_OPTIONS_VARIABLE = "ULTRAVIOLET_SERVE_OPTIONS"
"""Hands the options over, with the number of the process that is to take them; it is gone before anything else is started."""


def exec_hub(options: dict[str, Any]) -> NoReturn:
    """Begin anew, with the same command line, as a hub with these options."""
    os.environ[_OPTIONS_VARIABLE] = f"{os.getpid()} {json.dumps(options)}"
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    reexec()


def is_hub() -> bool:
    """Return whether this process has begun anew."""
    return os.environ.get(_OPTIONS_VARIABLE, "").startswith(f"{os.getpid()} ")


def run() -> None:
    """Run the hub that this process has become until it is told to stop."""
    import msgspec

    from ultraviolet import log_config
    from ultraviolet.server import serve

    _, _, given = os.environ.pop(_OPTIONS_VARIABLE).partition(" ")
    options = msgspec.json.decode(
        given, type=serve.ServeOptions, dec_hook=lambda kind, value: kind(value)
    )
    log_config.configure()
    serve.serve(options)
