"""The pytest plugin: the fixture `local_ion`, an ION for the tests of any project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ultraviolet.testing import LocalIonProcess

BEGINNING = "pytest-beginning"


@pytest.fixture(scope="session")
def local_ion_options() -> list[str]:
    """Options of `ultraviolet ion serve` for the local ION of the tests; override it to give your own."""
    return []


@pytest.fixture(scope="session")
def local_ion_process(
    tmp_path_factory: pytest.TempPathFactory, local_ion_options: list[str]
) -> Iterator[LocalIonProcess]:
    """A local ION with a small plant at rest, shared by all tests of a session (of a worker, under xdist)."""
    # Imported when asked for, so that projects which do not use the fixture pay nothing for it.
    from ultraviolet.testing import running_local_ion  # noqa: PLC0415

    with running_local_ion(tmp_path_factory.mktemp("local-ion") / "data", local_ion_options) as ion:
        ion.snapshot(BEGINNING)
        yield ion


@pytest.fixture
def local_ion(local_ion_process: LocalIonProcess) -> LocalIonProcess:
    """A local ION, for each test as it was at the beginning, and without faults."""
    local_ion_process.faults.clear()
    local_ion_process.restore(BEGINNING)
    return local_ion_process
