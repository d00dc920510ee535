"""How a child process ended, in words."""

import signal


def signal_of(code: int | None) -> str | None:
    """Return the name of the signal that ended a process, by its return code."""
    if code is None or code >= 0:
        return None
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def describe_end(code: int | None) -> str:
    """Return how a process ended, such as "was ended by SIGSEGV"."""
    name = signal_of(code)
    return f"was ended by {name}" if name else f"ended with code {code}"
