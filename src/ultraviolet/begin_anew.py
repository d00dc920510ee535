"""A process begins anew: the program on disk as of now takes its place, with the same command line and number."""

import os
import signal
import sys
from typing import NoReturn


def begin_anew() -> NoReturn:
    """Begin anew; the environment and the descriptors that can be inherited are what is handed on."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # that would end it until it has a handler again
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  this very program
