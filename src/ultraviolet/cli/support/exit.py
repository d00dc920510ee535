"""Exit with a one-line error message and the exit code of the error."""

import errno
import io
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from ultraviolet.characters import escape_controls
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.files import FileError

_WRITE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EBADF,
    errno.EROFS,
    errno.EINVAL,
}
"""Error numbers of a failed write to an open file."""


@contextmanager
def exit_on_error() -> Generator[None]:
    """Report an error and exit with its exit code."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # raises for a full disk
    except UltravioletError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _discard_output()
        sys.exit(141)
    except UnicodeEncodeError as error:
        known = InvalidError(f"Invalid Unicode, which cannot be sent or written: {error.object!a}")
        report(known)
        sys.exit(known.exit_code)
    except OSError as error:
        if error.filename is not None:
            known = FileError(f"{error.filename} is not usable: {error.strerror}")
        elif error.errno in _WRITE_ERRORS:
            known = FileError(
                f"The output could not be written: {error.strerror}. The output is incomplete."
            )
        else:
            raise
        _discard_output()
        report(known)
        sys.exit(known.exit_code)


def replace_unencodable_output() -> None:
    """Replace characters that stdout and stderr cannot encode, instead of failing.

    A stdout that was closed before the start becomes a file on which every write fails.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]  closed by the caller
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _discard_output() -> None:
    """Redirect stdout to /dev/null, so that the flush at exit does not fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report(error: UltravioletError) -> None:
    """Print the error on stderr: a line, and one for each note; one JSON object with `--json`.

    The line may end with a command to copy, which a note must not follow.
    """
    message = str(error) or type(error).__doc__ or error.kind
    lines = [message, *getattr(error, "__notes__", ())]
    if "--json" in sys.argv:
        message = json.dumps({"error": error.kind, "message": " ".join(lines)})
    else:
        message = "\n".join(
            escape_controls(each) for each in (f"ultraviolet: {message}", *lines[1:])
        )
    with suppress(OSError):  # stderr may be on the same full disk
        print(message, file=sys.stderr, flush=True)  # noqa: T201  for the user
