"""The command line, run in the process of the test: starting Python takes longer than a command."""

import contextlib
import io
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache

import structlog
import typer.testing

from ultraviolet.cli import main

typer.testing._get_command = cache(typer.testing._get_command)
"""Typer's runner would build the whole command tree again for each command."""


@contextlib.contextmanager
def own_logging() -> Iterator[None]:
    """Restore logging and exception hooks."""
    root = logging.getLogger()
    before = root.level, sys.excepthook, threading.excepthook
    try:
        yield
    finally:
        structlog.reset_defaults()
        root.level, sys.excepthook, threading.excepthook = before
        for handler in root.handlers[:]:
            if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter):
                root.removeHandler(handler)


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `ultraviolet` with these arguments and additional environment variables.

    Only for one command at a time, and not for `serve`, `demo` and `ion serve`, which do not end.
    """
    done = run_encoded("utf-8", *arguments, **environment)
    written = [stream.decode().replace("\r\n", "\n") for stream in (done.stdout, done.stderr)]
    return subprocess.CompletedProcess(done.args, done.returncode, *written)


def run_encoded(
    encoding: str, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run `ultraviolet` as `run_command`, on a terminal with this encoding; return its bytes."""
    raw_out, raw_err = io.BytesIO(), io.BytesIO()
    out, err = (io.TextIOWrapper(raw, encoding=encoding) for raw in (raw_out, raw_err))
    before = dict(os.environ), sys.argv, sys.stdin, os.umask(0)
    os.umask(before[-1])
    code = 0
    try:
        os.environ.update(environment)
        sys.argv, sys.stdin = ["ultraviolet", *arguments], io.StringIO()
        with own_logging(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    finally:
        os.environ.clear()
        os.environ.update(before[0])
        sys.argv, sys.stdin = before[1:3]
        os.umask(before[-1])
    for text in (out, err):
        text.flush()
    return subprocess.CompletedProcess(
        ["ultraviolet", *arguments], code, raw_out.getvalue(), raw_err.getvalue()
    )
