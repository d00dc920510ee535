"""Leases as PostgreSQL advisory locks, shared evenly between the processes of a hub."""

import os
from contextlib import suppress
from math import ceil

import psycopg
import structlog

from ultraviolet.db import locks

log = structlog.get_logger()

_SETTINGS = b"""SET tcp_keepalives_idle = 1; SET tcp_keepalives_interval = 1;
  SET tcp_keepalives_count = 2;
  SET tcp_user_timeout = 3000"""
"""The server detects a vanished machine within about three seconds."""
_HOLDERS = """SELECT objid::bigint, pid, pid = pg_backend_pid() FROM pg_locks
  WHERE locktype = 'advisory' AND classid = %s::int AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
_LOCK = "SELECT id FROM unnest(%s::int[]) AS id WHERE pg_try_advisory_lock(%s::int, id)"
_UNLOCK = "SELECT pg_advisory_unlock(%s::int, id) FROM unnest(%s::int[]) AS id"


class AdvisoryLockLeases:
    """An even share of the leases of a hub on PostgreSQL."""

    def __init__(self, address: str, *, has_share: bool = True) -> None:
        """Create leases; a process without a share only claims free ones and does not count."""
        self._address = address
        self._has_share = has_share
        self._connection: psycopg.AsyncConnection | None = None
        self._held: set[int] = set()
        self._class = locks.lock_class("duties")

    async def claim(self, wanted: set[int]) -> set[int]:
        """Keep an even share of the leases and claim free ones; return none without a database."""
        try:
            connection = self._connection or await self._connect()
            rows = await (await connection.execute(_HOLDERS, [self._class])).fetchall()
            processes = {pid for id_, pid, _ in rows if id_ == locks.PRESENCE}
            others = {id_ for id_, _, mine in rows if not mine}
            present = any(mine for id_, _, mine in rows if id_ == locks.PRESENCE)
            if self._has_share and not present:
                raise psycopg.OperationalError("the session was replaced and its locks are lost")
            share = ceil(len(wanted) / max(1, len(processes)))
            kept = set(sorted(self._held & wanted)[:share])
            free = sorted(wanted - others - self._held)[: share - len(kept)]
            if free:
                rows = await (await connection.execute(_LOCK, [free, self._class])).fetchall()
                claimed = {id_ for (id_,) in rows}
                log.info("leases.claimed", integrations=sorted(claimed), processes=len(processes))
                self._held |= claimed
                kept |= claimed
        except psycopg.Error as error:
            if self._held:
                log.warning("leases.lost", count=len(self._held), error=str(error))
            await self.close()
            return set()
        return kept

    async def release(self, kept: set[int]) -> None:
        """Release all leases but these."""
        dropped = sorted(self._held - kept)
        if dropped and self._connection:
            with suppress(psycopg.Error):  # the session and its locks are gone
                await self._connection.execute(_UNLOCK, [self._class, dropped])
            log.info("leases.released", integrations=dropped)
        self._held &= kept

    async def close(self) -> None:
        """End the session, which releases its locks."""
        connection, self._connection = self._connection, None
        self._held = set()
        if connection:
            await connection.close()

    async def _connect(self) -> psycopg.AsyncConnection:
        self._connection = connection = await psycopg.AsyncConnection.connect(
            self._address,
            autocommit=True,
            connect_timeout=3,
            tcp_user_timeout=3000,
            application_name=f"ultraviolet leases {os.getpid()}",
        )
        await connection.execute(_SETTINGS)
        if self._has_share:
            await connection.execute(
                "SELECT pg_advisory_lock_shared(%s::int, %s)", [self._class, locks.PRESENCE]
            )
        return connection
