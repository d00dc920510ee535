"""A process begins anew: the program on disk as of now takes its place, with the same command line and number."""

import _thread
import os
import signal
import sys
import time
from contextlib import suppress
from typing import NoReturn


def reexec() -> NoReturn:
    """Begin anew; the environment and the descriptors that can be inherited are what is handed on."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # that would end it until it has a handler again
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  this very program


def force_exit_after(seconds: float) -> None:
    """Be gone in so many seconds from now, in order or not; for the handlers of signals."""
    # An alarm would wait for the event loop, and Thread for a lock that whoever was interrupted may hold.
    _thread.start_new_thread(_end_after, (seconds,))


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    with suppress(OSError):  # whoever reads it is gone, or does not read
        os.set_blocking(2, False)
        os.write(2, b'{"event": "process.ended_late", "level": "warning"}\n')
    os._exit(0)


def signal_name(code: int | None) -> str | None:
    """Return the name of the signal that ended a process, by its return code."""
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def describe_exit(code: int | None) -> str:
    """Return how a process ended, such as "was ended by SIGSEGV"."""
    name = signal_name(code)
    return f"was ended by {name}" if name else f"ended with code {code}"
