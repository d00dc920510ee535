"""Alert destinations: e-mail addresses, chat webhooks and signed webhooks."""

import base64
import re
from secrets import token_bytes
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.sql import as_struct
from ultraviolet.db.tables.alerts import alert_destinations
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.egress import AddressNotAllowedError, EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.validation import check_characters

Kind: TypeAlias = Literal["email", "slack", "webhook"]

_EMAIL = re.compile(r"[^\s@,<>\"\x00-\x1f]+@[^\s@,<>\"\x00-\x1f]+")


class Destination(msgspec.Struct, frozen=True):
    """A destination of alerts, without its secrets."""

    id: int
    name: str
    kind: Kind
    shown: str
    """The e-mail addresses, or the scheme and host of a webhook."""
    created_at: str
    last_result: str | None
    """The result of the last message, as text."""
    last_well: bool | None
    last_at: str | None


class DecryptedDestination(msgspec.Struct, frozen=True):
    """A destination with its secrets, to send to it; never logged or shown."""

    id: int
    name: str
    kind: Kind
    address: str
    signing_secret: str | None

    def __repr__(self) -> str:
        """Keep secrets out of tracebacks and logs."""
        return f"DecryptedDestination({self.id}, {self.kind})"


def add(
    connection: Connection,
    secrets: SecretBox,
    egress: EgressPolicy,
    actor: str,
    *,
    name: str,
    kind: Kind,
    address: str,
) -> tuple[Destination, str | None]:
    """Create a destination; return it with its signing secret, which cannot be read again.

    Only webhooks have a signing secret. Raise InvalidError for an invalid address, ConflictError
    for a name in use.
    """
    name, address = name.strip(), address.strip()
    if not name:
        raise InvalidError("A destination needs a name that identifies its readers", field="name")
    check_characters(name)
    shown = _check_address(egress, kind, address)
    same_name = select(alert_destinations.c.id).where(alert_destinations.c.name == name)
    if connection.execute(same_name).scalar() is not None:
        raise ConflictError(f"There is already a destination named {name}", field="name")
    signing_secret = None
    if kind == "webhook":
        signing_secret = f"whsec_{base64.b64encode(token_bytes(32)).decode()}"
    values = {
        "name": name,
        "kind": kind,
        "shown": shown,
        "address": secrets.encrypt(address),
        "signing_secret": secrets.encrypt(signing_secret) if signing_secret else None,
        "created_at": now_rfc3339(),
    }
    statement = insert(alert_destinations).values(**values).returning(alert_destinations)
    destination = as_struct(Destination, connection.execute(statement).mappings().one())
    audit.record(connection, actor, "alert_destination.add", name, {"kind": kind, "address": shown})
    return destination, signing_secret


def remove(connection: Connection, actor: str, destination_id: int) -> None:
    """Delete a destination; raise NotFoundError."""
    destination = get(connection, destination_id)
    connection.execute(delete(alert_destinations).where(alert_destinations.c.id == destination_id))
    audit.record(connection, actor, "alert_destination.remove", destination.name)


def get(connection: Connection, destination_id: int) -> Destination:
    """Return a destination; raise NotFoundError."""
    return as_struct(Destination, _select_row(connection, destination_id))


def list_destinations(connection: Connection) -> list[Destination]:
    """Return all destinations, ordered by name."""
    query = select(alert_destinations).order_by(alert_destinations.c.name)
    return [as_struct(Destination, row) for row in connection.execute(query).mappings()]


def decrypt_destination(
    connection: Connection, secrets: SecretBox, destination_id: int
) -> DecryptedDestination:
    """Return a destination with its secrets; raise NotFoundError."""
    row = _select_row(connection, destination_id)
    signing_secret = row["signing_secret"]
    return DecryptedDestination(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        address=secrets.decrypt(bytes(row["address"])),
        signing_secret=secrets.decrypt(bytes(signing_secret)) if signing_secret else None,
    )


def record_result(connection: Connection, destination_id: int, *, ok: bool, result: str) -> None:
    """Record the result of the last message."""
    where = alert_destinations.c.id == destination_id
    values = {"last_result": result, "last_well": ok, "last_at": now_rfc3339()}
    connection.execute(update(alert_destinations).where(where).values(**values))


def _check_address(egress: EgressPolicy, kind: Kind, address: str) -> str:
    """Return the part of an address that may be shown; raise InvalidError."""
    if kind == "email":
        parts = [part.strip() for part in address.split(",")]
        if not all(_EMAIL.fullmatch(part) for part in parts):
            message = f"{address} is not an e-mail address; separate several with commas"
            raise InvalidError(message, field="address")
        return ", ".join(parts)
    try:
        egress.check(address)
        url = urlsplit(address)
    except (AddressNotAllowedError, ValueError) as error:
        raise InvalidError(str(error), field="address") from error
    return f"{url.scheme}://{url.netloc}/…"


def _select_row(connection: Connection, destination_id: int) -> RowMapping:
    query = select(alert_destinations).where(alert_destinations.c.id == destination_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no alert destination {destination_id}.")
    return row
