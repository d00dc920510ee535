"""Snapshots: the whole state of a local ION kept in files, and brought back while it serves."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.local_ion.graphql.executor import LocalIon

PLANT = "as-set-up"
"""The snapshot that is taken when the plant has been set up."""
EMPTY = "empty"
LARGEST_KEPT = 1 << 28
"""Bytes of a plant up to which it is kept unasked."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Snapshot(msgspec.Struct, frozen=True):
    """A state that was kept."""

    name: str
    bytes: int


class Snapshots:
    """The kept states of one local ION."""

    def __init__(self, ion: LocalIon, folder: Path) -> None:
        self._ion = ion
        self._folder = folder

    def listed(self) -> list[Snapshot]:
        """Give what was kept, by name."""
        return [Snapshot(p.stem, p.stat().st_size) for p in sorted(self._folder.glob("*.db"))]

    def keep(self, name: str) -> Snapshot:
        """Keep the state of now under a name, replacing what had it; raises InvalidError. Blocks."""
        path = self._path(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        self._ion.store.save(fresh)
        fresh.replace(path)
        return Snapshot(name, path.stat().st_size)

    def keep_plant(self) -> None:
        """Keep the plant as it was set up, unless it is large."""
        if self._ion.store.path.stat().st_size <= LARGEST_KEPT:
            self.keep(PLANT)

    def restorer(self, name: str) -> Callable[[], None]:
        """Give what brings a kept state back; raises NotFoundError, InvalidError."""
        path = self._path(name)
        if not path.exists():
            there = ", ".join(s.name for s in self.listed()) or "none"
            raise NotFoundError(f"No snapshot is called {name}; there are: {there}.")
        return lambda: self._ion.store.load(path)

    def resetter(self, *, empty: bool) -> Callable[[], None]:
        """Give what goes back to the plant as set up, or to an empty ION; raises NotFoundError."""
        return self._empty if empty else self.restorer(PLANT)

    def _empty(self) -> None:
        """Begin anew as an ION without a plant; the API keys stay, or nobody could sign in."""
        keys = self._ion.store.connection.execute("SELECT * FROM api_keys ORDER BY id").fetchall()
        with tempfile.TemporaryDirectory() as folder:
            fresh = LocalIon(Path(folder), self._ion.store.clock)
            with fresh.store.writing(1) as transaction:
                marks = ", ".join("?" * len(fresh.store.tables["api_keys"].columns))
                transaction.connection.executemany(f"INSERT INTO api_keys VALUES ({marks})", keys)
            fresh.store.save(path := Path(folder) / "empty.db")
            fresh.close()
            self._ion.store.load(path)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidError(
                f"{name!r} is no name for a snapshot: letters, digits, dots, dashes, at most 64."
            )
        return self._folder / f"{name}.db"
