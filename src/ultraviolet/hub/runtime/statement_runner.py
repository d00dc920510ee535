"""Run SQL statements of users in child processes, so that none can harm the hub."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec

from ultraviolet.db.user_sql.statement_process import Failure, Request
from ultraviolet.errors import TooManyRequestsError, UltravioletError
from ultraviolet.process import ENDS_WITH_INPUT, describe_exit

_MAX_STATEMENTS = 2
"""Statements that run at the same time; each may occupy a core."""
_RETRY_SECONDS = 5
_MAX_FIRST_LINE_BYTES = 1_000_000
_CHUNK_BYTES = 65_536
_HIDDEN = ("ULTRAVIOLET_", "ION_")
"""Prefixes of environment variables with settings and secrets of the hub."""


class BusyError(TooManyRequestsError):
    """As many SQL statements are running as this hub allows; wait for the time in Retry-After."""


class StatementFailedError(UltravioletError):
    """The statement failed; nothing was changed."""

    def __init__(self, failure: Failure) -> None:
        """Take over the error of the child process."""
        super().__init__(failure.error)
        self.kind, self.status = failure.kind, failure.status


class StatementRunner:
    """Runs up to two statements at the same time."""

    def __init__(self, database_url: str) -> None:
        """Run statements on this database."""
        self._url = database_url
        self._processes: dict[asyncio.Task[int], Process] = {}
        self._starting = 0

    async def run(self, statement: str, timeout_seconds: float) -> AsyncIterator[bytes]:
        """Start a statement; return its result as lines of JSON once it has its first rows.

        Raise BusyError, or StatementFailedError if the database rejects the statement.
        """
        if len(self._processes) + self._starting >= _MAX_STATEMENTS:
            raise BusyError(_RETRY_SECONDS, {})
        self._starting += 1
        try:
            process = await self._start()
        finally:
            self._starting -= 1
        try:
            request = Request(self._url, statement, timeout_seconds)
            _, first = await asyncio.gather(
                _send(process, msgspec.json.encode(request)), _read_line(process)
            )
        except BaseException:
            await _end(process)
            raise
        with suppress(msgspec.DecodeError):
            failure = msgspec.json.decode(first, type=Failure)
            await _end(process)
            raise StatementFailedError(failure)
        return _read(process, first)

    async def _start(self) -> Process:
        environment = {n: v for n, v in os.environ.items() if not n.startswith(_HIDDEN)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "ultraviolet.db.user_sql.statement_process"),
            stdin=PIPE,  # open as long as the hub lives
            stdout=PIPE,
            env=environment | {ENDS_WITH_INPUT: "1"},
            limit=_MAX_FIRST_LINE_BYTES,
        )
        # A process that nobody reads ends by itself, and then makes room.
        ended = asyncio.create_task(process.wait())
        self._processes[ended] = process
        ended.add_done_callback(self._processes.pop)
        return process

    async def stop(self) -> None:
        """End all statements."""
        await asyncio.gather(*map(_end, self._processes.values()))


async def _send(process: Process, request: bytes) -> None:
    assert process.stdin
    with suppress(ConnectionError):  # the process ended; its output has the reason
        process.stdin.write(request + b"\n")
        await process.stdin.drain()


async def _read_line(process: Process) -> bytes:
    assert process.stdout
    try:
        line = await process.stdout.readline()
    except ValueError:
        text = f"The names of the columns exceed {_MAX_FIRST_LINE_BYTES:,} bytes. Shorten them."
        raise StatementFailedError(Failure("invalid", 422, text)) from None
    if not line:
        code = describe_exit(await process.wait())
        text = f"The process of the statement {code}. Select less."
        raise StatementFailedError(Failure("invalid", 422, text))
    return line


async def _read(process: Process, first: bytes) -> AsyncIterator[bytes]:
    assert process.stdout
    try:
        yield first
        while chunk := await process.stdout.read(_CHUNK_BYTES):
            yield chunk
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    """End a process, so that the next statement may start."""
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
