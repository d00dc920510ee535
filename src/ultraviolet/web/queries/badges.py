"""Counts that the navigation shows beside its entries."""

import msgspec
from sqlalchemy import Connection, Select, func, select

from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.sync import fetches, findings

MAX_COUNT = 999
"""Counting stops here, so that a backlog does not slow down every page."""


class Badge(msgspec.Struct, frozen=True):
    """The badge of a navigation entry: `text` is shown, `label` is read aloud."""

    address: str
    text: str
    label: str
    tone: str = ""


def list_badges(connection: Connection) -> list[Badge]:
    """Return a badge for each count above zero."""
    queries = (
        ("/events", "waiting", "", select(events.c.seq).where(events.c.outcome.is_(None))),
        ("/fetches", "running", "", select(fetches.c.id).where(fetches.c.state == "running")),
        (
            "/integrations",
            "to resolve",
            "bad",
            select(findings.c.id).where(
                findings.c.resolved_at.is_(None), findings.c.repaired_at.is_(None)
            ),
        ),
    )
    counts = [
        (address, label, tone, _count(connection, query)) for address, label, tone, query in queries
    ]
    return [
        Badge(address, f"{count}{'+' if count == MAX_COUNT else ''}", f"{count} {label}", tone)
        for address, label, tone, count in counts
        if count
    ]


def _count(connection: Connection, query: Select[tuple[int]]) -> int:
    limited = query.limit(MAX_COUNT).subquery()
    return connection.execute(select(func.count()).select_from(limited)).scalar_one()
