"""Idempotency keys: one effect per key, with the first response repeated."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, select, update

from ultraviolet import clock
from ultraviolet.db.tables.accounts import idempotency_keys
from ultraviolet.hub.core import idempotency
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.idempotency import (
    IdempotencyKeyReusedError,
    InProgressError,
    KeyedRequest,
    StoredResponse,
)

SECRETS = SecretBox.from_text("a key of sixteen characters")
REQUEST = KeyedRequest("user:1", "k1", b"digest")
RESPONSE = StoredResponse(201, b'{"token": "uvk_secret"}')


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        yield connection


def past() -> str:
    return clock.format_rfc3339(clock.utc_now() - timedelta(seconds=1))


def test_repeated_request_gets_the_stored_response(connection: Connection) -> None:
    assert idempotency.begin(connection, SECRETS, REQUEST) is None
    idempotency.finish(connection, SECRETS, REQUEST, RESPONSE)

    assert idempotency.begin(connection, SECRETS, REQUEST) == RESPONSE
    assert idempotency.begin(connection, SECRETS, REQUEST) == RESPONSE


def test_response_is_stored_encrypted(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    idempotency.finish(connection, SECRETS, REQUEST, RESPONSE)

    row = connection.execute(select(idempotency_keys)).one()
    assert b"uvk_secret" not in bytes(row.answer)


def test_key_of_another_request_is_refused(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    with pytest.raises(IdempotencyKeyReusedError):
        idempotency.begin(connection, SECRETS, KeyedRequest("user:1", "k1", b"other digest"))


def test_owners_do_not_share_keys(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    idempotency.finish(connection, SECRETS, REQUEST, RESPONSE)

    other = KeyedRequest("user:2", "k1", b"digest")
    assert idempotency.begin(connection, SECRETS, other) is None


def test_request_in_progress_is_refused_until_its_claim_expires(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    with pytest.raises(InProgressError):
        idempotency.begin(connection, SECRETS, REQUEST)

    connection.execute(update(idempotency_keys).values(alive_until=past()))

    assert idempotency.begin(connection, SECRETS, REQUEST) is None
    with pytest.raises(InProgressError):
        idempotency.begin(connection, SECRETS, REQUEST)


def test_renewed_claim_does_not_expire(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    connection.execute(update(idempotency_keys).values(alive_until=past()))
    idempotency.renew(connection, REQUEST)

    with pytest.raises(InProgressError):
        idempotency.begin(connection, SECRETS, REQUEST)


def test_late_renewal_keeps_the_response(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    idempotency.finish(connection, SECRETS, REQUEST, RESPONSE)
    idempotency.renew(connection, REQUEST)

    assert idempotency.begin(connection, SECRETS, REQUEST) == RESPONSE


def test_refused_request_releases_its_key(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    idempotency.finish(connection, SECRETS, REQUEST, None)

    other = KeyedRequest("user:1", "k1", b"other digest")
    assert idempotency.begin(connection, SECRETS, other) is None


def test_key_is_free_after_its_retention(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    idempotency.finish(connection, SECRETS, REQUEST, RESPONSE)
    connection.execute(update(idempotency_keys).values(expires_at=past()))

    assert idempotency.begin(connection, SECRETS, REQUEST) is None


def test_removed_owner_leaves_no_responses(connection: Connection) -> None:
    idempotency.begin(connection, SECRETS, REQUEST)
    idempotency.finish(connection, SECRETS, REQUEST, RESPONSE)
    idempotency.delete_owner(connection, "user:1")

    assert idempotency.begin(connection, SECRETS, REQUEST) is None
