"""Sealing all that is kept for others anew, with the newest key."""

from sqlalchemy import Connection, delete, select, update

from ultraviolet.db.tables.accounts import idempotency_keys
from ultraviolet.db.tables.alerts import alert_destinations
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import SecretBox


def reencrypt_all(connection: Connection, secrets: SecretBox, actor: str) -> int:
    """Seal every secret with the newest key; returns how many. Raises SecretKeyError when no key given opens one.

    Answers that were kept to be given again are forgotten.
    """
    count = 0
    for column in (
        integrations.c.client_secret,
        webhook_urls.c.shared_secret,
        alert_destinations.c.address,
        alert_destinations.c.signing_secret,
    ):
        table = column.table
        for row in connection.execute(select(table.c.id, column).where(column.is_not(None))).all():
            sealed = secrets.encrypt(secrets.decrypt(bytes(row[1])))
            connection.execute(
                update(table).where(table.c.id == row[0]).values({column.name: sealed})
            )
            count += 1
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.answer.is_not(None)))
    audit.record(connection, actor, "secrets.rotate", "secret key", {"resealed": count})
    return count
