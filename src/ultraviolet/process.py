"""Processes: garbage collection, skipped imports, re-exec, their end, and descriptions of exit codes."""

import _thread
import gc
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn, cast

_GC_THRESHOLDS = (20_000, 20, 50)
ENDS_WITH_INPUT = "ULTRAVIOLET_ENDS_WITH_INPUT"
"""The environment variable of processes that end with their standard input."""


def collect_garbage_rarely() -> None:
    """Set the thresholds of the garbage collector for programs whose objects mostly stay.

    With the default, a collection at every 700 objects, it took a fifth of a start, which creates
    the contract and the application, and an eighth of a fetch, whose pages have no garbage.
    """
    gc.set_threshold(*_GC_THRESHOLDS)


def pause_garbage_collection() -> None:
    """Collect no garbage while a program starts, because most of its objects stay."""
    gc.disable()


def freeze_startup_objects() -> None:
    """Freeze start-up objects out of the garbage collector, and collect garbage from now on.

    The contract and the application live as long as the process, and a full collection would scan
    them for 100 ms, also at its end. Call this only after start-up, because existing garbage is
    frozen as well; that of a start is less than 5,000 objects.
    """
    gc.freeze()
    collect_garbage_rarely()
    gc.enable()


def skip_import(name: str) -> None:
    """Make later imports of an optional module fail, which the importing library expects.

    None in `sys.modules` is Python's way to do this; structlog and httpx have no setting for it.
    """
    cast("dict[str, Any]", sys.modules).setdefault(name, None)


def reexec() -> NoReturn:
    """Re-exec this process with its command line, environment and inheritable descriptors."""
    signal.signal(
        signal.SIGHUP, signal.SIG_IGN
    )  # its default action ends a process without handler
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  this very program


def end_with_input() -> None:
    """If the environment says so, send SIGTERM to this process when its standard input ends.

    The input is a pipe of the parent process, which the system closes however the parent ends.
    """
    if ENDS_WITH_INPUT in os.environ:
        _thread.start_new_thread(_end_with_input, ())


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def force_exit_after(seconds: float) -> None:
    """Exit after this time, even if shutdown hangs; safe to call in a signal handler."""
    # A timer would wait for the event loop; threading.Thread for a lock that may be held already.
    _thread.start_new_thread(_exit_after, (seconds,))


def _exit_after(seconds: float) -> None:
    time.sleep(seconds)
    with suppress(OSError):  # the reader of stderr is gone or does not read
        os.set_blocking(2, False)
        os.write(2, b'{"event": "process.ended_late", "level": "warning"}\n')
    os._exit(0)


def signal_name(code: int | None) -> str | None:
    """Return the name of the signal that ended a process, from its return code."""
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
