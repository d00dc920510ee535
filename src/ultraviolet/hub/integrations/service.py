"""Integrations: the connected ION environments, with their credentials and schedules."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cronsim import CronSim, CronSimError
from sqlalchemy import Connection, RowMapping, Text, delete, insert, select, type_coerce, update

from ultraviolet import clock
from ultraviolet.db.locks import for_update, unique_or_conflict
from ultraviolet.db.tables.alerts import alerts
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.core import audit, finding_store
from ultraviolet.hub.core.egress import AddressNotAllowedError, parse_url
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.validation import check_name
from ultraviolet.hub.integrations import resource_selection, schema_changes
from ultraviolet.hub.integrations.connection_test import TestResult
from ultraviolet.hub.integrations.models import (
    INCREMENTAL_SCHEDULE,
    Credentials,
    Integration,
    IntegrationChanges,
    NewIntegration,
)
from ultraviolet.ion.auth import with_scheme
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter
from ultraviolet.text import did_you_mean

_MAX_REQUESTS_PER_SECOND = 1000
_MAX_NAMED = 10
"""Maximum number of integrations that an error names."""
_ADDRESSES = ("api_url", "auth_url")
_LABELS = {"name": "The name", "client_id": "The client ID", "client_secret": "The client secret"}


def create(
    connection: Connection, secrets: SecretBox, actor: str, new: NewIntegration
) -> Integration:
    """Add an integration; raise ConflictError for a used name, InvalidError for invalid values."""
    values = _checked(msgspec.structs.asdict(new))
    now = clock.now_rfc3339()
    values |= {
        "client_secret": secrets.encrypt(values["client_secret"]),
        "created_at": now,
        "updated_at": now,
    }
    made = insert(integrations).values(**values, paused=False).returning(integrations.c.id)
    with unique_or_conflict(connection, _name_conflict(values["name"])):
        integration_id: int = connection.execute(made).scalar_one()
    audit.record(connection, actor, "integration.create", new.name, {"api_url": values["api_url"]})
    return get(connection, integration_id)


def get(connection: Connection, integration_id: int) -> Integration:
    """Load one integration; raise NotFoundError if it does not exist."""
    return _integration(_row(connection, integration_id))


def find(connection: Connection, id_or_name: str | int) -> Integration:
    """Load one integration by name or id; raise NotFoundError if it does not exist."""
    named = select(integrations).where(integrations.c.name == str(id_or_name))
    row = connection.execute(named).mappings().one_or_none()
    if row is not None:
        return _integration(row)
    if str(id_or_name).isdecimal():
        return get(connection, int(id_or_name))
    raise _unknown(connection, id_or_name)


def find_to_change(connection: Connection, id_or_name: str | int) -> Integration:
    """Load and lock one integration by name or id until the end of the transaction."""
    return _integration(_row(connection, find(connection, id_or_name).id, to_change=True))


def list_active(connection: Connection) -> dict[int, str]:
    """Return the ids of active integrations, and when each was last changed."""
    query = select(integrations.c.id, integrations.c.updated_at).where(~integrations.c.paused)
    return {row.id: row.updated_at for row in connection.execute(query)}


def list_page(
    connection: Connection, after: int = 0, limit: int | None = None
) -> list[Integration]:
    """Load integrations in the order of creation."""
    query = (
        select(integrations)
        .where(integrations.c.id > after)
        .order_by(integrations.c.id)
        .limit(limit)
    )
    return [_integration(row) for row in connection.execute(query).mappings()]


def list_ids(connection: Connection) -> set[int]:
    """Return the ids of all integrations that are not being deleted."""
    query = select(integrations.c.id).where(~integrations.c.removed)
    return {*connection.execute(query).scalars()}


def has_several(connection: Connection) -> bool:
    """Return whether more than one integration exists, so that its name must be shown."""
    return len(connection.execute(select(integrations.c.id).limit(2)).all()) > 1


def edit(
    connection: Connection,
    secrets: SecretBox,
    actor: str,
    integration_id: int,
    changes: IntegrationChanges,
) -> Integration:
    """Change the given values; new credentials or addresses discard the last test result.

    A change of host requires the client secret, because the hub sends it to that host.
    """
    before = _row(connection, integration_id, to_change=True)
    given, values = _changed_values(before, changes)
    if "client_secret" in given:
        values["client_secret"] = secrets.encrypt(values["client_secret"])
    if given.keys() & {"api_url", "auth_url", "client_id", "client_secret"}:
        values |= {"test_result": None}
    where = integrations.c.id == integration_id
    changed = update(integrations).where(where).values(**values, updated_at=clock.now_rfc3339())
    with unique_or_conflict(connection, _name_conflict(values["name"])):
        connection.execute(changed)
    audit.record(
        connection, actor, "integration.update", before["name"], {"changed": sorted(given)}
    )
    if "resources" in given:
        resource_selection.select_resources(
            connection, actor, integration_id, before["resources"], values["resources"]
        )
    return get(connection, integration_id)


def pause(connection: Connection, actor: str, integration_id: int) -> Integration:
    """Stop reading from ION; deliveries are still accepted, and applied after `resume`."""
    return _set_paused(connection, actor, integration_id, paused=True)


def resume(connection: Connection, actor: str, integration_id: int) -> Integration:
    """Resume syncing; raise ConflictError for an integration that is being deleted."""
    _check_not_removed(_row(connection, integration_id, to_change=True))
    return _set_paused(connection, actor, integration_id, paused=False)


def remove(connection: Connection, actor: str, integration_id: int) -> None:
    """Mark an integration as removed: it no longer syncs or accepts deliveries; its name is free.

    `deletion.py` then deletes its events, objects and history in batches, and finally itself.
    """
    before = _row(connection, integration_id, to_change=True)
    if before["removed"]:
        return
    here = integrations.c.id == integration_id
    name = f"{before['name']} (being deleted, {integration_id})"
    ended = {"name": name, "removed": True, "paused": True, "updated_at": clock.now_rfc3339()}
    connection.execute(update(integrations).where(here).values(**ended))
    revoked = update(webhook_urls).where(webhook_urls.c.integration_id == integration_id)
    connection.execute(revoked.values(state="revoked", shared_secret=None))
    connection.execute(delete(alerts).where(alerts.c.integration_id == integration_id))
    audit.record(connection, actor, "integration.remove", before["name"])


def check_new(new: NewIntegration) -> NewIntegration:
    """Return the normalized values of a new integration; raise InvalidError for invalid ones."""
    return NewIntegration(**_checked(msgspec.structs.asdict(new)))


def changed_credentials(
    connection: Connection, secrets: SecretBox, integration_id: int, changes: IntegrationChanges
) -> Credentials:
    """Return the credentials that an integration would have after changes; raise as `edit` does."""
    before = _row(connection, integration_id)
    given, values = _changed_values(before, changes)
    stored = values["client_secret"]
    secret = stored if "client_secret" in given else secrets.decrypt(stored)
    return Credentials(values["api_url"], values["auth_url"], values["client_id"], secret)


def credentials(connection: Connection, secrets: SecretBox, integration_id: int) -> Credentials:
    """Load and decrypt the credentials of an integration."""
    row = _row(connection, integration_id)
    return Credentials(
        row["api_url"], row["auth_url"], row["client_id"], secrets.decrypt(row["client_secret"])
    )


def make_client(
    credentials: Credentials, requests_per_second: int, session: aiohttp.ClientSession
) -> IonClient:
    """Create the client of one integration, with the request budget that all its work shares."""
    return IonClient(
        credentials.api_url,
        credentials.auth_url,
        credentials.client_id,
        credentials.client_secret,
        budget=AdaptiveRateLimiter(requests_per_second),
        session=session,
    )


def offered_schema(connection: Connection, catalog: Catalog, integration_id: int) -> OfferedSchema:
    """Return the part of the contract that ION offers, or all of it before the first test.

    Equal schemas of several integrations share one object.
    """
    query = select(type_coerce(integrations.c.offered, Text())).where(
        integrations.c.id == integration_id
    )
    saved = connection.execute(query).scalar()
    return _offered_schema(catalog, saved)


def introspected_types(connection: Connection, integration_id: int) -> dict[str, list[str]] | None:
    """Return the members of ION's types as last read; None if the hub has not read them."""
    query = select(integrations.c.offered).where(integrations.c.id == integration_id)
    return connection.execute(query).scalar() or None


@lru_cache(16)
def _offered_schema(catalog: Catalog, saved: str | None) -> OfferedSchema:
    if not saved:
        return OfferedSchema.whole(catalog)
    return OfferedSchema(msgspec.json.decode(saved, type=dict[str, frozenset[str]]))


def save_test_result(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    result: TestResult,
    found: OfferedSchema | None,
) -> None:
    """Save a test result and the schema that ION offers; a new schema changes the integration."""
    here = integrations.c.id == integration_id
    if not result.failed_to_connect:
        finding_store.save_findings(connection, integration_id, ("credentials", "unreachable"), [])
    values: dict[str, Any] = {"test_result": msgspec.to_builtins(result)}
    if found is not None and schema_changes.save_schema(connection, catalog, integration_id, found):
        values |= {"updated_at": clock.now_rfc3339()}
    connection.execute(update(integrations).where(here).values(**values))


def _row(connection: Connection, integration_id: int, *, to_change: bool = False) -> RowMapping:
    query = select(integrations).where(integrations.c.id == integration_id)
    row = connection.execute(for_update(query, to_change=to_change)).mappings().one_or_none()
    if row is None:
        raise _unknown(connection, integration_id)
    return row


def _unknown(connection: Connection, id_or_name: str | int) -> NotFoundError:
    query = select(integrations.c.name).order_by(integrations.c.id)
    names = list(connection.execute(query).scalars())
    others = " and others" if len(names) > _MAX_NAMED else ""
    known = "There are no integrations yet."
    if names:
        known = f"Available: {', '.join(names[:_MAX_NAMED])}{others}."
    return NotFoundError(
        f"Unknown integration {id_or_name}. {known}{did_you_mean(str(id_or_name), names)}"
    )


def _integration(row: RowMapping) -> Integration:
    values = {name: row[name] for name in Integration.__struct_fields__}
    return msgspec.convert(values, Integration)


def _changed_values(
    before: RowMapping, changes: IntegrationChanges
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the given values, and all values of the integration after the changes."""
    _check_not_removed(before)
    given = {
        name: value
        for name, value in msgspec.structs.asdict(changes).items()
        if value is not msgspec.UNSET
    }
    values = _checked(
        {**{name: before[name] for name in NewIntegration.__struct_fields__}, **given}
    )
    if "client_secret" not in given and any(
        _origin(before[name]) != _origin(values[name]) for name in _ADDRESSES
    ):
        raise InvalidError(
            "Enter the client secret again: after a change of host, the hub sends it to the new one.",
            field="client_secret",
        )
    return given, values


def _check_not_removed(row: RowMapping) -> None:
    if row["removed"]:
        raise ConflictError(f"“{row['name']}” is being deleted. Add the integration again instead.")


def _set_paused(
    connection: Connection, actor: str, integration_id: int, *, paused: bool
) -> Integration:
    before = _row(connection, integration_id, to_change=True)
    if before["paused"] != paused:
        changed = update(integrations).where(integrations.c.id == integration_id)
        connection.execute(changed.values(paused=paused, updated_at=clock.now_rfc3339()))
        audit.record(
            connection, actor, f"integration.{'pause' if paused else 'resume'}", before["name"]
        )
    return get(connection, integration_id)


def _name_conflict(name: str) -> str:
    return f"Another integration is already named {name}"


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Normalize entered values; raise InvalidError for invalid ones."""
    for name in ("name", "client_id", "client_secret"):
        value = values[name].strip() if isinstance(values[name], str) else values[name]
        if not value:
            raise InvalidError(f"{_LABELS[name]} is empty.", field=name)
        values[name] = value
    check_name(values["name"])
    for name in _ADDRESSES:
        try:
            values[name] = with_scheme(values[name])
            parse_url(values[name])
        except (AddressNotAllowedError, InvalidError) as error:
            raise InvalidError(f"{error}.", field=name) from error
    for name in ("incremental_schedule", "full_schedule"):
        try:
            CronSim(values[name], datetime.now(UTC))
        except CronSimError as error:
            raise InvalidError(
                f"{values[name]!r} is not a cron schedule (UTC) such as `{INCREMENTAL_SCHEDULE}`",
                field=name,
            ) from error
    if not 1 <= cast("int", values["requests_per_second"]) <= _MAX_REQUESTS_PER_SECOND:
        raise InvalidError(
            f"Enter 1 to {_MAX_REQUESTS_PER_SECOND} requests per second.",
            field="requests_per_second",
        )
    values["resources"] = resource_selection.check_selection(values["resources"])
    return values


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc
