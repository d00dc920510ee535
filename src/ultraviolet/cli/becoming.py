"""Becomes the hub: the process begins anew once its command line is read, without the libraries that read it.

Typer and pydantic would take 14 MB for as long as the hub runs, to read a handful of options once.
"""

import os
import sys
from typing import Any, NoReturn

import msgspec

_OPTIONS = "ULTRAVIOLET_SERVE_OPTIONS"
"""Hands the options over; it is gone before anything else is started."""


def become_hub(options: dict[str, Any]) -> NoReturn:
    """Begin anew, with the same command line, as a hub with these options."""
    os.environ[_OPTIONS] = msgspec.json.encode(options).decode()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  this very program


def is_hub() -> bool:
    """Tell whether this process has begun anew."""
    return _OPTIONS in os.environ


def run() -> None:
    """Run the hub that this process has become until it is told to stop."""
    from ultraviolet.cli import logs
    from ultraviolet.web import server

    given = os.environ.pop(_OPTIONS)
    options = msgspec.json.decode(given, type=server.ServeOptions, dec_hook=lambda kind, value: kind(value))
    logs.configure()
    server.serve(options)
