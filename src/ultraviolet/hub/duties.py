"""Duties: which integrations this process applies, heals, fetches and polls for, so that each has one process at a time.

On SQLite there is one process. On PostgreSQL a duty is an advisory lock of a session on a connection of its own:
the database lets go of it the moment that process dies, and another one takes it when it next looks. Processes
share evenly: each counts the others and keeps no more than its part.
"""

from typing import Literal, Protocol

from sqlalchemy import Engine

from ultraviolet.mirror import dialect

Role = Literal["all", "web", "worker"]
"""What a process does: pages, API and deliveries (web), the duties of integrations (worker), or both."""


class Duties(Protocol):
    """Who does what."""

    async def claim(self, wanted: set[int]) -> set[int]:
        """Give the integrations, out of those that need someone, that are this process's from now on."""
        ...

    async def let_go(self, kept: set[int]) -> None:
        """Leave all others to other processes; called when nothing is done for them here any more."""
        ...

    async def close(self) -> None:
        """Leave everything to others."""
        ...


class EveryDuty:
    """The only process there is: everything is its own."""

    async def claim(self, wanted: set[int]) -> set[int]:
        """Take all."""
        return wanted

    async def let_go(self, kept: set[int]) -> None:
        """Nobody else would take it."""

    async def close(self) -> None:
        """Nothing is held."""


class NoDuty(EveryDuty):
    """A process that only serves."""

    async def claim(self, wanted: set[int]) -> set[int]:  # noqa: ARG002
        """Take none."""
        return set()


def duties_of(engine: Engine, role: Role) -> Duties:
    """Choose how this process comes to its duties."""
    if role == "web":
        return NoDuty()
    return _of(engine, lasting=True)


def command_duties_of(engine: Engine) -> Duties:
    """Choose how one command comes to the duty of the integration it works for, without a share of the others."""
    return _of(engine, lasting=False)


def _of(engine: Engine, *, lasting: bool) -> Duties:
    if not dialect.is_postgresql(engine):
        return EveryDuty()
    from ultraviolet.hub.shared_duties import SharedDuties  # noqa: PLC0415  psycopg takes 10 MB; only its users pay

    return SharedDuties(dialect.libpq(engine.url), lasting=lasting)
