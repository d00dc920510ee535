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

_MAX_STATEMENTS = 3
"""Statements that run at the same time; each may occupy a core."""
_MAX_STATEMENTS_OF_CALLER = 2
"""Fewer than all, so that no user can keep all others from running statements."""
_RETRY_SECONDS = 5
_MAX_FIRST_LINE_BYTES = 1_000_000
_CHUNK_BYTES = 65_536
_HIDDEN = ("ULTRAVIOLET_", "ION_")
"""Prefixes of environment variables with settings and secrets of the hub."""


class BusyError(TooManyRequestsError):
    """Other users are running as many SQL statements as this hub allows; try again in 5 seconds."""


class OwnStatementsError(TooManyRequestsError):
    """You are already running two SQL statements. Wait until one ends, or stop one with Ctrl-C or by closing its connection; then try again."""


class StatementFailedError(UltravioletError):
    """The statement failed; nothing was changed."""

    def __init__(self, failure: Failure) -> None:
        """Take over the error of the child process."""
        super().__init__(failure.error)
        self.kind, self.status = failure.kind, failure.status


class StatementRunner:
    """Runs up to three statements at the same time, of which at most two are of one caller."""

    def __init__(self, database_url: str) -> None:
        """Run statements on this database."""
        self._url = database_url
        self._processes: dict[asyncio.Task[int], Process] = {}
        self._places: list[str] = []
        """The identities of the callers of all statements that are starting or running."""

    async def run(
        self, caller: str, statement: str, timeout_seconds: float
    ) -> AsyncIterator[bytes]:
        """Start a statement; return its result as lines of JSON once it has its first rows.

        `caller` is the identity of the user or API key. Raise OwnStatementsError or BusyError
        without a free place, and StatementFailedError if the database rejects the statement.
        """
        if self._places.count(caller) >= _MAX_STATEMENTS_OF_CALLER:
            raise OwnStatementsError(_RETRY_SECONDS, {})
        if len(self._places) >= _MAX_STATEMENTS:
            raise BusyError(_RETRY_SECONDS, {})
        self._places.append(caller)
        try:
            process = await self._start(caller)
        except BaseException:
            self._places.remove(caller)
            raise
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

    async def _start(self, caller: str) -> Process:
        environment = {n: v for n, v in os.environ.items() if not n.startswith(_HIDDEN)}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "ultraviolet.db.user_sql.statement_process"),
            stdin=PIPE,  # open as long as the hub lives
            stdout=PIPE,
            env=environment | {ENDS_WITH_INPUT: "1"},
            limit=_MAX_FIRST_LINE_BYTES,
        )

        def make_room(ended: asyncio.Task[int]) -> None:
            del self._processes[ended]
            self._places.remove(caller)

        # A process that nobody reads ends by itself, and then makes room.
        ended = asyncio.create_task(process.wait())
        self._processes[ended] = process
        ended.add_done_callback(make_room)
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
