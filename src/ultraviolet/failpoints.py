"""Points at which a test may let the process die as by kill -9, to see what a crash just there leaves behind.

`ULTRAVIOLET_CRASH_AT=heal.read:3` kills the process when it passes that point for the third time. Without the variable
every point does nothing.
"""

import os
import signal
from typing import Literal, get_args

Failpoint = Literal[
    "migration.written",
    "setup.minted",
    "setup.receiver_created",
    "setup.subscribed",
    "ingest.written",
    "ingest.committed",
    "apply.written",
    "apply.committed",
    "heal.read",
    "heal.applied",
    "fetch.prepared",
    "fetch.page_applied",
    "fetch.absence_proven",
    "fetch.steps_done",
    "verify.page_compared",
    "verify.settling",
    "retention.keys_forgotten",
    "retention.removed",
    "integration.emptied",
    "spool.kept",
    "spool.drained",
]
FAILPOINTS: tuple[Failpoint, ...] = get_args(Failpoint)

_point, _, _times = os.environ.get("ULTRAVIOLET_CRASH_AT", "").partition(":")
_left = {_point: int(_times or 1)}


def failpoint(name: Failpoint) -> None:
    """Pass a point; dies here if a test asked for it."""
    if name == _point:
        _left[name] -= 1
        if _left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
