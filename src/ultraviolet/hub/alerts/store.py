"""Stored alerts and their notifications per destination.

Each destination gets at most two notifications of an alert: after the problem has lasted for the
settle time, and after it has been gone for as long. A pending notification is a row that a process
claims for a minute, so that none is lost with a process or sent by two.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, insert, select, text, update

from ultraviolet.clock import format_rfc3339, now_rfc3339, utc_now
from ultraviolet.db import locks
from ultraviolet.db.sql import as_struct
from ultraviolet.db.tables.alerts import alert_notices, alerts
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.alerts.conditions import Conditions, Topic

NoticeKind = Literal["opened", "fixed"]

_CLAIM_LIFETIME = timedelta(seconds=60)
_MIN_RETRY_DELAY, _MAX_RETRY_DELAY = timedelta(seconds=10), timedelta(hours=1)
_MAX_ATTEMPTS = 50
"""About two days of retries."""
_RETENTION = timedelta(days=90)

_NOTIFY_OPENED = text(
    """INSERT INTO alert_notices (alert_id, destination_id, what, attempts, next_attempt_at)
    SELECT a.id, d.id, 'opened', 0, :now FROM alerts AS a CROSS JOIN alert_destinations AS d
    WHERE a.fixed_at IS NULL AND a.gone_since IS NULL AND a.opened_at <= :settled
      AND NOT EXISTS (SELECT 1 FROM alert_notices AS n
        WHERE n.alert_id = a.id AND n.destination_id = d.id)
      AND NOT EXISTS (SELECT 1 FROM integrations AS i WHERE i.id = a.integration_id AND i.paused)"""
)
_CANCEL_UNSENT = text(
    """DELETE FROM alert_notices WHERE what = 'opened' AND sent_at IS NULL
      AND alert_id IN (SELECT id FROM alerts WHERE fixed_at = :now)"""
)
_NOTIFY_FIXED = text(
    """INSERT INTO alert_notices (alert_id, destination_id, what, attempts, next_attempt_at)
    SELECT n.alert_id, n.destination_id, 'fixed', 0, :now
    FROM alert_notices AS n JOIN alerts AS a ON a.id = n.alert_id
    WHERE a.fixed_at = :now AND n.what = 'opened'"""
)
_CLAIM = text(
    """UPDATE alert_notices SET next_attempt_at = :claimed_until, attempts = attempts + 1
    WHERE next_attempt_at <= :now RETURNING alert_id, destination_id, what, attempts"""
)
_NEXT_DUE = text("SELECT min(next_attempt_at) FROM alert_notices WHERE next_attempt_at IS NOT NULL")


class Alert(msgspec.Struct, frozen=True):
    """A problem that needs or needed a person."""

    id: int
    integration_id: int | None
    integration: str | None
    topic: Topic
    message: str
    next_step: str
    opened_at: str
    fixed_at: str | None


class Due(msgspec.Struct, frozen=True):
    """A claimed notification to send to a destination."""

    alert: Alert
    destination_id: int
    kind: NoticeKind
    attempts: int


def save_conditions(
    connection: Connection,
    checked_ids: Collection[int | None],
    conditions: Conditions,
    settle: timedelta,
) -> None:
    """Update the alerts of the checked integrations, and create the notifications that are due.

    The id None in `checked_ids` means the hub itself.
    """
    locks.lock(connection, "alerts")
    now, settled = now_rfc3339(), format_rfc3339(utc_now() - settle)
    open_rows = connection.execute(select(alerts).where(alerts.c.fixed_at.is_(None))).all()
    rows = {
        (row.integration_id, row.topic): row
        for row in open_rows
        if row.integration_id in checked_ids
    }
    for (integration_id, topic), finding in conditions.items():
        row = rows.pop((integration_id, topic), None)
        values = {"message": finding.message, "next_step": finding.next_step, "gone_since": None}
        if row is None:
            key = {"integration_id": integration_id, "topic": topic}
            connection.execute(insert(alerts).values(**key, **values, opened_at=now))
        elif row.message != finding.message or row.gone_since:
            connection.execute(update(alerts).where(alerts.c.id == row.id).values(**values))
    for row in rows.values():
        if row.gone_since is None:
            # A problem shorter than the settle time is over at once: it has no notification.
            fixed_at = None if row.opened_at <= settled else now
            ended = update(alerts).values(gone_since=now, fixed_at=fixed_at)
            connection.execute(ended.where(alerts.c.id == row.id))
        elif row.gone_since <= settled:
            connection.execute(update(alerts).where(alerts.c.id == row.id).values(fixed_at=now))
    connection.execute(_CANCEL_UNSENT, {"now": now})
    connection.execute(_NOTIFY_FIXED, {"now": now})
    connection.execute(_NOTIFY_OPENED, {"now": now, "settled": settled})
    connection.execute(
        delete(alerts).where(alerts.c.fixed_at < format_rfc3339(utc_now() - _RETENTION))
    )


def claim_due(connection: Connection) -> list[Due]:
    """Claim the notifications that are due; the claim expires after a minute without a result."""
    locks.lock(connection, "alerts")
    parameters = {
        "now": now_rfc3339(),
        "claimed_until": format_rfc3339(utc_now() + _CLAIM_LIFETIME),
    }
    rows = connection.execute(_CLAIM, parameters).all()
    found = _read(connection, alerts.c.id.in_({row.alert_id for row in rows}))
    by_id = {alert.id: alert for alert in found}
    return [Due(by_id[row.alert_id], row.destination_id, row.what, row.attempts) for row in rows]


def has_due(connection: Connection) -> bool:
    """Return whether a notification is due."""
    first = connection.execute(_NEXT_DUE).scalar()
    return first is not None and first <= now_rfc3339()


def record_attempts(connection: Connection, sent: Sequence[Due], error: str | None) -> None:
    """Record the result of sending; schedule a retry after an error, with exponential backoff."""
    for due in sent:
        values: dict[str, Any] = {"sent_at": now_rfc3339(), "next_attempt_at": None, "error": None}
        if error is not None:
            delay = min(_MAX_RETRY_DELAY, _MIN_RETRY_DELAY * 2 ** min(due.attempts - 1, 20))
            give_up = due.attempts >= _MAX_ATTEMPTS
            next_attempt_at = None if give_up else format_rfc3339(utc_now() + delay)
            values = {"next_attempt_at": next_attempt_at, "error": error}
        notice = alert_notices.c
        statement = update(alert_notices).where(
            notice.alert_id == due.alert.id,
            notice.destination_id == due.destination_id,
            notice.what == due.kind,
        )
        connection.execute(statement.values(**values))


def list_recent(
    connection: Connection,
    limit: int,
    before: int | None = None,
    *,
    state: Literal["open", "fixed"] | None = None,
) -> list[Alert]:
    """Return alerts, newest first; only those with an id lower than `before`, if given."""
    conditions = [alerts.c.id < before] if before is not None else []
    if state:
        is_open = alerts.c.fixed_at.is_(None)
        conditions.append(is_open if state == "open" else ~is_open)
    return _read(connection, *conditions, limit=limit)


def _read(connection: Connection, *conditions: Any, limit: int | None = None) -> list[Alert]:
    query = select(alerts, integrations.c.name.label("integration")).outerjoin(
        integrations, integrations.c.id == alerts.c.integration_id
    )
    rows = connection.execute(
        query.where(*conditions).order_by(alerts.c.id.desc()).limit(limit)
    ).mappings()
    return [as_struct(Alert, row) for row in rows]
