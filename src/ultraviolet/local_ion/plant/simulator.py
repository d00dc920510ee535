"""The plant simulator: it sets up the plant once and then makes changes at a steady rate."""

import itertools
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import structlog

from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.activities import run_activities
from ultraviolet.local_ion.plant.bulk_copy import BulkCopy
from ultraviolet.local_ion.plant.client import PlantClient
from ultraviolet.local_ion.plant.pacing import PlantStoppedError, RateLimiter, Unlimited
from ultraviolet.local_ion.plant.setup import continue_history, parse_size, set_up_plant
from ultraviolet.local_ion.plant.workflows import MAX_OPEN_OBJECTS, Plant
from ultraviolet.local_ion.rules.seed import add_user
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID

log = structlog.get_logger()

ORDERS_FOR_PEOPLE = 5
"""The oldest purchase orders, which guides ask people to change; the plant leaves them alone."""
MAX_OBJECTS_BY_MUTATION = 10_000
"""A larger plant consists of copies of its first objects, which mutations created."""


class SetupMarker:
    """Records the progress of the setup, so that an incomplete plant is detected."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._started_file = data / "plant.begun"
        self._finished_file = data / "plant.done"

    @property
    def finished(self) -> bool:
        """Whether the plant is set up."""
        return self._finished_file.exists()

    def start(self) -> None:
        """Record that the setup has started."""
        self._started_file.touch()

    def finish(self) -> None:
        """Record that the setup is complete."""
        self._finished_file.touch()

    def remove_incomplete_plant(self) -> None:
        """Delete an incomplete plant; call this before anything opens its database."""
        if self._started_file.exists() and not self.finished:
            log.warning("plant.incomplete_removed", data=str(self._data))
            for file in self._data.glob("ion.db*"):
                file.unlink()
            self._started_file.unlink()


class PlantSimulator:
    """The plant of one local ION; the same seed and day give the same plant."""

    def __init__(
        self,
        ion: LocalIon,
        marker: SetupMarker,
        stop: threading.Event,
        *,
        size: str,
        seed: int,
        changes_per_second: float,
    ) -> None:
        self._ion = ion
        self._marker = marker
        self._target = parse_size(size)
        self._seed = seed
        self._stop = stop
        self.rate_limiter = RateLimiter(changes_per_second, stop)
        self._user_id = ADMINISTRATOR_ID
        self._client = PlantClient(self._execute, ion.catalog, self.rate_limiter)

    @property
    def changes(self) -> int:
        """The number of changes since this process started."""
        return self._client.changes

    def set_up(self) -> None:
        """Set up the plant unless this is done; raise PlantStoppedError if stopped meanwhile."""
        if self._marker.finished:
            return
        self._marker.start()
        # An ION has some objects from the start, such as its permission groups.
        predefined = self.count_objects()

        def count() -> int:
            return self.count_objects() - predefined

        with self._ion.store.write(ADMINISTRATOR_ID) as tx:
            for name in sample_data.PEOPLE:
                address = name.lower().replace(" ", ".")
                add_user(tx, name, f"{address}@ultraviolet.example")
        client = PlantClient(self._execute, self._ion.catalog, Unlimited(self._stop))
        plant = _create_plant(client, self._seed)
        set_up_plant(plant, min(self._target, MAX_OBJECTS_BY_MUTATION), count)
        missing = self._target - count()
        bulk_copy: BulkCopy | None = None
        for number in itertools.count(1):
            if missing <= 0 or (bulk_copy is not None and bulk_copy.objects > missing):
                break
            if self._stop.is_set():
                raise PlantStoppedError
            with self._ion.store.write(ADMINISTRATOR_ID) as tx:
                bulk_copy = bulk_copy or BulkCopy(tx)
                bulk_copy.copy(tx, number)
            missing -= bulk_copy.objects
        self._ensure_user()
        continue_history(plant, self._target, count)
        self._marker.finish()
        log.info("plant.set_up", objects=self.count_objects())

    def run(self) -> None:
        """Make changes at the current rate until stopped.

        While the rate is 0, nothing is changed: an ION with other objects gets no user.
        """
        try:
            self.rate_limiter.wait_while_paused()
        except PlantStoppedError:
            return
        self._user_id = self._ensure_user()
        plant = _create_plant(self._client, self._seed + 1)
        plant.load_known_objects()
        orders = plant.known["purchase_orders"]
        plant.known["purchase_orders"] = orders[ORDERS_FOR_PEOPLE:] or orders
        plant.open_orders = plant.known["purchase_orders"][-MAX_OPEN_OBJECTS:]
        run_activities(plant, self._stop)

    def _ensure_user(self) -> int:
        """Return the id of the user that makes the continuous changes; add it if needed."""
        name, email = sample_data.SIMULATOR
        with self._ion.store.write(ADMINISTRATOR_ID) as tx:
            known = tx.scalar("SELECT id FROM users WHERE email = ?", email)
            return known or add_user(tx, name, email)

    def count_objects(self) -> int:
        """Return the number of objects that a hub can mirror."""
        tables = ", ".join(f"'{resource.name}'" for resource in self._ion.catalog.mirrored)
        # Ids are unique forever and the setup deletes nothing: the last id is the number of rows.
        sql = f"SELECT coalesce(sum(seq), 0) FROM sqlite_sequence WHERE name IN ({tables})"
        with self._ion.store.read() as connection:
            return int(connection.execute(sql).fetchone()[0])

    def _execute(self, document: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._ion.execute(document, dict(variables), None, Viewer(self._user_id))


def _create_plant(client: PlantClient, seed: int) -> Plant:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Plant(client, Random(seed), today)  # noqa: S311  a simulation, not a secret
