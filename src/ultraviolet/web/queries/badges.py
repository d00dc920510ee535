"""Counts that the navigation shows beside its entries."""

import msgspec
from sqlalchemy import Connection, func, select

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
    """Return a badge for each count above zero, without that of the alerts."""
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
    badges: list[Badge] = []
    for address, label, tone, query in queries:
        limited = query.limit(MAX_COUNT).subquery()
        count = connection.execute(select(func.count()).select_from(limited)).scalar_one()
        if count:
            badges.append(make_badge(address, count, MAX_COUNT, label, tone))
    return badges


def make_badge(address: str, count: int, limit: int, label: str, tone: str) -> Badge:
    """Return the badge of a count, which ends at the limit."""
    return Badge(address, f"{count}{'+' if count == limit else ''}", f"{count} {label}", tone)
