"""Files that commands write: each as it was until it is whole."""

import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ultraviolet.cli.ending import FileError
from ultraviolet.folders import private_opener


@contextmanager
def writing(file: Path | None) -> Generator[IO[bytes]]:
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
