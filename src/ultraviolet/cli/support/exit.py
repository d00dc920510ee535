"""How a process of this program ends: with one line about what went wrong, and the exit code of the kind of error."""

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

_WRITING = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EBADF,
    errno.EROFS,
    errno.EINVAL,
}
"""What writing to an open file fails with."""


@contextmanager
def exit_on_error() -> Generator[None]:
    """Leave with the exit code of the kind of error where there is one."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()  # a full disk shows here at the latest
    except UltravioletError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        _discard_output()
        sys.exit(141)
    except UnicodeEncodeError as error:
        known = InvalidError(
            f"A text is not valid Unicode and cannot be sent or written: {error.object!a}"
        )
        report(known)
        sys.exit(known.exit_code)
    except OSError as error:
        known = _explain(error)
        if known is None:
            raise
        _discard_output()
        report(known)
        sys.exit(known.exit_code)


def write_any_text() -> None:
    """Replace characters that the encoding of stdout and stderr does not have, instead of failing at them.

    Where stdout was closed before the start, whatever is written there fails like a write to a full disk.
    """
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]  closed by the caller
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _explain(error: OSError) -> FileError | None:
    """Return what to say of a file or of our output; None for an error that nobody expects."""
    if error.filename is not None:
        return FileError(f"{error.filename} cannot be used: {error.strerror}")
    if error.errno in _WRITING:
        return FileError(
            f"The output could not be written: {error.strerror}; what was written is incomplete."
        )
    return None


def _discard_output() -> None:
    """Have Python not complain again about what it could not write, while it flushes at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def report(error: UltravioletError) -> None:
    """Say what went wrong on stderr: one line, or one JSON object where `--json` was asked for."""
    message = str(error) or type(error).__doc__ or error.kind
    if "--json" in sys.argv:
        message = json.dumps({"error": error.kind, "message": message})
    else:
        message = f"ultraviolet: {escape_controls(message)}"
    with suppress(OSError):  # a full disk may be the one of stderr too
        print(message, file=sys.stderr, flush=True)  # noqa: T201  this function's reader is there
