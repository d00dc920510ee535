"""Lock a data folder, so that at most one process of a kind uses it."""

import fcntl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ultraviolet.errors import ConflictError
from ultraviolet.files import ensure_private_dir, private_opener


@contextmanager
def lock_folder(folder: Path, file: str, name: str) -> Generator[Callable[[str], None]]:
    """Hold the lock of a folder, created if needed; raise ConflictError if it is in use.

    `name` begins the error, as in "The demo". Pass the URL of this process to the yielded function;
    the error of another process names it. The lock ends with the process, also if it is killed.
    """
    ensure_private_dir(folder, (file,))
    with open(folder / file, "a+", opener=private_opener) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            at = f" at {url}" if (url := lock.read(1000).strip()) else ""
            raise ConflictError(
                f"{name} with the data in {folder} is already running{at}"
            ) from None

        def write(url: str) -> None:
            lock.truncate(0)
            lock.write(url)
            lock.flush()

        write("")
        yield write
