"""A process ends in time after `force_exit_after`, although a thread in it blocks."""

import os
import subprocess
import sys

WAITING = """import threading, time
from ultraviolet.process import force_exit_after
threading.Thread(target=time.sleep, args=(60,)).start()
force_exit_after(1)
"""


def test_closed_log_does_not_delay_the_exit() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", WAITING], timeout=30, stderr=writer, check=False)
    os.close(writer)

    assert done.returncode == 0


def test_blocked_thread_does_not_delay_the_exit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITING], timeout=30, capture_output=True, check=False
    )

    assert (done.returncode, b"process.ended_late" in done.stderr) == (0, True)
