"""Locks of files, which end with their process: of a data folder, a spool, or a child process."""

import fcntl
import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from ultraviolet.errors import ConflictError
from ultraviolet.files import ensure_private_dir, private_opener


def try_lock(file: IO[Any] | int) -> bool:
    """Lock an open file until it is closed; return False if another process has locked it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def lock_folder(
    folder: Path, file: str, name: str, *, temporary: bool = False
) -> Generator[Callable[[str], None]]:
    """Hold the lock of a folder, created if needed; raise ConflictError if it is in use.

    `name` begins the error, as in "The demo". Pass the URL of this process to the yielded function;
    the error of another process names it, and how to end this process. The lock ends with the
    process, also if it is killed. The file of a temporary lock is deleted with it.
    """
    ensure_private_dir(folder, (file,))
    path = folder / file
    with ExitStack() as stack:
        while True:
            lock = stack.enter_context(open(path, "a+", opener=private_opener))
            if not try_lock(lock):
                lock.seek(0)
                process, _, url = lock.read(1000).partition(" ")
                at = f" at {url}" if url else ""
                end = f"; `kill {process}` ends it" if process else ""
                raise ConflictError(f"{name} with the data in {folder} is already running{at}{end}")
            if not temporary or _is_file(path, lock.fileno()):
                break
            lock.close()
        if temporary:
            stack.callback(path.unlink, missing_ok=True)  # while the lock is held

        def write(url: str) -> None:
            lock.truncate(0)
            lock.write(f"{os.getpid()} {url}")
            lock.flush()

        write("")
        yield write


def _is_file(path: Path, descriptor: int) -> bool:
    """Return whether an open file is that of the path, and not one that its holder deleted."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
