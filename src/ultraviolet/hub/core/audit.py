"""The audit log: the actions of users and API keys in this hub, append-only."""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from ultraviolet import clock
from ultraviolet.db.tables.accounts import audit_log

ACTIONS = {
    "alert_destination.add": "Alert destination added",
    "alert_destination.remove": "Alert destination removed",
    "event.import": "Events imported",
    "event.replay": "Events replayed",
    "fetch.start": "Sync started",
    "index.create": "Index created",
    "integration.create": "Integration created",
    "integration.pause": "Integration paused",
    "integration.remove": "Integration deleted",
    "integration.resume": "Integration resumed",
    "integration.update": "Integration changed",
    "key.create": "API key created",
    "key.revoke": "API key revoked",
    "receiver.create": "Receiver created in ION",
    "receiver.subscribe": "Subscriptions changed in ION",
    "receiver.update": "Receiver changed in ION",
    "retention.update": "Retention changed",
    "secrets.rotate": "Secret key rotated",
    "session.begin": "Signed in",
    "session.end": "Session ended",
    "session.end_all": "Signed out everywhere",
    "session.refuse": "Sign-in refused",
    "user.await_from_provider": "Single sign-on address changed",
    "user.create": "Person added",
    "user.make_link": "Sign-in link created",
    "user.remove": "Person removed",
    "user.revoke_links": "Sign-in links revoked",
    "user.set_password": "Password set",
    "user.set_role": "Role changed",
    "user.tie": "Single sign-on account linked",
    "verification.start": "Verification started",
    "webhook_url.create": "Webhook URL created",
    "webhook_url.revoke": "Webhook URL revoked",
    "webhook_url.rotate": "Webhook URL rotated",
    "webhook_url.set_receiver": "Receiver of a webhook URL set",
    "webhook_url.set_wanted": "Subscriptions of a webhook URL changed",
}
"""Each recorded action, noun.verb, with its label."""


class AuditEntry(msgspec.Struct, frozen=True):
    """One recorded action."""

    seq: int
    at: str
    actor: str
    action: str
    subject: str
    detail: dict[str, Any] | None


class AuditFilter(msgspec.Struct, frozen=True):
    """Selects entries; a condition that is None does not restrict them."""

    actor: str | None = None
    """Part of the name of a person or an API key, in any case."""
    action: str | None = None
    """A key of ACTIONS."""
    subject: str | None = None
    """Part of the subject, in any case."""
    since: str | None = None
    """RFC 3339; entries at or after this time."""
    until: str | None = None
    """RFC 3339; entries before this time."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions of a query."""
        columns = audit_log.c
        parts = ((columns.actor, self.actor), (columns.subject, self.subject))
        found = [
            func.lower(column).contains(part.lower(), autoescape=True)
            for column, part in parts
            if part
        ]
        if self.action:
            found.append(columns.action == self.action)
        if self.since:
            found.append(columns.at >= self.since)
        if self.until:
            found.append(columns.at < self.until)
        return found


def record(
    connection: Connection,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> None:
    """Record that `actor` did `action` (of ACTIONS) to `subject`; `detail` must hold no secret."""
    connection.execute(
        audit_log.insert().values(
            at=clock.now_rfc3339(), actor=actor, action=action, subject=subject, detail=detail
        )
    )


def list_recent(
    connection: Connection,
    before: int | None = None,
    limit: int = 50,
    matching: AuditFilter | None = None,
) -> list[AuditEntry]:
    """Return matching entries, newest first; only those with a `seq` lower than `before`."""
    query = select(audit_log).order_by(audit_log.c.seq.desc()).limit(limit)
    if matching is not None:
        query = query.where(*matching.conditions())
    if before is not None:
        query = query.where(audit_log.c.seq < before)
    return [AuditEntry(**row) for row in connection.execute(query).mappings()]
