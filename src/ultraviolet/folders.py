"""The folder a process keeps its data in; that it cannot be written is said in words, as with a folder mounted for another user."""

import os
from contextlib import suppress
from pathlib import Path

from ultraviolet.errors import InvalidError


def own_folder(path: Path) -> None:
    """Make it where it is not there, for this user alone, as it holds a company's data.

    Raises InvalidError where this process cannot write to it.
    """
    with suppress(OSError):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidError(
            f"{path.absolute()} cannot be written by user {os.geteuid()}: let it belong to that user, or name another with --data"
        )
