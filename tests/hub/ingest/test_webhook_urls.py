"""Webhook URLs are shown once, found by their hash, rotated without a gap and revoked at once."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, select, update

from ultraviolet.db.tables import accounts, events
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.core.encryption import SecretBox, hash_token
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration

SECRETS = SecretBox.from_text("a key of sixteen characters")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        new = NewIntegration("plant", "api.example.com", "auth.example.com", "id", "secret")
        integrations.create(connection, SECRETS, "kim", new)
        yield connection


def create(connection: Connection) -> tuple[webhook_urls.WebhookUrl, str]:
    return webhook_urls.create_url(connection, "kim", 1, " ION ")


def valid_ids(connection: Connection) -> set[int]:
    return {entry.url_id for entry in webhook_urls.active_urls(connection, SECRETS).values()}


def test_token_is_stored_as_a_hash(connection: Connection) -> None:
    url, token = create(connection)
    assert (
        webhook_urls.public_address("http://hub.example/", token)
        == f"http://hub.example/hooks/{token}"
    )
    assert (url.name, url.last_four, url.state, url.verifies) == (
        "ION",
        token[-4:],
        "active",
        False,
    )
    assert token not in str(connection.execute(select(events.webhook_urls)).mappings().all())
    assert token not in str(connection.execute(select(accounts.audit_log)).mappings().all())
    entry = webhook_urls.active_urls(connection, SECRETS)[hash_token(token)]
    assert (entry.url_id, entry.integration_id, entry.shared_secret) == (url.id, 1, None)
    assert webhook_urls.find_by_token(connection, 1, token) == url
    assert webhook_urls.find_by_token(connection, 2, token) is None


def test_rotated_url_works_for_a_day_and_passes_on_its_receiver(
    connection: Connection,
) -> None:
    old, _ = create(connection)
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", old.id, receiver_id="7", shared_secret="shared"
    )
    webhook_urls.set_wanted(connection, "kim", old.id, [("runs", "UPDATE")])
    new, _ = webhook_urls.rotate_url(connection, "kim", old.id)
    assert (new.replaces_id, new.receiver_id, new.verifies, new.wanted) == (
        old.id,
        "7",
        True,
        [("runs", "UPDATE")],
    )
    assert valid_ids(connection) == {old.id, new.id}
    assert webhook_urls.current_url(connection, 1) == new
    with pytest.raises(ConflictError, match="rotated"):
        webhook_urls.rotate_url(connection, "kim", old.id)
    past = update(events.webhook_urls).where(events.webhook_urls.c.id == old.id)
    connection.execute(past.values(expires_at="2020-01-01T00:00:00.000000+00:00"))
    assert valid_ids(connection) == {new.id}
    assert webhook_urls.get_url(connection, old.id).state == "revoked"


def test_a_revoked_address_is_no_more(connection: Connection) -> None:
    url, token = create(connection)
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", url.id, receiver_id="7", shared_secret="shared"
    )
    assert webhook_urls.revoke_url(connection, "kim", url.id).state == "revoked"
    assert webhook_urls.revoke_url(connection, "kim", url.id).verifies is False
    assert valid_ids(connection) == set()
    assert webhook_urls.find_by_token(connection, 1, token) is None
    assert webhook_urls.current_url(connection, 1) is None
    actions = connection.execute(select(accounts.audit_log.c.action)).scalars().all()
    assert actions.count("webhook_url.revoke") == 1


def test_shared_secret_is_encrypted_and_a_new_one_resets_the_signature_format(
    connection: Connection,
) -> None:
    url, token = create(connection)
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", url.id, receiver_id="7", shared_secret="shared"
    )
    assert (
        webhook_urls.active_urls(connection, SECRETS)[hash_token(token)].shared_secret == "shared"
    )
    assert (
        b"shared"
        not in connection.execute(select(events.webhook_urls.c.shared_secret)).scalar_one()
    )
    connection.execute(
        update(events.webhook_urls).values(signature_format="hex", first_verified_at="then")
    )
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", url.id, receiver_id="7", shared_secret="shared"
    )
    assert webhook_urls.get_url(connection, url.id).signature_format == "hex"
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", url.id, receiver_id="7", shared_secret="another"
    )
    assert webhook_urls.get_url(connection, url.id).signature_format is None


def test_invalid_names_and_ids_are_rejected(connection: Connection) -> None:
    with pytest.raises(InvalidError, match="name"):
        webhook_urls.create_url(connection, "kim", 1, " ")
    with pytest.raises(NotFoundError):
        webhook_urls.create_url(connection, "kim", 9, "ION")
    with pytest.raises(NotFoundError):
        webhook_urls.get_url(connection, 9)


def test_setup_uses_the_url_with_a_receiver(connection: Connection) -> None:
    first, _ = create(connection)
    second, _ = create(connection)
    assert webhook_urls.current_url(connection, 1) == second
    known = webhook_urls.set_receiver(
        connection, SECRETS, "kim", first.id, receiver_id="7", shared_secret=None
    )
    assert webhook_urls.current_url(connection, 1) == known
    assert [second.id, first.id] == [url.id for url in webhook_urls.list_urls(connection, 1)]
