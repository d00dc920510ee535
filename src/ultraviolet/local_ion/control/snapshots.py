"""Snapshots: copies of the whole state, restored while the local ION serves."""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID

PLANT_SNAPSHOT = "as-set-up"
"""The snapshot of the plant after its setup."""
MAX_PLANT_SNAPSHOT_BYTES = 1 << 28
"""A larger plant has no automatic snapshot."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Snapshot(msgspec.Struct, frozen=True):
    """A saved state."""

    name: str
    bytes: int


class Snapshots:
    """The snapshots of one local ION."""

    def __init__(self, ion: LocalIon, folder: Path) -> None:
        self._ion = ion
        self._folder = folder

    def list_all(self) -> list[Snapshot]:
        """Return all snapshots by name."""
        return [Snapshot(p.stem, p.stat().st_size) for p in sorted(self._folder.glob("*.db"))]

    def save(self, name: str) -> Snapshot:
        """Save the current state and replace a snapshot of this name; raise InvalidError."""
        path = self._path(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        new_file = path.with_suffix(".new")
        new_file.unlink(missing_ok=True)
        self._ion.store.save(new_file)
        new_file.replace(path)
        return Snapshot(name, path.stat().st_size)

    @property
    def has_plant(self) -> bool:
        """Whether the plant was saved after its setup."""
        return self._path(PLANT_SNAPSHOT).exists()

    def save_plant(self) -> None:
        """Save the plant after its setup, unless it is large."""
        if self._ion.store.path.stat().st_size <= MAX_PLANT_SNAPSHOT_BYTES:
            self.save(PLANT_SNAPSHOT)

    def loader(self, name: str) -> Callable[[], None]:
        """Return a function that restores a snapshot; raise NotFoundError or InvalidError."""
        path = self._path(name)
        if not path.exists():
            names = ", ".join(s.name for s in self.list_all()) or "none"
            raise NotFoundError(f"Unknown snapshot {name}. Snapshots: {names}.")

        def load() -> None:
            self._ion.store.load(path)

        return load

    def resetter(self, *, empty: bool) -> Callable[[], None]:
        """Return a function that resets to the setup plant or to an empty ION.

        Raise NotFoundError.
        """
        return self._load_empty if empty else self.loader(PLANT_SNAPSHOT)

    def _load_empty(self) -> None:
        """Load an ION without a plant; keep the API keys, so that clients can still sign in."""
        store = self._ion.store
        keys = store.connection.execute("SELECT * FROM api_keys ORDER BY id").fetchall()
        with tempfile.TemporaryDirectory() as folder:
            empty = LocalIon(Path(folder), store.clock)
            with empty.store.write(ADMINISTRATOR_ID) as tx:
                marks = ", ".join("?" * len(tx.schema.tables["api_keys"].columns))
                tx.connection.executemany(f"INSERT INTO api_keys VALUES ({marks})", keys)
            empty.store.save(path := Path(folder) / "empty.db")
            empty.close()
            store.load(path)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise InvalidError(
                f"{name!r} is not a valid snapshot name."
                " Use up to 64 letters, digits, dots and dashes."
            )
        return self._folder / f"{name}.db"
