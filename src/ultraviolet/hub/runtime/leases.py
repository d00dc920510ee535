"""Leases: exclusive work on an integration, so that one process at a time syncs it.

On SQLite there is one process. On PostgreSQL a lease is a session-level advisory lock on a separate
connection. The database releases it when the process dies, and another process claims it. Processes
share evenly: each counts the others and claims at most its share.
"""

from typing import Literal, Protocol

from sqlalchemy import Engine

from ultraviolet.db import dialect
from ultraviolet.db import engine as db_engine

Role = Literal["all", "web", "worker"]
"""The work of a process: requests and deliveries (web), sync of integrations (worker), or all."""


class Leases(Protocol):
    """The leases of one process."""

    async def claim(self, wanted: set[int]) -> set[int]:
        """Claim leases of the wanted integrations; return all that this process holds."""
        ...

    async def release(self, kept: set[int]) -> None:
        """Release all leases but these; call this after their controllers have stopped."""
        ...

    async def close(self) -> None:
        """Release all leases."""
        ...


class AllLeases:
    """The leases of the only process: it holds all."""

    async def claim(self, wanted: set[int]) -> set[int]:
        """Return all."""
        return wanted

    async def release(self, kept: set[int]) -> None:
        """Do nothing: no other process exists."""

    async def close(self) -> None:
        """Do nothing."""


class NoLeases(AllLeases):
    """The leases of a process that only serves requests."""

    async def claim(self, wanted: set[int]) -> set[int]:  # noqa: ARG002
        """Return none."""
        return set()


def create_leases(engine: Engine, role: Role) -> Leases:
    """Create the leases of a process."""
    if role == "web":
        return NoLeases()
    return _create(engine, has_share=True)


def create_command_leases(engine: Engine) -> Leases:
    """Create the leases of one command; it takes no share of the other integrations."""
    return _create(engine, has_share=False)


def _create(engine: Engine, *, has_share: bool) -> Leases:
    if not dialect.is_postgresql(engine):
        return AllLeases()
    # psycopg takes 10 MB, so only PostgreSQL hubs import it.
    from ultraviolet.hub.runtime.advisory_leases import AdvisoryLockLeases  # noqa: PLC0415

    return AdvisoryLockLeases(db_engine.libpq_url(engine.url), has_share=has_share)
