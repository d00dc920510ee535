"""The record of alerts: what needs a person and since when, whom it has to be told to, and what came of that.

Each destination is told of an alert at most twice: when it has stood for a while, and when it has been gone for as
long. What is to be told is rows, claimed for a minute by the process that sends them, so that nothing is lost with a
process and nothing is told by two.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, insert, select, text, update

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db import locks
from ultraviolet.db.tables.alerts import alert_notices, alerts
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.alerts.conditions import AlertCondition, Topic

NoticeKind = Literal["opened", "fixed"]

_LEASE = timedelta(seconds=60)
_SHORTEST, _LONGEST = timedelta(seconds=10), timedelta(hours=1)
_ATTEMPTS = 50
"""With waits of an hour at most, some two days."""
_KEPT = timedelta(days=90)
_AT_ONCE = 100

_TELL_OPENED = text(
    """INSERT INTO alert_notices (alert_id, destination_id, what, attempts, next_attempt_at)
    SELECT a.id, d.id, 'opened', 0, :now FROM alerts AS a CROSS JOIN alert_destinations AS d
    WHERE a.fixed_at IS NULL AND a.gone_since IS NULL AND a.opened_at <= :settled AND NOT EXISTS
      (SELECT 1 FROM alert_notices AS n WHERE n.alert_id = a.id AND n.destination_id = d.id) AND NOT EXISTS
      (SELECT 1 FROM integrations AS i WHERE i.id = a.integration_id AND i.paused)"""
)
_FORGET_UNTOLD = text(
    """DELETE FROM alert_notices WHERE what = 'opened' AND sent_at IS NULL
      AND alert_id IN (SELECT id FROM alerts WHERE fixed_at = :now)"""
)
_TELL_FIXED = text(
    """INSERT INTO alert_notices (alert_id, destination_id, what, attempts, next_attempt_at)
    SELECT n.alert_id, n.destination_id, 'fixed', 0, :now FROM alert_notices AS n JOIN alerts AS a ON a.id = n.alert_id
    WHERE a.fixed_at = :now AND n.what = 'opened'"""
)
_CLAIM = text(
    """UPDATE alert_notices SET next_attempt_at = :lease, attempts = attempts + 1
    WHERE next_attempt_at <= :now RETURNING alert_id, destination_id, what, attempts"""
)
_WAITS = text("SELECT min(next_attempt_at) FROM alert_notices WHERE next_attempt_at IS NOT NULL")


class Alert(msgspec.Struct, frozen=True):
    """Something that needs a person, or needed one."""

    id: int
    integration_id: int | None
    integration: str | None
    topic: Topic
    sentence: str
    next_step: str
    opened_at: str
    fixed_at: str | None


class Due(msgspec.Struct, frozen=True):
    """Something to tell a destination now."""

    alert: Alert
    destination_id: int
    what: NoticeKind
    attempts: int


def save_conditions(
    connection: Connection,
    looked_at: Collection[int | None],
    needs: Sequence[AlertCondition],
    settle: timedelta,
) -> None:
    """Write down what a look at these integrations (None: the hub itself) found, and what is to be told of it."""
    locks.lock(connection, "alerts")
    moment, settled = now_rfc3339(), as_text(utc_now() - settle)
    standing = {
        (a.integration_id, a.topic): a for a in _open(connection) if a.integration_id in looked_at
    }
    for need in needs:
        row = standing.pop((need.integration_id, need.topic), None)
        values = {"sentence": need.sentence, "next_step": need.next_step, "gone_since": None}
        if row is None:
            key = {"integration_id": need.integration_id, "topic": need.topic, "opened_at": moment}
            connection.execute(insert(alerts).values(**key, **values))
        elif row.sentence != need.sentence or row.gone_since:
            connection.execute(update(alerts).where(alerts.c.id == row.id).values(**values))
    for row in standing.values():
        if row.gone_since is None:
            told = row.opened_at <= settled
            gone = update(alerts).values(gone_since=moment) if told else delete(alerts)
            connection.execute(gone.where(alerts.c.id == row.id))
        elif row.gone_since <= settled:
            connection.execute(update(alerts).where(alerts.c.id == row.id).values(fixed_at=moment))
    connection.execute(_FORGET_UNTOLD, {"now": moment})
    connection.execute(_TELL_FIXED, {"now": moment})
    connection.execute(_TELL_OPENED, {"now": moment, "settled": settled})
    connection.execute(delete(alerts).where(alerts.c.fixed_at < as_text(utc_now() - _KEPT)))


def claim_due(connection: Connection) -> list[Due]:
    """Take what is due for telling; nobody else does for a minute, and then again if it was not settled."""
    locks.lock(connection, "alerts")
    given = {"now": now_rfc3339(), "lease": as_text(utc_now() + _LEASE)}
    rows = connection.execute(_CLAIM, given).all()
    known = {
        alert.id: alert
        for alert in _read(connection, alerts.c.id.in_({row.alert_id for row in rows}))
    }
    return [Due(known[row.alert_id], row.destination_id, row.what, row.attempts) for row in rows]


def has_due(connection: Connection) -> bool:
    """Return whether something is due for telling."""
    first = connection.execute(_WAITS).scalar()
    return first is not None and first <= now_rfc3339()


def record_attempts(connection: Connection, told: Sequence[Due], error: str | None) -> None:
    """Write down what came of telling; what failed is told again later, ever less often."""
    for due in told:
        values: dict[str, Any] = {"sent_at": now_rfc3339(), "next_attempt_at": None, "error": None}
        if error is not None:
            wait = min(_LONGEST, _SHORTEST * 2 ** min(due.attempts - 1, 20))
            again = None if due.attempts >= _ATTEMPTS else as_text(utc_now() + wait)
            values = {"next_attempt_at": again, "error": error}
        notice = alert_notices.c
        mine = (notice.alert_id == due.alert.id, notice.destination_id == due.destination_id)
        connection.execute(
            update(alert_notices).where(*mine, notice.what == due.what).values(**values)
        )


def list_recent(
    connection: Connection, limit: int, before: int | None = None, *, standing: bool = False
) -> list[Alert]:
    """Read alerts, the newest first."""
    where = [alerts.c.id < before] if before is not None else []
    return _read(
        connection, *where, *([alerts.c.fixed_at.is_(None)] if standing else []), limit=limit
    )


def _open(connection: Connection) -> Sequence[Any]:
    return connection.execute(select(alerts).where(alerts.c.fixed_at.is_(None))).all()


def _read(connection: Connection, *where: Any, limit: int | None = None) -> list[Alert]:
    query = select(alerts, integrations.c.name.label("integration")).outerjoin(
        integrations, integrations.c.id == alerts.c.integration_id
    )
    rows = connection.execute(
        query.where(*where).order_by(alerts.c.id.desc()).limit(limit)
    ).mappings()
    return [Alert(**{name: row[name] for name in Alert.__struct_fields__}) for row in rows]
