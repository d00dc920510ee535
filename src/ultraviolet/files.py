"""Folders and files that only their owner can read, whatever the umask: they hold a company's data and keys."""

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
"""What a process of Ultraviolet starts with: no file or folder that it creates is for anyone else."""
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


def ensure_private_dir(path: Path, names: Iterable[str]) -> None:
    """Create the folder of a process, and close what it already holds to other users.

    Raises InvalidError if this process cannot write to the folder.
    """
    with suppress(OSError):
        path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidError(
            f"{path.absolute()} cannot be written by user {os.geteuid()}: let it belong to that user, or name"
            " another with --data"
        )
    restrict_permissions(path, names)


def restrict_permissions(path: Path, names: Iterable[str]) -> None:
    """Take the content of a folder away from other users.

    `names` are patterns of what Ultraviolet itself writes there. Other files stay as they are, and so does the mode of
    a folder that holds any.
    """
    own = {found for name in names for found in path.glob(name)}
    for found in own:
        _close_all(found)
    if own.issuperset(path.iterdir()):
        _close(path)


def create_private(path: Path) -> None:
    """Create a file for its owner alone; leave one that exists as it is.

    SQLite gives the files beside a database the mode of the database. One that exists is not even opened: closing it
    would drop the locks that SQLite holds on it in this process.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))


def private_opener(path: str, flags: int) -> int:
    """Open a file, created for its owner alone; for the parameter `opener` of `open`."""
    return os.open(path, flags, _FILE_MODE)


def _close_all(path: Path) -> None:
    _close(path)
    if path.is_dir() and not path.is_symlink():
        for below in path.rglob("*"):
            _close(below)


def _close(path: Path) -> None:
    """Take a file or folder of this user away from all others; it may be gone by now."""
    with suppress(OSError):
        found = path.lstat()
        ours = found.st_uid == os.geteuid() and not stat.S_ISLNK(found.st_mode)
        if ours and found.st_mode & PRIVATE_UMASK:
            path.chmod(stat.S_IMODE(found.st_mode) & ~PRIVATE_UMASK)


class FileError(UltravioletError):
    """A file or folder cannot be used; look at its path, its permissions and its disk."""

    kind = "file"


@contextmanager
def atomic_write(file: Path | None) -> Generator[IO[bytes]]:
    """Write a file beside the one it replaces once it is complete, so that a failure leaves that as it was.

    None is stdout. Raise FileError where the disk is full or the file cannot be written.
    """
    if file is None:
        yield sys.stdout.buffer
        return
    try:
        if file.exists() and not file.is_file():  # a pipe or a device cannot be replaced
            with file.open("wb") as out:
                yield out
        else:
            with _replacing(file.resolve()) as out:  # a link continues to lead there
                yield out
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        raise FileError(
            f"{file} could not be written: {error.strerror}. No part of it was kept."
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
