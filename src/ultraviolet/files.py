"""Private folders and files, independent of the umask, and atomic writes.

The files contain a company's data and keys.
"""

import os
import shutil
import stat
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ultraviolet.errors import InvalidError, UltravioletError

PRIVATE_UMASK = 0o077
"""The umask of the programs: new files and folders are accessible to their owner only."""
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


def ensure_private_dir(path: Path, names: Iterable[str]) -> None:
    """Create the data folder of a process, and restrict its content to this user.

    Raise InvalidError if this process cannot write to the folder.
    """
    with suppress(OSError):
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidError(
            f"User {os.geteuid()} cannot write to {path.absolute()}: change its owner, or choose"
            " another folder with --data"
        )
    restrict_permissions(path, names)


def restrict_permissions(path: Path, names: Iterable[str]) -> None:
    """Remove the permissions of other users from Ultraviolet's files in a folder.

    `names` are the patterns of these files. Other files keep their mode, and so does a folder that
    contains any.
    """
    own = {file for name in names for file in path.glob(name)}
    for file in own:
        _restrict(file)
        if file.is_dir() and not file.is_symlink():
            for child in file.rglob("*"):
                _restrict(child)
    if own.issuperset(path.iterdir()):
        _restrict(path)


def create_private(path: Path) -> None:
    """Create an empty file that only its owner can read; keep an existing file.

    SQLite's other files get the mode of the database. An existing database is not opened here:
    closing it would release the locks that SQLite holds on it in this process.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))


def private_opener(path: str, flags: int) -> int:
    """Open a file, readable by its owner only if created; for the parameter `opener` of `open`."""
    return os.open(path, flags, _FILE_MODE)


def _restrict(path: Path) -> None:
    """Remove the permissions of other users from this user's file; ignore a deleted one."""
    with suppress(OSError):
        found = path.lstat()
        owned = found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode)
        if owned and found.st_mode & PRIVATE_UMASK:
            path.chmod(stat.S_IMODE(found.st_mode) & ~PRIVATE_UMASK)


class FileError(UltravioletError):
    """A file or folder cannot be used; check its path, its permissions and its disk."""

    kind = "file"


@contextmanager
def atomic_write(file: Path | None) -> Generator[IO[bytes]]:
    """Write a file and replace the target when complete, so that a failure keeps the old content.

    None is stdout. Raise FileError if the disk is full or the file cannot be written.
    """
    if file is None:
        yield sys.stdout.buffer
        return
    try:
        if file.exists() and not file.is_file():  # a pipe or a device cannot be replaced
            with file.open("wb") as out:
                yield out
        else:
            with _replacing(file.resolve()) as out:  # a symbolic link is kept
                yield out
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        raise FileError(
            f"{file} could not be written: {error.strerror}. No incomplete file was kept."
        ) from error


@contextmanager
def _replacing(target: Path) -> Generator[IO[bytes]]:
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with open(part, "xb", opener=private_opener) as out:
            if target.exists():
                shutil.copymode(target, part)
            yield out
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
