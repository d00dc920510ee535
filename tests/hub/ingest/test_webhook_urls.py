"""Webhook URLs are shown once, found by their hash, rotated without a gap and revoked at once."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, select, update

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


def create(connection: Connection, name: str = " ION ") -> tuple[webhook_urls.WebhookUrl, str]:
    return webhook_urls.create_url(connection, "kim", 1, name)


def end_rotation(connection: Connection, url_id: int) -> None:
    """Move the expiry of a rotated URL into the past."""
    change = update(events.webhook_urls).where(events.webhook_urls.c.id == url_id)
    connection.execute(change.values(expires_at="2020-01-01T00:00:00.000000+00:00"))


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
    end_rotation(connection, old.id)
    assert valid_ids(connection) == {new.id}
    assert webhook_urls.get_url(connection, old.id).state == "revoked"


def test_revoked_url_is_invalid(connection: Connection) -> None:
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
    second, _ = create(connection, "ION 2")
    assert webhook_urls.current_url(connection, 1) == second
    known = webhook_urls.set_receiver(
        connection, SECRETS, "kim", first.id, receiver_id="7", shared_secret=None
    )
    assert webhook_urls.current_url(connection, 1) == known
    assert [second.id, first.id] == [url.id for url in webhook_urls.list_urls(connection, 1)]


def test_name_is_unique_among_the_usable_urls_of_an_integration(connection: Connection) -> None:
    first, _ = create(connection)
    with pytest.raises(ConflictError, match="already has a webhook URL named “ION”"):
        create(connection, "ION")
    assert create(connection, "ion")[0].name == "ion", "names differ by case"
    other = NewIntegration("other plant", "api.example.com", "auth.example.com", "id", "secret")
    other_id = integrations.create(connection, SECRETS, "kim", other).id
    assert webhook_urls.create_url(connection, "kim", other_id, "ION")[0].name == "ION"

    webhook_urls.revoke_url(connection, "kim", first.id)
    assert create(connection)[0].id != first.id


def test_name_is_taken_until_both_urls_of_a_rotation_are_gone(connection: Connection) -> None:
    old, _ = create(connection)
    new, _ = webhook_urls.rotate_url(connection, "kim", old.id)
    assert new.name == old.name
    webhook_urls.revoke_url(connection, "kim", new.id)
    with pytest.raises(ConflictError):
        create(connection)
    assert webhook_urls.free_name(connection, 1, "ION") == "ION 2"

    end_rotation(connection, old.id)
    assert webhook_urls.free_name(connection, 1, "ION") == "ION"
    create(connection)


def test_name_without_visible_or_with_control_characters_is_rejected(
    connection: Connection,
) -> None:
    for name in ("", "\t \n", "ION\u202e", "ION\x00"):
        with pytest.raises(InvalidError):
            create(connection, name)
    assert webhook_urls.list_urls(connection, 1) == []


@given(names=st.lists(st.sampled_from(["ION", "ION 2", "ION 3", "ION 5", "MES"]), unique=True))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_free_name_can_always_be_created_and_has_the_lowest_number(
    connection: Connection, names: list[str]
) -> None:
    connection.execute(delete(events.webhook_urls))
    for name in names:
        create(connection, name)
    free = webhook_urls.free_name(connection, 1, "ION")
    assert free not in names
    number = int(free.removeprefix("ION").strip() or "1")
    assert {"ION", *(f"ION {n}" for n in range(2, number))} - {free} <= set(names)
    assert create(connection, free)[0].name == free


def test_chosen_url_is_used_only_while_it_is_an_active_url_of_the_integration(
    connection: Connection,
) -> None:
    with_receiver, _ = create(connection)
    chosen, _ = create(connection, "MES")
    other = NewIntegration("other plant", "api.example.com", "auth.example.com", "id", "secret")
    other_id = integrations.create(connection, SECRETS, "kim", other).id
    foreign, _ = webhook_urls.create_url(connection, "kim", other_id, "ION")
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", with_receiver.id, receiver_id="7", shared_secret=None
    )

    def used(url_id: int | None) -> int | None:
        found = webhook_urls.current_url(connection, 1, url_id)
        return found and found.id

    assert used(chosen.id) == chosen.id
    assert [used(None), used(foreign.id), used(99)] == [with_receiver.id] * 3
    successor, _ = webhook_urls.rotate_url(connection, "kim", chosen.id)
    assert [used(chosen.id), used(successor.id)] == [with_receiver.id, successor.id]
    webhook_urls.revoke_url(connection, "kim", with_receiver.id)
    assert used(with_receiver.id) == successor.id


def test_rotation_ends_after_a_day(connection: Connection) -> None:
    old, token = create(connection)
    new, new_token = webhook_urls.rotate_url(connection, "kim", old.id)
    rotated = webhook_urls.get_url(connection, old.id)
    assert (rotated.state, new.expires_at) == ("rotated", None)
    assert rotated.expires_at
    lasts = datetime.fromisoformat(rotated.expires_at) - datetime.fromisoformat(new.created_at)
    assert abs((lasts - webhook_urls.ROTATED_LIFETIME).total_seconds()) < 10
    assert webhook_urls.find_by_token(connection, 1, token) == rotated

    end_rotation(connection, old.id)
    assert webhook_urls.find_by_token(connection, 1, token) is None
    assert webhook_urls.find_by_token(connection, 1, new_token) == new
    with pytest.raises(ConflictError, match="revoked"):
        webhook_urls.rotate_url(connection, "kim", old.id)


def test_each_url_of_a_rotation_has_its_own_shared_secret(connection: Connection) -> None:
    old, old_token = create(connection)
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", old.id, receiver_id="7", shared_secret="before"
    )
    new, new_token = webhook_urls.rotate_url(connection, "kim", old.id)
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", new.id, receiver_id="8", shared_secret="after"
    )
    entries = webhook_urls.active_urls(connection, SECRETS)
    assert entries[hash_token(old_token)].shared_secret == "before"
    assert entries[hash_token(new_token)].shared_secret == "after"
    webhook_urls.set_receiver(
        connection, SECRETS, "kim", new.id, receiver_id="9", shared_secret=None
    )
    kept = webhook_urls.active_urls(connection, SECRETS)[hash_token(new_token)]
    assert kept.shared_secret == "after", "an unknown secret does not replace a known one"


def test_changed_selection_resets_the_time_of_subscription(
    connection: Connection,
) -> None:
    url, _ = create(connection)

    def after(wanted: list[tuple[str, str]] | None) -> webhook_urls.WebhookUrl:
        webhook_urls.set_wanted(connection, "kim", 1, wanted)
        return webhook_urls.get_url(connection, url.id)

    assert after([("runs", "UPDATE")]).wanted
    webhook_urls.set_subscribed(connection, url.id)
    since = webhook_urls.get_url(connection, url.id).subscribed_at
    same = after([("runs", "UPDATE")])
    assert (since is not None, same.subscribed_at) == (True, since)
    everything = after(None)
    assert (everything.wanted, everything.subscribed_at) == (None, None)
    actions = connection.execute(select(accounts.audit_log.c.action)).scalars().all()
    assert actions.count("webhook_url.set_wanted") == 2
