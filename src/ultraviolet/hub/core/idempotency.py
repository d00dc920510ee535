"""Idempotency keys: a repeated request gets the stored response of the first one for 24 hours.

The response is stored encrypted, because it may contain a secret that is shown only once. The
process that handles a request renews its claim every few seconds. After a crash the claim expires,
and the request can be repeated.
"""

from datetime import timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ultraviolet import clock
from ultraviolet.db.tables.accounts import idempotency_keys
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.hub.core.encryption import SecretBox

RETENTION = timedelta(hours=24)
RENEW_INTERVAL_SECONDS = 10.0
_CLAIM_LIFETIME = timedelta(seconds=30)


class IdempotencyKeyReusedError(InvalidError):
    """This Idempotency-Key was used for another request; use a new key for each request."""

    kind = "idempotency-key-reused"
    field = "Idempotency-Key"


class InProgressError(ConflictError):
    """The first request with this Idempotency-Key is in progress; repeat it in a moment."""

    kind = "in-progress"
    headers = {"Retry-After": "1"}  # noqa: RUF012  as in the parent


class KeyedRequest(msgspec.Struct, frozen=True):
    """A request with an idempotency key: the identity of its sender, the key, and a digest."""

    owner: str
    key: str
    request: bytes


class StoredResponse(msgspec.Struct, frozen=True):
    """The response to repeat."""

    status: int
    body: bytes


def begin(
    connection: Connection, secrets: SecretBox, request: KeyedRequest
) -> StoredResponse | None:
    """Claim the key and return None, or return the stored response.

    Raise IdempotencyKeyReusedError if the key belongs to another request, InProgressError while
    another process handles this one.
    """
    now = clock.now_rfc3339()
    table = idempotency_keys.c
    connection.execute(delete(idempotency_keys).where(table.expires_at < now))
    query = select(idempotency_keys).where(*_matches(request))
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        values = msgspec.structs.asdict(request)
        values |= {"alive_until": _after(_CLAIM_LIFETIME), "expires_at": _after(RETENTION)}
        try:
            connection.execute(insert(idempotency_keys).values(**values))
        except IntegrityError as error:  # another transaction was first
            raise InProgressError from error
        return None
    if bytes(row["request"]) != request.request:
        raise IdempotencyKeyReusedError
    if row["alive_until"] is None:
        return StoredResponse(row["status"], secrets.decrypt(bytes(row["answer"])).encode())
    reclaim = update(idempotency_keys).where(*_matches(request), table.alive_until < now)
    if not connection.execute(reclaim.values(alive_until=_after(_CLAIM_LIFETIME))).rowcount:
        raise InProgressError
    return None


def renew(connection: Connection, request: KeyedRequest) -> None:
    """Extend the claim of a request in progress; leave a finished one unchanged."""
    claimed = idempotency_keys.c.alive_until.is_not(None)
    statement = update(idempotency_keys).where(*_matches(request), claimed)
    connection.execute(statement.values(alive_until=_after(_CLAIM_LIFETIME)))


def finish(
    connection: Connection,
    secrets: SecretBox,
    request: KeyedRequest,
    response: StoredResponse | None,
) -> None:
    """Store the response; None means that nothing was done, and releases the key."""
    if response is None:
        connection.execute(delete(idempotency_keys).where(*_matches(request)))
        return
    values = {
        "alive_until": None,
        "status": response.status,
        "answer": secrets.encrypt(response.body.decode()),
        "expires_at": _after(RETENTION),
    }
    connection.execute(update(idempotency_keys).where(*_matches(request)).values(**values))


def delete_owner(connection: Connection, owner: str) -> None:
    """Delete the stored responses of a removed user or key."""
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.owner == owner))


def _matches(request: KeyedRequest) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return idempotency_keys.c.owner == request.owner, idempotency_keys.c.key == request.key


def _after(span: timedelta) -> str:
    return clock.format_rfc3339(clock.utc_now() + span)
