"""A process that was told to end is gone in time, though something in it goes on waiting."""

import os
import subprocess
import sys

WAITING = """import threading, time
from ultraviolet.in_time import end_within
threading.Thread(target=time.sleep, args=(60,)).start()
end_within(1)
"""


def test_nor_does_a_log_that_nobody_reads() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", WAITING], timeout=30, stderr=writing, check=False)
    os.close(writing)

    assert done.returncode == 0


def test_what_waits_does_not_hold_the_end() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITING], timeout=30, capture_output=True, check=False
    )

    assert (done.returncode, b"process.ended_late" in done.stderr) == (0, True)
