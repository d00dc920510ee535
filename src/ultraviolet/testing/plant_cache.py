"""Keeps the database of a set-up plant, and its signing key, for later sessions."""

import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path

KEY_FILE = "token-key.pem"
"""The signing key of a local ION; creating one takes a tenth of a second."""
_FOLDERS = ("local_ion", "ion")
"""Folders with the files that determine a plant."""
_PLANT_OPTIONS = frozenset({"--size", "--seed", "--plant", "--no-plant"})
"""Options that may be given with a cached plant; others may change its content."""


class PlantCache:
    """The cached plant of some options; without a folder, nothing is cached.

    The history of a plant ends on the day of its setup, so a plant is used on that day only.
    """

    def __init__(self, folder: Path | None, options: Sequence[str]) -> None:
        """Use this folder, and the options of a local ION."""
        names = {option.partition("=")[0] for option in options if option.startswith("--")}
        is_cacheable = names <= _PLANT_OPTIONS
        self._file = folder / f"{_key(options)}.db" if folder and is_cacheable else None
        self._found = self._file is not None and self._file.exists()
        self._key = folder / KEY_FILE if folder else None
        self.options = [*options, "--from-file", str(self._file)] if self._found else [*options]
        """The options to start the local ION with."""

    def prepare(self, data: Path) -> None:
        """Create the data directory of a local ION with the signing key of earlier sessions."""
        data.mkdir(mode=0o700, parents=True)
        if self._key is not None and self._key.exists():
            shutil.copy(self._key, data)

    def save(self, database: Path, key: Path) -> None:
        """Cache a new plant and key, and delete plants of earlier days; ignore a full disk."""
        with suppress(OSError):
            if self._key is not None and not self._key.exists():
                shutil.copy(key, self._key)  # only its owner can read it
        if self._file is None or self._found:
            return
        with suppress(OSError):
            for other in self._file.parent.glob("*.db"):
                if not other.name.startswith(_today()):
                    other.unlink(missing_ok=True)
            new_file = self._file.with_suffix(f".{secrets.token_hex(4)}.new")
            shutil.copyfile(database, new_file)
            new_file.replace(self._file)


def _key(options: Sequence[str]) -> str:
    """Return the day with a hash of the options and of the program."""
    root = Path(__file__).parents[1]
    files = [file for name in _FOLDERS for file in sorted((root / name).rglob("*.[pgj][yrs]*"))]
    state = [f"{file.name} {file.stat().st_mtime_ns}" for file in files]
    content = "\n".join([version("ultraviolet"), *state, *options])
    return f"{_today()}-{blake2b(content.encode(), digest_size=12).hexdigest()}"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
