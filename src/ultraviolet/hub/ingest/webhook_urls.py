"""Create, rotate and revoke webhook URLs. The secret part is shown once and stored as a hash."""

import itertools
from collections.abc import Mapping
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
_INHERITED_COLUMNS = (
    "integration_id",
    "name",
    "receiver_id",
    "shared_secret",
    "signature_format",
    "wanted",
    "manual",
    "subscribed_at",
)
"""Values that a rotated URL passes to its replacement."""


class WebhookUrl(msgspec.Struct, frozen=True):
    """A webhook URL without its secret part."""

    id: int
    integration_id: int
    name: str
    last_four: str
    state: State
    replaces_id: int | None
    expires_at: str | None
    receiver_id: str | None
    receiver_problem: str | None
    """Why ION does not post to an active URL, by the last check: deleted, disabled or elsewhere."""
    verifies: bool
    """Whether the receiver's shared secret is known, so that signatures are verified."""
    signature_format: SignatureFormat | None
    wanted: list[tuple[str, str]] | None
    manual: bool
    """Whether a person sets up its receiver in ION; the hub then does not change the receiver's
    address, and creates no subscription before all have existed once."""
    created_at: str
    subscribed_at: str | None
    """When ION began to post all wanted events here."""
    first_delivery_at: str | None
    last_delivery_at: str | None
    first_verified_at: str | None
    refused: int
    """Deliveries with a wrong signature."""
    last_refused_at: str | None
    last_failure: str | None
    """The outcome of the last rejected delivery: wrong_signature, too_large or put_off."""
    last_failure_at: str | None

    @property
    def waits_for_person(self) -> bool:
        """Whether a person still has to create the subscriptions in ION."""
        return self.manual and self.subscribed_at is None


class UrlEntry(msgspec.Struct, frozen=True):
    """A valid webhook URL as ingest uses it; never logged."""

    url_id: int
    integration_id: int
    shared_secret: str | None
    signature_format: SignatureFormat | None
    state: State
    expires_at: str | None


def public_address(public_url: str, token: str) -> str:
    """Return the complete URL, which is shown once."""
    return f"{public_url.rstrip('/')}/hooks/{token}"


def create_url(
    connection: Connection, actor: str, integration_id: int, name: str, *, manual: bool = True
) -> tuple[WebhookUrl, str]:
    """Create a webhook URL; return it with its secret part, which is not stored.

    `manual`: a person sets up its receiver in ION.
    """
    if not name.strip():
        raise InvalidError("A webhook URL needs a name, such as where it is used.", field="name")
    check_characters(name.strip())
    query = select(integrations.c.id).where(
        integrations.c.id == integration_id, ~integrations.c.removed
    )
    if connection.execute(for_update(query, to_change=True)).scalar_one_or_none() is None:
        raise NotFoundError(f"Integration {integration_id} does not exist.")
    if name.strip() in _names_in_use(connection, integration_id):
        raise ConflictError(
            f"This integration already has a webhook URL named “{name.strip()}”. Use another name,"
            " or rotate or revoke the existing URL.",
            field="name",
        )
    created = _insert(connection, integration_id=integration_id, name=name.strip(), manual=manual)
    audit.record(
        connection,
        actor,
        "webhook_url.create",
        subject(created[0]),
        {"integration_id": integration_id},
    )
    return created


def free_name(connection: Connection, integration_id: int, name: str) -> str:
    """Return the name, or with a number if a URL of the integration has it."""
    taken = _names_in_use(connection, integration_id)
    numbered = (name if number == 1 else f"{name} {number}" for number in itertools.count(1))
    return next(each for each in numbered if each not in taken)


def _names_in_use(connection: Connection, integration_id: int) -> set[str]:
    return {url.name for url in list_urls(connection, integration_id) if url.state != "revoked"}


def rotate_url(connection: Connection, actor: str, url_id: int) -> tuple[WebhookUrl, str]:
    """Create a replacement for a URL.

    The old URL works until the first delivery at the new one, and for 24 hours at most.
    """
    row = _row(connection, url_id, to_change=True)
    if row["state"] != "active":
        raise ConflictError(
            f"Webhook URL {url_id} is {_state(row)}. Rotate the active URL or create a new one."
        )
    url, token = _insert(
        connection, replaces_id=url_id, **{name: row[name] for name in _INHERITED_COLUMNS}
    )
    expires_at = clock.format_rfc3339(clock.utc_now() + ROTATED_LIFETIME)
    _set(connection, url_id, state="rotated", expires_at=expires_at, receiver_problem=None)
    audit.record(connection, actor, "webhook_url.rotate", subject(_url(row)), {"new": url.id})
    return url, token


def revoke_url(connection: Connection, actor: str, url_id: int) -> WebhookUrl:
    """Revoke a URL; the hub answers 404 to later deliveries."""
    row = _row(connection, url_id, to_change=True)
    if row["state"] != "revoked":
        _set(connection, url_id, state="revoked", shared_secret=None, receiver_problem=None)
        audit.record(connection, actor, "webhook_url.revoke", subject(_url(row)))
    return get_url(connection, url_id)


def get_url(connection: Connection, url_id: int, *, to_change: bool = False) -> WebhookUrl:
    """Return a URL; raise NotFoundError. `to_change` locks it until the transaction ends."""
    return _url(_row(connection, url_id, to_change=to_change))


def list_urls(connection: Connection, integration_id: int) -> list[WebhookUrl]:
    """Return the URLs of an integration, newest first."""
    query = select(webhook_urls).where(webhook_urls.c.integration_id == integration_id)
    return [
        _url(row) for row in connection.execute(query.order_by(webhook_urls.c.id.desc())).mappings()
    ]


def find_by_token(connection: Connection, integration_id: int, token: str) -> WebhookUrl | None:
    """Return the valid URL of an integration with this secret part."""
    where = (
        webhook_urls.c.integration_id == integration_id,
        webhook_urls.c.token_hash == hash_token(token),
    )
    row = connection.execute(select(webhook_urls).where(*where)).mappings().one_or_none()
    return None if row is None or _state(row) == "revoked" else _url(row)


def list_active(connection: Connection, integration_id: int) -> list[WebhookUrl]:
    """Return the active URLs of an integration, newest first."""
    return [url for url in list_urls(connection, integration_id) if url.state == "active"]


def current_url(
    connection: Connection, integration_id: int, url_id: int | None = None
) -> WebhookUrl | None:
    """Return the active URL that setup uses: one with a receiver that was complete, or the newest.

    If `url_id` is the id of an active URL of the integration, return that one.
    """
    active = list_active(connection, integration_id)
    chosen = next((url for url in active if url.id == url_id), None)
    return chosen or max(
        active,
        key=lambda url: (url.receiver_id is not None, url.subscribed_at is not None, url.id),
        default=None,
    )


def unfinished_url(connection: Connection, integration_id: int) -> WebhookUrl | None:
    """Return the newest active URL if the hub knows no receiver that posts to it."""
    newest = next(iter(list_active(connection, integration_id)), None)
    return newest if newest and newest.receiver_id is None else None


def active_urls(connection: Connection, secrets: SecretBox) -> dict[bytes, UrlEntry]:
    """Return all valid URLs by token hash, for ingest."""
    query = select(webhook_urls).where(webhook_urls.c.state != "revoked")
    rows = connection.execute(query).mappings().all()
    return {
        bytes(row["token_hash"]): UrlEntry(
            url_id=row["id"],
            integration_id=row["integration_id"],
            shared_secret=secrets.decrypt(row["shared_secret"]) if row["shared_secret"] else None,
            signature_format=row["signature_format"],
            state=row["state"],
            expires_at=row["expires_at"],
        )
        for row in rows
        if _state(row) != "revoked"
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
    """Save the ION receiver that posts to a URL and, if known, its shared secret."""
    row = _row(connection, url_id, to_change=True)
    values: dict[str, Any] = {"receiver_id": receiver_id}
    if shared_secret and (
        not row["shared_secret"] or secrets.decrypt(row["shared_secret"]) != shared_secret
    ):
        encrypted = secrets.encrypt(shared_secret)
        values |= {"shared_secret": encrypted, "signature_format": None, "first_verified_at": None}
    if row["receiver_id"] != receiver_id or "shared_secret" in values:
        _set(connection, url_id, **values)
        audit.record(
            connection,
            actor,
            "webhook_url.set_receiver",
            subject(_url(row)),
            {"receiver": receiver_id},
        )
    return get_url(connection, url_id)


def set_wanted(
    connection: Connection, actor: str, integration_id: int, wanted: list[tuple[str, str]] | None
) -> None:
    """Set the (resource, action) pairs to subscribe to for all active URLs; None means all pairs."""
    pairs = None if wanted is None else [list(pair) for pair in wanted]
    for url in list_active(connection, integration_id):
        get_url(connection, url.id, to_change=True)
        if url.wanted != wanted:
            _set(connection, url.id, wanted=pairs, subscribed_at=None)
            audit.record(
                connection,
                actor,
                "webhook_url.set_wanted",
                subject(url),
                {"pairs": wanted and len(wanted)},
            )


def set_automatic(connection: Connection, url_id: int) -> None:
    """Record that the hub sets up the receiver of a URL."""
    _set(connection, url_id, manual=False)


def set_subscribed(connection: Connection, url_id: int) -> None:
    """Record that all subscriptions exist as of now; a full fetch finds earlier changes."""
    _set(connection, url_id, subscribed_at=clock.now_rfc3339())


def set_receiver_problems(
    connection: Connection, integration_id: int, problems: Mapping[int, str | None]
) -> None:
    """Record by id of the URL why ION does not post to it, or None."""
    for url in list_active(connection, integration_id):
        if url.id in problems and url.receiver_problem != problems[url.id]:
            _set(connection, url.id, receiver_problem=problems[url.id])


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
        raise NotFoundError(f"Webhook URL {url_id} does not exist.")
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


def ids_by_subject(connection: Connection) -> dict[str, int]:
    """Return the ids of all URLs by their name in the audit log."""
    rows = connection.execute(select(webhook_urls)).mappings()
    return {subject(url): url.id for url in map(_url, rows)}


def subject(url: WebhookUrl) -> str:
    """Return how the audit log names a URL."""
    return f"{url.name} (…{url.last_four})"
