"""Fixtures: the documents of a small plant."""

import copy
import threading
from pathlib import Path

import pytest
from tests.local_ion.sandbox.ion_mirror import Documents, IonMirror, read_documents

from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.plant.simulator import PlantSimulator, SetupMarker


@pytest.fixture(scope="session")
def plant_documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """The documents of a plant."""
    data: Path = tmp_path_factory.mktemp("plant")
    ion = LocalIon(data)
    stop = threading.Event()
    PlantSimulator(ion, SetupMarker(data), stop, size="420", seed=1, changes_per_second=0).set_up()
    documents = read_documents(ion)
    ion.close()
    return documents


@pytest.fixture
def mirror(plant_documents: Documents) -> IonMirror:
    """A mirror of the plant that the test may change."""
    return IonMirror(copy.deepcopy(plant_documents))
