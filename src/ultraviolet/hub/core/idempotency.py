"""Doing a thing once however often it is asked: the first answer is kept for a day and given again.

The answer is kept encrypted, because it may carry a secret that is shown only once. One who does a thing says every
few seconds that it still lives; after a crash, what was begun may be begun again.
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
"""Seconds between two signs of life."""
_ALIVE = timedelta(seconds=30)


class IdempotencyKeyReusedError(InvalidError):
    """This Idempotency-Key was sent with another request within 24 hours; choose a new one for each thing to do."""

    kind = "idempotency-key-reused"
    field = "Idempotency-Key"


class InProgressError(ConflictError):
    """The first request with this Idempotency-Key is still under way; ask again in a moment."""

    kind = "under-way"
    headers = {"Retry-After": "1"}  # noqa: RUF012  as the parent has it


class KeyedRequest(msgspec.Struct, frozen=True):
    """A request that names itself: by whom, under which key, and a digest of what it asks."""

    owner: str
    key: str
    request: bytes


class StoredResponse(msgspec.Struct, frozen=True):
    """What was answered."""

    status: int
    body: bytes


def begin(connection: Connection, secrets: SecretBox, asked: KeyedRequest) -> StoredResponse | None:
    """Begin it, or give the answer there was.

    Raises IdempotencyKeyReusedError where the key names something else, UnderWayError where it is being done.
    """
    now = clock.now_rfc3339()
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.expires_at < now))
    row = connection.execute(select(idempotency_keys).where(*_is(asked))).mappings().one_or_none()
    if row is None:
        _insert(connection, asked)
        return None
    if bytes(row["request"]) != asked.request:
        raise IdempotencyKeyReusedError
    if row["alive_until"] is None:
        return StoredResponse(row["status"], secrets.decrypt(bytes(row["answer"])).encode())
    taken = update(idempotency_keys).where(*_is(asked), idempotency_keys.c.alive_until < now)
    if not connection.execute(taken.values(alive_until=_in(_ALIVE))).rowcount:
        raise InProgressError
    return None


def renew(connection: Connection, asked: KeyedRequest) -> None:
    """Say that it is still being done; what is done stays done, whichever of the two is written first."""
    doing = update(idempotency_keys).where(*_is(asked), idempotency_keys.c.alive_until.is_not(None))
    connection.execute(doing.values(alive_until=_in(_ALIVE)))


def finish(
    connection: Connection, secrets: SecretBox, asked: KeyedRequest, answer: StoredResponse | None
) -> None:
    """Keep what was answered; without an answer nothing was done, and the key is free again."""
    if answer is None:
        connection.execute(delete(idempotency_keys).where(*_is(asked)))
        return
    done = {
        "alive_until": None,
        "status": answer.status,
        "answer": secrets.encrypt(answer.body.decode()),
        "expires_at": _in(RETENTION),
    }
    connection.execute(update(idempotency_keys).where(*_is(asked)).values(**done))


def delete_owner(connection: Connection, owner: str) -> None:
    """Return nobody again what was answered to someone who is gone."""
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.owner == owner))


def _insert(connection: Connection, asked: KeyedRequest) -> None:
    values = msgspec.structs.asdict(asked) | {
        "alive_until": _in(_ALIVE),
        "expires_at": _in(RETENTION),
    }
    try:
        connection.execute(insert(idempotency_keys).values(**values))
    except IntegrityError as error:  # another transaction was first
        raise InProgressError from error


def _is(asked: KeyedRequest) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    kept = idempotency_keys.c
    return kept.owner == asked.owner, kept.key == asked.key


def _in(span: timedelta) -> str:
    return clock.format_rfc3339(clock.utc_now() + span)
