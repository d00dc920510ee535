"""Duties: which integrations this process applies, heals, fetches and polls for, so that each has one process at a time.

On SQLite there is one process. On PostgreSQL a duty is an advisory lock of a session on a connection of its own:
the database lets go of it the moment that process dies, and another one takes it when it next looks. Processes
share evenly: each counts the others and keeps no more than its part.
"""

from typing import Literal, Protocol

from sqlalchemy import Engine

from ultraviolet.db import dialect
from ultraviolet.db import engine as db_engine

Role = Literal["all", "web", "worker"]
"""What a process does: pages, API and deliveries (web), the duties of integrations (worker), or both."""


class Leases(Protocol):
    """Who does what."""

    async def claim(self, wanted: set[int]) -> set[int]:
        """Return the integrations, out of those that need someone, that are this process's from now on."""
        ...

    async def let_go(self, kept: set[int]) -> None:
        """Leave all others to other processes; called when nothing is done for them here any more."""
        ...

    async def close(self) -> None:
        """Leave everything to others."""
        ...


class AllLeases:
    """The only process there is: everything is its own."""

    async def claim(self, wanted: set[int]) -> set[int]:
        """Take all."""
        return wanted

    async def let_go(self, kept: set[int]) -> None:
        """Nobody else would take it."""

    async def close(self) -> None:
        """Nothing is held."""


class NoLeases(AllLeases):
    """A process that only serves."""

    async def claim(self, wanted: set[int]) -> set[int]:  # noqa: ARG002
        """Take none."""
        return set()


def create_leases(engine: Engine, role: Role) -> Leases:
    """Choose how this process comes to its duties."""
    if role == "web":
        return NoLeases()
    return _of(engine, lasting=True)


def command_duties_of(engine: Engine) -> Leases:
    """Choose how one command comes to the duty of the integration it works for, without a share of the others."""
    return _of(engine, lasting=False)


def _of(engine: Engine, *, lasting: bool) -> Leases:
    if not dialect.is_postgresql(engine):
        return AllLeases()
    from ultraviolet.hub.runtime.advisory_leases import AdvisoryLockLeases  # noqa: PLC0415  psycopg takes 10 MB; only its users pay

    return AdvisoryLockLeases(db_engine.libpq_url(engine.url), lasting=lasting)
