"""Run one statement of a user, in a process of its own with limited memory and time.

The process reads a request from its standard input, with which it ends, and writes lines of JSON: the columns, batches
of rows, and at the end the number of rows or an error.
"""

import os
import resource
import signal
import sys
from contextlib import closing
from math import ceil
from typing import Any

import msgspec

from ultraviolet.db.user_sql.opening import open_read_only
from ultraviolet.errors import UltravioletError
from ultraviolet.process import end_with_input

READING_SECONDS = 300
"""Time to read a result, besides the time limit of the statement."""
_MAX_MEMORY_BYTES = 1_000_000_000
_NICENESS = 10
"""Deliveries and pages have priority over statements."""


class Request(msgspec.Struct, frozen=True):
    """The statement, the database's URL and the time limit of the statement in seconds."""

    url: str
    statement: str
    timeout_seconds: float


class Failure(msgspec.Struct, frozen=True):
    """An error, as the last line."""

    kind: str
    status: int
    error: str


def main() -> None:
    """Run the statement of the standard input."""
    request = msgspec.json.decode(sys.stdin.buffer.readline(), type=Request)
    end_with_input()
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would contain data
    # Ends this process, even while it waits for its reader.
    signal.alarm(ceil(request.timeout_seconds) + READING_SECONDS)
    try:
        _run(request)
    except UltravioletError as error:
        _write(Failure(error.kind, error.status, error.explanation))
    except MemoryError:
        limit = _MAX_MEMORY_BYTES // 1_000_000
        text = f"The result needs more than {limit:,} MB of memory. Select less."
        _write(Failure("invalid", 422, text))


def _run(request: Request) -> None:
    database = open_read_only(request.url, request.timeout_seconds, readable_only=True)
    with closing(database), database.query(request.statement) as result:
        _write({"columns": [{"name": c.name, "type": c.kind} for c in result.columns]})
        count = 0
        for rows in result.batches:
            _write({"rows": rows})
            count += len(rows)
        _write({"row_count": count})


def _write(line: Any) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
