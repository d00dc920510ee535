"""The pytest plugin with the fixture `local_ion`, for the tests of any project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ultraviolet.testing import LocalIonProcess

INITIAL_SNAPSHOT = "pytest-initial"


@pytest.fixture(scope="session")
def local_ion_options() -> list[str]:
    """Return the options of `ultraviolet ion serve`; override this fixture to change them."""
    return []


@pytest.fixture(scope="session")
def local_ion_process(
    tmp_path_factory: pytest.TempPathFactory,
    pytestconfig: pytest.Config,
    local_ion_options: list[str],
) -> Iterator[LocalIonProcess]:
    """Return a local ION with a small plant, shared by the session (by each worker of xdist).

    The database of the plant is kept in pytest's cache for the next session of the same day.
    """
    # Imported on use, so that other projects with this plugin do not load the package.
    from ultraviolet.testing import running_local_ion  # noqa: PLC0415
    from ultraviolet.testing.plant_cache import KEY_FILE, PlantCache  # noqa: PLC0415

    has_cache = pytestconfig.pluginmanager.hasplugin("cacheprovider")
    folder = pytestconfig.cache.mkdir("ultraviolet") if has_cache and pytestconfig.cache else None
    plants = PlantCache(folder, local_ion_options)
    data = tmp_path_factory.mktemp("local-ion") / "data"
    plants.prepare(data)
    with running_local_ion(data, plants.options) as ion:
        ion.snapshot(INITIAL_SNAPSHOT)
        plants.save(data / "snapshots" / f"{INITIAL_SNAPSHOT}.db", data / KEY_FILE)
        yield ion


@pytest.fixture
def local_ion(local_ion_process: LocalIonProcess) -> LocalIonProcess:
    """Return the local ION in its initial state and without faults."""
    local_ion_process.faults.clear()
    local_ion_process.restore(INITIAL_SNAPSHOT)
    return local_ion_process
