"""Re-encryption of all stored secrets after a key rotation."""

from sqlalchemy import Connection, delete, select, update

from ultraviolet.db.tables.accounts import idempotency_keys
from ultraviolet.db.tables.alerts import alert_destinations
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import SecretBox


def reencrypt_all(connection: Connection, secrets: SecretBox, actor: str) -> int:
    """Encrypt every stored secret with the newest key; return their number.

    Raise SecretKeyError if no key decrypts a secret. Delete responses stored for idempotency keys.
    """
    count = 0
    for column in (
        integrations.c.client_secret,
        webhook_urls.c.shared_secret,
        alert_destinations.c.address,
        alert_destinations.c.signing_secret,
    ):
        table = column.table
        query = select(table.c.id, column).where(column.is_not(None))
        for row_id, old_value in connection.execute(query).all():
            new_value = secrets.encrypt(secrets.decrypt(bytes(old_value)))
            statement = update(table).where(table.c.id == row_id)
            connection.execute(statement.values({column.name: new_value}))
            count += 1
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.answer.is_not(None)))
    audit.record(connection, actor, "secrets.rotate", "secret key", {"resealed": count})
    return count
