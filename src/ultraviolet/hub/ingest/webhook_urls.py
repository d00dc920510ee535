"""Webhook URLs: addresses for deliveries, shown once, kept as a hash, rotated without a gap, revoked at once."""

from datetime import timedelta
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, RowMapping, insert, select, update

from ultraviolet import clock
from ultraviolet.db.locks import for_update
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import SecretBox, hash_token, new_token
from ultraviolet.hub.core.validation import check_characters
from ultraviolet.ion.signatures import SignatureFormat

ROTATED_LIFETIME = timedelta(hours=24)
State = Literal["active", "rotated", "revoked"]
_CARRIED = (
    "integration_id",
    "name",
    "receiver_id",
    "shared_secret",
    "signature_format",
    "wanted",
    "subscribed_at",
)
"""What a successor takes over from the address it replaces."""


class WebhookUrl(msgspec.Struct, frozen=True):
    """An address for deliveries, without its secret part."""

    id: int
    integration_id: int
    name: str
    last_four: str
    state: State
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    verifies: bool
    """Whether the receiver's shared secret is known, so that signatures are verified."""
    signature_format: SignatureFormat | None
    wanted: list[tuple[str, str]] | None
    created_at: str
    subscribed_at: str | None
    """Since when ION is known to post here everything that is wanted."""
    first_delivery_at: str | None
    last_delivery_at: str | None
    first_verified_at: str | None
    refused: int
    """Deliveries with a wrong signature."""
    last_refused_at: str | None
    last_failure: str | None
    """What became of the last delivery that was not taken: wrong_signature, too_large or put_off."""
    last_failure_at: str | None


class UrlEntry(msgspec.Struct, frozen=True):
    """What ingest needs of an address that works; never logged."""

    url_id: int
    integration_id: int
    shared_secret: str | None
    signature_format: SignatureFormat | None
    state: State
    expires_at: str | None


def public_address(public_url: str, token: str) -> str:
    """Return the whole URL; this is the one moment it exists."""
    return f"{public_url.rstrip('/')}/hooks/{token}"


def create_url(
    connection: Connection, actor: str, integration_id: int, name: str
) -> tuple[WebhookUrl, str]:
    """Make an address for one integration; its secret part is returned here and never again."""
    if not name.strip():
        raise InvalidError("A webhook URL needs a name that says where it is used")
    check_characters(name.strip())
    known = select(integrations.c.id).where(
        integrations.c.id == integration_id, ~integrations.c.removed
    )
    if connection.execute(known).scalar_one_or_none() is None:
        raise NotFoundError(f"There is no integration {integration_id}")
    minted = _insert(connection, integration_id=integration_id, name=name.strip())
    audit.record(
        connection,
        actor,
        "webhook_url.create",
        _subject(minted[0]),
        {"integration_id": integration_id},
    )
    return minted


def rotate_url(connection: Connection, actor: str, url_id: int) -> tuple[WebhookUrl, str]:
    """Replace an address: both work until the first delivery on the new one, the old one 24 hours at most."""
    row = _row(connection, url_id, to_change=True)
    if row["state"] != "active":
        raise ConflictError(
            f"Webhook URL {url_id} is {row['state']}; rotate the active one, or create a new one"
        )
    url, token = _insert(connection, replaces_id=url_id, **{name: row[name] for name in _CARRIED})
    expires_at = clock.format_rfc3339(clock.utc_now() + ROTATED_LIFETIME)
    _set(connection, url_id, state="rotated", expires_at=expires_at)
    audit.record(connection, actor, "webhook_url.rotate", _subject(_url(row)), {"new": url.id})
    return url, token


def revoke_url(connection: Connection, actor: str, url_id: int) -> WebhookUrl:
    """End an address at once; what ION sends there from now on is refused."""
    row = _row(connection, url_id, to_change=True)
    if row["state"] != "revoked":
        _set(connection, url_id, state="revoked", shared_secret=None)
        audit.record(connection, actor, "webhook_url.revoke", _subject(_url(row)))
    return get_url(connection, url_id)


def get_url(connection: Connection, url_id: int, *, to_change: bool = False) -> WebhookUrl:
    """Read one address; raises NotFoundError. Nobody else changes one `to_change` before the transaction ends."""
    return _url(_row(connection, url_id, to_change=to_change))


def list_urls(connection: Connection, integration_id: int) -> list[WebhookUrl]:
    """Read the addresses of an integration, newest first."""
    query = select(webhook_urls).where(webhook_urls.c.integration_id == integration_id)
    return [
        _url(row) for row in connection.execute(query.order_by(webhook_urls.c.id.desc())).mappings()
    ]


def find_by_token(connection: Connection, integration_id: int, token: str) -> WebhookUrl | None:
    """Find the working address of an integration that has this secret part."""
    where = (
        webhook_urls.c.integration_id == integration_id,
        webhook_urls.c.token_hash == hash_token(token),
    )
    row = connection.execute(select(webhook_urls).where(*where)).mappings().one_or_none()
    return None if row is None or _state(row) == "revoked" else _url(row)


def current_url(connection: Connection, integration_id: int) -> WebhookUrl | None:
    """Return the active address set-up works on: the newest with a receiver, else the newest."""
    active_ones = [url for url in list_urls(connection, integration_id) if url.state == "active"]
    with_receiver = [url for url in active_ones if url.receiver_id]
    return next(iter(with_receiver or active_ones), None)


def active_urls(connection: Connection, secrets: SecretBox) -> dict[bytes, UrlEntry]:
    """Read what ingest looks up: the addresses that work, by the hash of their token."""
    query = select(webhook_urls).where(webhook_urls.c.state != "revoked")
    rows = connection.execute(query).mappings().all()
    return {
        bytes(row["token_hash"]): _entry(row, secrets) for row in rows if _state(row) != "revoked"
    }


def set_receiver(
    connection: Connection,
    secrets: SecretBox,
    actor: str,
    url_id: int,
    *,
    receiver_id: str,
    shared_secret: str | None,
) -> WebhookUrl:
    """Remember which of ION's receivers posts here and, where it could be read, its shared secret."""
    row = _row(connection, url_id, to_change=True)
    values: dict[str, Any] = {"receiver_id": receiver_id}
    if shared_secret and (
        not row["shared_secret"] or secrets.decrypt(row["shared_secret"]) != shared_secret
    ):
        sealed = secrets.encrypt(shared_secret)
        values |= {"shared_secret": sealed, "signature_format": None, "first_verified_at": None}
    if row["receiver_id"] != receiver_id or "shared_secret" in values:
        _set(connection, url_id, **values)
        audit.record(
            connection,
            actor,
            "webhook_url.set_receiver",
            _subject(_url(row)),
            {"receiver": receiver_id},
        )
    return get_url(connection, url_id)


def set_wanted(
    connection: Connection, actor: str, url_id: int, wanted: list[tuple[str, str]] | None
) -> WebhookUrl:
    """Say which (resource, action) pairs are to be subscribed; None means all supported."""
    if get_url(connection, url_id, to_change=True).wanted != wanted:
        pairs = None if wanted is None else [list(pair) for pair in wanted]
        _set(connection, url_id, wanted=pairs, subscribed_at=None)
        audit.record(
            connection,
            actor,
            "webhook_url.set_wanted",
            str(url_id),
            {"pairs": wanted and len(wanted)},
        )
    return get_url(connection, url_id)


def set_subscribed(connection: Connection, url_id: int) -> None:
    """Note that ION posts from now on what it did not before; what changed earlier needs a full fetch to be found."""
    change = update(webhook_urls).where(webhook_urls.c.id == url_id)
    connection.execute(change.values(subscribed_at=clock.now_rfc3339()))


def _insert(connection: Connection, **values: Any) -> tuple[WebhookUrl, str]:
    token = new_token("uvh")
    values |= {
        "token_hash": hash_token(token),
        "last_four": token[-4:],
        "state": "active",
        "created_at": clock.now_rfc3339(),
    }
    row = (
        connection.execute(insert(webhook_urls).values(**values).returning(webhook_urls))
        .mappings()
        .one()
    )
    return _url(row), token


def _set(connection: Connection, url_id: int, **values: Any) -> None:
    connection.execute(update(webhook_urls).where(webhook_urls.c.id == url_id).values(**values))


def _row(connection: Connection, url_id: int, *, to_change: bool = False) -> RowMapping:
    query = select(webhook_urls).where(webhook_urls.c.id == url_id)
    row = connection.execute(for_update(query, to_change=to_change)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no webhook URL {url_id}; `ultraviolet webhook list` shows all"
        )
    return row


def _state(row: RowMapping) -> State:
    expired = (
        row["state"] == "rotated"
        and row["expires_at"] is not None
        and row["expires_at"] < clock.now_rfc3339()
    )
    return "revoked" if expired else row["state"]


def _url(row: RowMapping) -> WebhookUrl:
    values = {name: row[name] for name in WebhookUrl.__struct_fields__ if name != "verifies"}
    values |= {"state": _state(row), "verifies": row["shared_secret"] is not None}
    return msgspec.convert(values, WebhookUrl)


def _entry(row: RowMapping, secrets: SecretBox) -> UrlEntry:
    secret = secrets.decrypt(row["shared_secret"]) if row["shared_secret"] else None
    return UrlEntry(
        url_id=row["id"],
        integration_id=row["integration_id"],
        shared_secret=secret,
        signature_format=row["signature_format"],
        state=row["state"],
        expires_at=row["expires_at"],
    )


def _subject(url: WebhookUrl) -> str:
    return f"{url.name} (…{url.last_four})"
