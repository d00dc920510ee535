"""Doing a thing once however often it is asked: the first answer is kept for a day and given again.

The answer is kept encrypted, because it may carry a secret that is shown only once. One who does a thing says every
few seconds that it still lives; after a crash, what was begun may be begun again.
"""

from datetime import timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ultraviolet import times
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.hub.secrets import Secrets
from ultraviolet.mirror.tables import idempotency_keys

KEPT = timedelta(hours=24)
RENEWED_EVERY = 10.0
"""Seconds between two signs of life."""
_ALIVE = timedelta(seconds=30)


class IdempotencyKeyReusedError(InvalidError):
    """This Idempotency-Key was sent with another request within 24 hours; choose a new one for each thing to do."""

    kind = "idempotency-key-reused"
    field = "Idempotency-Key"


class UnderWayError(ConflictError):
    """The first request with this Idempotency-Key is still under way; ask again in a moment."""

    kind = "under-way"
    headers = {"Retry-After": "1"}  # noqa: RUF012  as the parent has it


class Asked(msgspec.Struct, frozen=True):
    """A request that names itself: by whom, under which key, and a digest of what it asks."""

    owner: str
    key: str
    request: bytes


class Answer(msgspec.Struct, frozen=True):
    """What was answered."""

    status: int
    body: bytes


def begin(connection: Connection, secrets: Secrets, asked: Asked) -> Answer | None:
    """Begin it, or give the answer there was.

    Raises IdempotencyKeyReusedError where the key names something else, UnderWayError where it is being done.
    """
    now = times.now()
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.expires_at < now))
    row = connection.execute(select(idempotency_keys).where(*_is(asked))).mappings().one_or_none()
    if row is None:
        _insert(connection, asked)
        return None
    if bytes(row["request"]) != asked.request:
        raise IdempotencyKeyReusedError
    if row["alive_until"] is None:
        return Answer(row["status"], secrets.open(bytes(row["answer"])).encode())
    taken = update(idempotency_keys).where(*_is(asked), idempotency_keys.c.alive_until < now)
    if not connection.execute(taken.values(alive_until=_in(_ALIVE))).rowcount:
        raise UnderWayError
    return None


def renew(connection: Connection, asked: Asked) -> None:
    """Say that it is still being done; what is done stays done, whichever of the two is written first."""
    doing = update(idempotency_keys).where(*_is(asked), idempotency_keys.c.alive_until.is_not(None))
    connection.execute(doing.values(alive_until=_in(_ALIVE)))


def finish(connection: Connection, secrets: Secrets, asked: Asked, answer: Answer | None) -> None:
    """Keep what was answered; without an answer nothing was done, and the key is free again."""
    if answer is None:
        connection.execute(delete(idempotency_keys).where(*_is(asked)))
        return
    done = {
        "alive_until": None,
        "status": answer.status,
        "answer": secrets.seal(answer.body.decode()),
        "expires_at": _in(KEPT),
    }
    connection.execute(update(idempotency_keys).where(*_is(asked)).values(**done))


def forget(connection: Connection, owner: str) -> None:
    """Give nobody again what was answered to someone who is gone."""
    connection.execute(delete(idempotency_keys).where(idempotency_keys.c.owner == owner))


def _insert(connection: Connection, asked: Asked) -> None:
    values = msgspec.structs.asdict(asked) | {"alive_until": _in(_ALIVE), "expires_at": _in(KEPT)}
    try:
        connection.execute(insert(idempotency_keys).values(**values))
    except IntegrityError as error:  # another transaction was first
        raise UnderWayError from error


def _is(asked: Asked) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    kept = idempotency_keys.c
    return kept.owner == asked.owner, kept.key == asked.key


def _in(span: timedelta) -> str:
    return times.text(times.present() + span)
