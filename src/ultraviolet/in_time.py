"""A process that ends in time: what still waits then is let go, as nothing ends a thread that looks up a name in vain."""

import _thread
import os
import time
from contextlib import suppress


def end_within(seconds: float) -> None:
    """Be gone in so many seconds from now, in order or not; for the handlers of signals."""
    # An alarm would wait for the event loop, and Thread for a lock that whoever was interrupted may hold.
    _thread.start_new_thread(_end_after, (seconds,))


def _end_after(seconds: float) -> None:
    time.sleep(seconds)
    with suppress(OSError):  # whoever reads it is gone, or does not read
        os.set_blocking(2, False)
        os.write(2, b'{"event": "process.ended_late", "level": "warning"}\n')
    os._exit(0)
