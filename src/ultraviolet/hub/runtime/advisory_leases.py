"""Duties shared out between the processes of a hub on PostgreSQL: a fair part for each, and nobody's for long."""

import os
from contextlib import suppress
from math import ceil

import psycopg
import structlog

from ultraviolet.db import locks

log = structlog.get_logger()

_SETTINGS = b"""SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 2;
  SET tcp_user_timeout = 3000"""
"""The server notices in some three seconds that a machine has vanished."""
_PRESENT = 0
"""The number under which every process that takes duties shows that it is there; no integration has it."""
_WHO = """SELECT objid::bigint, pid, pid = pg_backend_pid() FROM pg_locks
  WHERE locktype = 'advisory' AND classid = %s::int AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_TAKE = "SELECT id FROM unnest(%s::int[]) AS id WHERE pg_try_advisory_lock(%s::int, id)"
_LET_GO = "SELECT pg_advisory_unlock(%s::int, id) FROM unnest(%s::int[]) AS id"


class AdvisoryLockLeases:
    """A fair part of the duties of a PostgreSQL hub."""

    def __init__(self, address: str, *, lasting: bool = True) -> None:
        """A process that is not `lasting` takes what is free and does not count when others share evenly."""
        self._address = address
        self._lasting = lasting
        self._connection: psycopg.AsyncConnection | None = None
        self._held: set[int] = set()
        self._class = locks.lock_class("duties")

    async def claim(self, wanted: set[int]) -> set[int]:
        """Keep what is held as far as it is a fair part, and take what nobody has; nothing without a database."""
        try:
            return await self._claim(wanted)
        except psycopg.Error as error:
            if self._held:
                log.warning("duties.lost", count=len(self._held), error=str(error))
            await self.close()
            return set()

    async def let_go(self, kept: set[int]) -> None:
        """Unlock what is not done here any more."""
        dropped = sorted(self._held - kept)
        if dropped and self._connection:
            with suppress(psycopg.Error):  # then the session is gone, and its locks with it
                await self._connection.execute(_LET_GO, [self._class, dropped])
            log.info("duties.left", integrations=dropped)
        self._held &= kept

    async def close(self) -> None:
        """End the session, which ends its locks."""
        connection, self._connection = self._connection, None
        self._held = set()
        if connection:
            await connection.close()

    async def _claim(self, wanted: set[int]) -> set[int]:
        connection = self._connection or await self._connect()
        rows = await (await connection.execute(_WHO, [self._class])).fetchall()
        processes = {pid for id_, pid, _ in rows if id_ == _PRESENT}
        theirs = {id_ for id_, _, mine in rows if not mine}
        if not any(mine for id_, _, mine in rows if id_ == _PRESENT):
            raise psycopg.OperationalError("the session was replaced, and its locks are lost")
        part = ceil(len(wanted) / max(1, len(processes)))
        kept = set(sorted(self._held & wanted)[:part])
        free = sorted(wanted - theirs - self._held)[: part - len(kept)]
        if free:
            taken = {
                id_
                for (id_,) in await (
                    await connection.execute(_TAKE, [free, self._class])
                ).fetchall()
            }
            log.info("duties.taken", integrations=sorted(taken), processes=len(processes))
            self._held |= taken
            kept |= taken
        return kept

    async def _connect(self) -> psycopg.AsyncConnection:
        self._connection = connection = await psycopg.AsyncConnection.connect(
            self._address,
            autocommit=True,
            connect_timeout=3,
            tcp_user_timeout=3000,
            application_name=f"ultraviolet duties {os.getpid()}",
        )
        await connection.execute(_SETTINGS)
        if self._lasting:
            await connection.execute(
                "SELECT pg_advisory_lock_shared(%s::int, %s)", [self._class, _PRESENT]
            )
        return connection
