"""Random faults and kill -9 of hub and ION lose no data: `verify` finds no difference."""

import random
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.e2e.soak import FAULTS, Soak

from ultraviolet.local_ion.faults.registry import Fault, FaultRegistry


def test_all_faults_exist() -> None:
    for kind, settings in FAULTS:
        FaultRegistry().add(Fault(kind=kind, **settings))


@pytest.mark.timeout(600)
def test_no_fault_or_crash_loses_data(tmp_path: Path) -> None:
    """Use a random seed; a failure shows it."""
    seed = random.SystemRandom().getrandbits(32)
    with ExitStack() as stack:
        soak = Soak(stack, tmp_path, seed, rate=20, size="small")
        soak.run(30, crash_every=10, faults_last=3)
        soak.rest(240)
        figures = soak.figures()

    assert (0, 0) == (figures["differences"], figures["lost"]), (seed, figures)
    assert figures["verify"]["state"] == "done", (seed, figures)
    assert figures["verify"]["objects"] == figures["verify"]["equal"] > 100
    assert sum(figures["crashes"].values()) >= 2
