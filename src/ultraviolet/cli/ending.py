"""How a process of this program ends: with one line about what went wrong, and the exit code of the kind of error."""

import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

from ultraviolet.characters import visible
from ultraviolet.errors import UltravioletError


class FileError(UltravioletError):
    """A file or folder cannot be used; look at its path, its permissions and its disk."""

    kind = "file"


@contextmanager
def reported() -> Generator[None]:
    """Leave with the exit code of the kind of error where there is one."""
    try:
        yield
    except UltravioletError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output left; Python would complain again while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.filename is None:  # not about a file: nobody expects it
            raise
        known = FileError(f"{error.filename} cannot be used: {error.strerror}")
        report(known)
        sys.exit(known.exit_code)


def report(error: UltravioletError) -> None:
    """Say what went wrong on stderr: one line, or one JSON object where `--json` was asked for."""
    message = str(error) or type(error).__doc__ or error.kind
    if "--json" in sys.argv:
        message = json.dumps({"error": error.kind, "message": message})
    else:
        message = f"ultraviolet: {visible(message)}"
    print(message, file=sys.stderr)  # noqa: T201  this function's reader is there
