"""Integrations are validated when created, and their secrets are never returned."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, select

from ultraviolet.db.tables import accounts
from ultraviolet.db.tables import integrations as tables_integrations
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.accounts import users
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import models
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connection_test import TestResult
from ultraviolet.hub.integrations.models import Integration, IntegrationChanges, NewIntegration
from ultraviolet.ion import catalog
from ultraviolet.ion.auth import token_urls
from ultraviolet.ion.client import graphql_url
from ultraviolet.ion.queries import OfferedSchema

SECRETS = SecretBox.from_text("a key of sixteen characters")
NEW = NewIntegration("plant", "api.example.com/", "auth.example.com", "id", "client-secret")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.begin() as connection:
        yield connection


def create(connection: Connection, **changes: object) -> models.Integration:
    values = {name: getattr(NEW, name) for name in NEW.__struct_fields__} | changes
    return integrations.create(connection, SECRETS, "kim", NewIntegration(**values))


def test_new_integration_is_stored_with_an_encrypted_secret(connection: Connection) -> None:
    made = create(connection)
    assert (made.api_url, made.paused, made.test_result) == ("https://api.example.com", False, None)
    assert integrations.find(connection, "plant") == integrations.find(connection, made.id) == made
    assert "client-secret" not in repr(made)
    kept = connection.execute(select(tables_integrations.integrations)).one()
    assert b"client-secret" not in kept.client_secret
    signs_in = integrations.credentials(connection, SECRETS, made.id)
    assert signs_in.client_secret == "client-secret"
    assert "client-secret" not in repr(signs_in)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": " "}, "The name is empty"),
        ({"name": "17"}, "just a number"),
        ({"client_secret": ""}, "The client secret is empty"),
        ({"api_url": "no address"}, "is not an address"),
        ({"auth_url": ""}, "is not an address"),
        ({"api_url": "https://svc:hunter2@ion.example.com"}, "contains a user name or password"),
        ({"auth_url": "svc@ion.example.com"}, "contains a user name or password"),
        ({"api_url": "javascript://127.0.0.1/%0aalert(1)"}, "not a full address"),
        ({"auth_url": "ftp://ion.example.com"}, "not a full address"),
        ({"api_url": "https://ion.example.com:port"}, "Invalid address"),
        ({"full_schedule": "daily"}, "is not a cron schedule"),
        ({"requests_per_second": 0}, "Enter 1 to 1000"),
    ],
)
def test_invalid_values_are_refused(
    connection: Connection, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidError, match=message):
        create(connection, **changes)


def test_names_are_unique(connection: Connection) -> None:
    create(connection)
    other = create(connection, name="other")
    with pytest.raises(ConflictError, match="plant"):
        create(connection)
    with pytest.raises(ConflictError, match="plant"):
        integrations.edit(connection, SECRETS, "kim", other.id, IntegrationChanges(name="plant"))
    assert [each.name for each in integrations.list_page(connection)] == ["plant", "other"]
    assert integrations.list_page(connection, after=other.id) == []


def test_edit_changes_only_the_given_fields(connection: Connection) -> None:
    made = create(connection)
    edited = integrations.edit(
        connection, SECRETS, "kim", made.id, IntegrationChanges(full_schedule="0 4 * * *")
    )
    assert (edited.full_schedule, edited.client_id) == ("0 4 * * *", "id")
    assert integrations.credentials(connection, SECRETS, made.id).client_secret == "client-secret"
    integrations.edit(
        connection, SECRETS, "kim", made.id, IntegrationChanges(client_secret="another")
    )
    assert integrations.credentials(connection, SECRETS, made.id).client_secret == "another"


@pytest.mark.parametrize("name", ["api_url", "auth_url"])
def test_changed_host_requires_the_client_secret(connection: Connection, name: str) -> None:
    made = create(connection)

    def edit(**changes: str) -> Integration:
        return integrations.edit(connection, SECRETS, "kim", made.id, IntegrationChanges(**changes))

    for elsewhere in ("https://elsewhere.example.com", f"{getattr(made, name)}:8443"):
        with pytest.raises(InvalidError, match="client secret again"):
            edit(**{name: elsewhere})
    assert getattr(made, name) == getattr(integrations.get(connection, made.id), name)
    assert getattr(edit(**{name: f"{getattr(made, name)}/base"}), name).endswith("/base")
    moved = edit(**{name: "https://elsewhere.example.com", "client_secret": "client-secret"})
    assert "https://elsewhere.example.com" == getattr(moved, name)


def test_pause_and_resume_are_stored_and_audited_once(connection: Connection) -> None:
    made = create(connection)
    assert integrations.pause(connection, "kim", made.id).paused
    assert integrations.pause(connection, "kim", made.id).paused
    assert not integrations.resume(connection, "kim", made.id).paused
    actions = (
        connection.execute(select(accounts.audit_log.c.action).order_by(accounts.audit_log.c.seq))
        .scalars()
        .all()
    )
    assert actions == ["integration.create", "integration.pause", "integration.resume"]


def test_removed_integration_frees_its_name_and_is_inactive(
    connection: Connection,
) -> None:
    made = create(connection)
    integrations.remove(connection, "kim", made.id)
    with pytest.raises(NotFoundError):
        integrations.find(connection, "plant")
    assert integrations.list_active(connection) == {}
    integrations.remove(connection, "kim", made.id)
    assert integrations.get(connection, made.id).name == f"plant (being deleted, {made.id})"
    with pytest.raises(ConflictError, match="is being deleted"):
        integrations.resume(connection, "kim", made.id)
    with pytest.raises(ConflictError, match="is being deleted"):
        integrations.edit(connection, SECRETS, "kim", made.id, IntegrationChanges(name="again"))
    with pytest.raises(NotFoundError):
        webhook_urls.create_url(connection, "kim", made.id, "ION")
    # What is still on its way to it must not come to the next one.
    assert create(connection).id > made.id


def test_untested_integration_offers_the_whole_contract(connection: Connection) -> None:
    made = create(connection)
    offered = integrations.offered_schema(connection, catalog.load_catalog(), made.id)
    assert offered.has("ResourceEnum", "PURCHASE_ORDERS")


def test_connection_test_updates_an_integration_only_if_the_schema_changed(
    connection: Connection,
) -> None:
    """The time of change makes the process with the lease use the new schema."""
    made = create(connection)
    tested = TestResult(True, made.created_at, None, [], [])

    def test(*fields: str) -> str:
        found = OfferedSchema({"Query": frozenset({"parts"}), "Part": frozenset(fields)})
        integrations.save_test_result(connection, catalog.load_catalog(), made.id, tested, found)
        return integrations.list_active(connection)[made.id]

    first = test("id", "partNumber")
    assert first > made.updated_at
    assert test("partNumber", "id") == first
    assert test("id") > first


@pytest.mark.parametrize("preset", models.PRESETS, ids=lambda preset: preset.name)
def test_presets_are_complete_addresses(preset: models.Preset) -> None:
    assert graphql_url(preset.api_url) == f"{preset.api_url}/graphql"
    assert token_urls(preset.auth_url)[0].startswith(preset.auth_url)


@pytest.mark.parametrize("name", ["17", "plant/one"])
def test_name_that_is_ambiguous_in_commands_or_urls_is_refused(
    connection: Connection, name: str
) -> None:
    with pytest.raises(InvalidError, match="A name"):
        create(connection, name=name)
    with pytest.raises(InvalidError, match="A name"):
        users.create_user(connection, "kim", name, "viewer")
