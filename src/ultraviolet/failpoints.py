"""Failpoints: places where a test can kill the process, to check the recovery from a crash.

`ULTRAVIOLET_CRASH_AT=heal.read:3` kills the process (SIGKILL) at the third pass of that failpoint.
Without the variable, failpoints do nothing.
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

_selected, _, _pass = os.environ.get("ULTRAVIOLET_CRASH_AT", "").partition(":")
_passes_left = {_selected: int(_pass or 1)}


def failpoint(name: Failpoint) -> None:
    """Kill the process if the environment selects this failpoint and pass."""
    if name == _selected:
        _passes_left[name] -= 1
        if _passes_left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
