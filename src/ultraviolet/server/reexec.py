"""Re-exec the process as the hub after its command line is parsed.

This frees the 14 MB of Typer and pydantic, which are only needed to parse the options.
"""

import json
import os
import sys
from typing import Any, NoReturn

from ultraviolet.process import reexec

_OPTIONS_VARIABLE = "ULTRAVIOLET_SERVE_OPTIONS"
"""Passes the process id and the options to the re-executed process, which removes the variable."""


def exec_hub(options: dict[str, Any]) -> NoReturn:
    """Re-exec this process with the same command line as a hub with these options."""
    os.environ[_OPTIONS_VARIABLE] = f"{os.getpid()} {json.dumps(options)}"
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    reexec()


def is_hub() -> bool:
    """Return whether this process was re-executed as a hub."""
    return os.environ.get(_OPTIONS_VARIABLE, "").startswith(f"{os.getpid()} ")


def run() -> None:
    """Run the hub with the passed options until a signal stops it."""
    import msgspec

    from ultraviolet import log_config
    from ultraviolet.server import serve

    _, _, encoded = os.environ.pop(_OPTIONS_VARIABLE).partition(" ")
    options = msgspec.json.decode(
        encoded, type=serve.ServeOptions, dec_hook=lambda kind, value: kind(value)
    )
    log_config.configure()
    serve.serve(options)
