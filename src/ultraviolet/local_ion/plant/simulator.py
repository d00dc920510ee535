"""Runs the plant inside a local ION: sets it up once, then keeps it working."""

import itertools
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import structlog

from ultraviolet.local_ion.graphql.executor import LocalIon, Viewer
from ultraviolet.local_ion.plant import sample_data
from ultraviolet.local_ion.plant.activities import AtOnce, Rate, StoppedError, work
from ultraviolet.local_ion.plant.bulk_copy import Growth
from ultraviolet.local_ion.plant.client import Hands
from ultraviolet.local_ion.plant.setup import go_on, objects_of, set_up
from ultraviolet.local_ion.plant.workflows import Plant
from ultraviolet.local_ion.rules.seed import ADMINISTRATOR, add_user

log = structlog.get_logger()

SEEDLING = 10_000
"""Objects of a plant up to which each is made by a mutation of its own; a larger one grows by copies of these."""


class SetUpMark:
    """Remembers whether the plant was set up, so that half a plant is never taken for a whole one."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._begun = data / "plant.begun"
        self._done = data / "plant.done"

    @property
    def done(self) -> bool:
        """Tell whether there is nothing left to set up."""
        return self._done.exists()

    def begin(self) -> None:
        """Say that the set-up is under way."""
        self._begun.touch()

    def finish(self) -> None:
        """Say that the set-up is through."""
        self._done.touch()

    def clear_away(self) -> None:
        """Remove what an interrupted set-up left, before anything opens it; the same seed makes it again."""
        if self._begun.exists() and not self.done:
            log.warning("plant.begun_again", data=str(self._data))
            for file in self._data.glob("ion.db*"):
                file.unlink()
            self._begun.unlink()


class Works:
    """The plant of one local ION; the same seed and day make the same plant."""

    def __init__(
        self,
        ion: LocalIon,
        mark: SetUpMark,
        stop: threading.Event,
        *,
        size: str,
        seed: int,
        changes_per_second: float,
    ) -> None:
        self._ion = ion
        self._mark = mark
        self._objects = objects_of(size)
        self._seed = seed
        self._stop = stop
        self.rate = Rate(changes_per_second, stop)
        self._hands = Hands(self._execute, ion.catalog, self.rate)

    @property
    def changes(self) -> int:
        """How many changes it made since it was set up."""
        return self._hands.changes

    def fill(self) -> None:
        """Set the plant up, unless it is; raises StoppedError when told to stop meanwhile."""
        if self._mark.done:
            return
        self._mark.begin()
        there = self.count()  # what any ION has from the start, such as its permission groups
        self._hire()
        hands = Hands(self._execute, self._ion.catalog, AtOnce(self._stop))
        plant = self._plant(hands, self._seed)
        set_up(plant, min(self._objects, SEEDLING), lambda: self.count() - there)
        self._grow(self._objects - (self.count() - there))
        go_on(plant, self._objects, lambda: self.count() - there)
        self._mark.finish()
        log.info("plant.set_up", objects=self.count())

    def _grow(self, missing: int) -> None:
        growth: Growth | None = None
        for number in itertools.count(1):
            if missing <= 0 or (growth is not None and growth.objects > missing):
                return
            if self._stop.is_set():
                raise StoppedError
            with self._ion.store.writing(ADMINISTRATOR) as transaction:
                growth = growth or Growth(transaction)
                growth.copy(transaction, number)
            missing -= growth.objects

    def work(self) -> None:
        """Make changes at the rate that is set until told to stop."""
        plant = self._plant(self._hands, self._seed + 1)
        plant.remember()
        work(plant, self._stop)

    def count(self) -> int:
        """Tell how many objects there are that a hub can mirror."""
        tables = ", ".join(f"'{resource.name}'" for resource in self._ion.catalog.mirrored)
        with self._ion.store.reading() as connection:
            # Ids are never used again, and a plant being set up deletes nothing: the last id is the number made.
            sql = f"SELECT coalesce(sum(seq), 0) FROM sqlite_sequence WHERE name IN ({tables})"
            return int(connection.execute(sql).fetchone()[0])

    def _hire(self) -> None:
        with self._ion.store.writing(ADMINISTRATOR) as transaction:
            for name in sample_data.PEOPLE:
                add_user(transaction, name, f"{name.lower().replace(' ', '.')}@ultraviolet.example")

    def _plant(self, hands: Hands, seed: int) -> Plant:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return Plant(hands, Random(seed), today)  # noqa: S311  a simulation, not a secret

    def _execute(self, document: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._ion.execute(document, dict(variables), None, Viewer(ADMINISTRATOR))
