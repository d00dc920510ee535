"""Where alerts go: e-mail addresses, chat webhooks and signed webhooks; what is secret of them is sealed and shown once."""

import base64
import re
import secrets as random
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.tables.alerts import alert_destinations
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.egress import AddressNotAllowedError, EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.validation import check_characters

Kind: TypeAlias = Literal["email", "slack", "webhook"]

_EMAIL = re.compile(r"[^\s@,<>\"\x00-\x1f]+@[^\s@,<>\"\x00-\x1f]+")


class Destination(msgspec.Struct, frozen=True):
    """Where alerts go, without what is secret of it."""

    id: int
    name: str
    kind: Kind
    shown: str
    """The address, or of a webhook as much of it as is no secret."""
    created_at: str
    last_result: str | None
    """What came of the last message, in words."""
    last_well: bool | None
    last_at: str | None


class DecryptedDestination(msgspec.Struct, frozen=True):
    """A destination with all it takes to send to it; never logged, never shown."""

    id: int
    name: str
    kind: Kind
    address: str
    signing_secret: str | None

    def __repr__(self) -> str:
        """Keep secrets out of tracebacks and logs."""
        return f"Opened({self.id}, {self.kind})"


def add(
    connection: Connection,
    secrets: SecretBox,
    targets: EgressPolicy,
    actor: str,
    *,
    name: str,
    kind: Kind,
    address: str,
) -> tuple[Destination, str | None]:
    """Add a destination; the secret that signs a webhook is returned here and never again.

    Raises InvalidError for an address that makes no sense, ConflictError for a name in use.
    """
    name, address = name.strip(), address.strip()
    if not name:
        raise InvalidError("A destination needs a name that says who reads it")
    check_characters(name)
    shown = _checked(targets, kind, address)
    known = select(alert_destinations.c.id).where(alert_destinations.c.name == name)
    if connection.execute(known).scalar() is not None:
        raise ConflictError(f"There is already a destination named {name}")
    signs = (
        f"whsec_{base64.b64encode(random.token_bytes(32)).decode()}" if kind == "webhook" else None
    )
    values = {
        "name": name,
        "kind": kind,
        "shown": shown,
        "address": secrets.encrypt(address),
        "signing_secret": secrets.encrypt(signs) if signs else None,
        "created_at": now_rfc3339(),
    }
    made = insert(alert_destinations).values(**values).returning(alert_destinations)
    found = _destination(connection.execute(made).mappings().one())
    audit.record(connection, actor, "alert_destination.add", name, {"kind": kind, "address": shown})
    return found, signs


def remove(connection: Connection, actor: str, destination_id: int) -> None:
    """Send nothing there any more."""
    found = get(connection, destination_id)
    connection.execute(delete(alert_destinations).where(alert_destinations.c.id == destination_id))
    audit.record(connection, actor, "alert_destination.remove", found.name)


def get(connection: Connection, destination_id: int) -> Destination:
    """Read one destination; raises NotFoundError."""
    return _destination(_row(connection, destination_id))


def list_destinations(connection: Connection) -> list[Destination]:
    """Read all destinations by name."""
    query = select(alert_destinations).order_by(alert_destinations.c.name)
    return [_destination(row) for row in connection.execute(query).mappings()]


def has_destinations(connection: Connection) -> bool:
    """Return whether there is somebody to tell."""
    return connection.execute(select(alert_destinations.c.id).limit(1)).scalar() is not None


def decrypt_destination(
    connection: Connection, secrets: SecretBox, destination_id: int
) -> DecryptedDestination:
    """Read what it takes to send to a destination; raises NotFoundError."""
    row = _row(connection, destination_id)
    signs = row["signing_secret"]
    return DecryptedDestination(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        address=secrets.decrypt(bytes(row["address"])),
        signing_secret=secrets.decrypt(bytes(signs)) if signs else None,
    )


def record_result(connection: Connection, destination_id: int, *, well: bool, says: str) -> None:
    """Write down what came of the last message."""
    where = alert_destinations.c.id == destination_id
    values = {"last_result": says, "last_well": well, "last_at": now_rfc3339()}
    connection.execute(update(alert_destinations).where(where).values(**values))


def _checked(targets: EgressPolicy, kind: Kind, address: str) -> str:
    """Check an address; returns what may be shown of it."""
    if kind == "email":
        parts = [part.strip() for part in address.split(",")]
        if not all(_EMAIL.fullmatch(part) for part in parts):
            raise InvalidError(f"{address} is no e-mail address; several are separated by commas")
        return ", ".join(parts)
    try:
        targets.check(address)
        place = urlsplit(address)
    except (AddressNotAllowedError, ValueError) as error:
        raise InvalidError(str(error)) from error
    return f"{place.scheme}://{place.netloc}/…"


def _row(connection: Connection, destination_id: int) -> RowMapping:
    query = select(alert_destinations).where(alert_destinations.c.id == destination_id)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no destination {destination_id}; `ultraviolet alert list` shows all"
        )
    return row


def _destination(row: RowMapping) -> Destination:
    return Destination(**{name: row[name] for name in Destination.__struct_fields__})
