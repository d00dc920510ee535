"""API keys: validity, storage as hashes, and keys from the environment."""

import pytest
from sqlalchemy import Connection, select

from ultraviolet.db.tables.accounts import api_keys as keys_table
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.accounts import api_keys
from ultraviolet.hub.core import audit


def test_key_is_valid_until_revoked_or_expired(connection: Connection) -> None:
    key, token = api_keys.create_key(connection, "Kim", "ci", "operator")
    actor = api_keys.get_key_actor(connection, token)
    assert actor is not None
    assert (actor.name, actor.role) == ("key:ci", "operator")
    api_keys.touch_key(connection, token)
    assert api_keys.list_keys(connection)[0].last_used_at is not None
    assert api_keys.revoke_key(connection, "Kim", key.id).revoked_at is not None
    assert api_keys.get_key_actor(connection, token) is None
    _, expired = api_keys.create_key(
        connection, "Kim", "old", "viewer", expires_at="2020-01-01T00:00:00Z"
    )
    assert api_keys.get_key_actor(connection, expired) is None
    assert api_keys.get_key_actor(connection, "uvk_guess") is None
    with pytest.raises(NotFoundError):
        api_keys.revoke_key(connection, "Kim", 99)


def test_key_is_stored_as_a_hash_and_its_creation_is_audited(connection: Connection) -> None:
    _, token = api_keys.create_key(connection, "Kim", "ci", "operator")
    assert token not in str(connection.execute(select(keys_table)).mappings().all())
    [entry] = audit.list_recent(connection)
    assert (entry.actor, entry.action, entry.subject) == ("Kim", "key.create", "ci")
    assert audit.list_recent(connection, before=entry.seq) == []


def test_key_from_the_environment_replaces_the_previous_one(connection: Connection) -> None:
    api_keys.set_key(connection, "environment", "admin", "first")
    first = api_keys.set_key(connection, "environment", "admin", "first")
    api_keys.set_key(connection, "environment", "admin", "second")
    assert api_keys.get_key_actor(connection, "first") is None
    second = api_keys.get_key_actor(connection, "second")
    assert second is not None
    assert (second.name, second.role) == ("key:environment", "admin")
    assert first.name == "environment"
    api_keys.delete_key(connection, "environment")
    assert api_keys.list_keys(connection) == []


def test_ending_process_keeps_the_key_of_its_successor(connection: Connection) -> None:
    api_keys.set_key(connection, "process", "admin", "old")
    api_keys.set_key(connection, "process", "admin", "new")

    api_keys.delete_key_by_token(connection, "old")
    assert api_keys.get_key_actor(connection, "new") is not None
    api_keys.delete_key_by_token(connection, "new")
    assert api_keys.get_key_actor(connection, "new") is None


@pytest.mark.parametrize("role", ["owner", ""])
def test_unknown_role_and_invalid_expiry_are_refused(connection: Connection, role: str) -> None:
    with pytest.raises(InvalidError, match="role"):
        api_keys.create_key(connection, "Kim", "ci", role)  # type: ignore[arg-type]
    with pytest.raises(InvalidError, match="time"):
        api_keys.create_key(connection, "Kim", "ci", "viewer", expires_at="tomorrow")


def test_name_of_a_key_is_free_after_its_revocation(connection: Connection) -> None:
    key, _ = api_keys.create_key(connection, "Kim", "ci", "viewer")
    with pytest.raises(ConflictError, match="named ci already exists"):
        api_keys.create_key(connection, "Kim", " ci ", "admin")
    api_keys.revoke_key(connection, "Kim", key.id)
    assert api_keys.create_key(connection, "Kim", "ci", "viewer")[0].id != key.id
