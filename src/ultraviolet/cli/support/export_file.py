"""The file that an export writes: an existing one is replaced only with `--force`."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Annotated

import typer

from ultraviolet.errors import ConflictError
from ultraviolet.files import atomic_write

Force = Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")]


def open_export(file: Path | None, *, force: bool) -> AbstractContextManager[IO[bytes]]:
    """Open a file to write, or stdout for None or -. Raise ConflictError if it exists."""
    if file is None or str(file) == "-":
        return atomic_write(None)
    check_new(file, force=force)
    return atomic_write(file)


def check_new(file: Path, *, force: bool) -> None:
    """Raise ConflictError if a file would be replaced without `force`."""
    if file.is_file() and not force:
        raise ConflictError(
            f"{file} already exists; nothing was written. Choose another name, or use --force."
        )
