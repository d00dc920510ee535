"""Files that commands write: each as it was until it is whole."""

import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ultraviolet.folders import private_opener


@contextmanager
def writing(file: Path | None) -> Generator[IO[bytes]]:
    """Write a file beside the one that it replaces once it is whole, so that a failure leaves that as it was; None is stdout."""
    if file is None:
        yield sys.stdout.buffer
    elif file.exists() and not file.is_file():  # a pipe or a device cannot be replaced
        with file.open("wb") as out:
            yield out
    else:
        target = file.resolve()  # a link goes on leading there
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            with open(part, "xb", opener=private_opener) as out:
                if target.exists():
                    shutil.copymode(target, part)
                yield out
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
