"""Counts that the navigation shows beside its entries."""

import msgspec
from sqlalchemy import Connection, func, select

from ultraviolet.db.tables.alerts import alerts
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
        (
            "/settings/alerts",
            "active",
            "bad",
            select(alerts.c.id).where(alerts.c.fixed_at.is_(None), alerts.c.gone_since.is_(None)),
        ),
    )
    badges: list[Badge] = []
    for address, label, tone, query in queries:
        limited = query.limit(MAX_COUNT).subquery()
        count = connection.execute(select(func.count()).select_from(limited)).scalar_one()
        if count:
            shown = f"{count}{'+' if count == MAX_COUNT else ''}"
            badges.append(Badge(address, shown, f"{count} {label}", tone))
    return badges
