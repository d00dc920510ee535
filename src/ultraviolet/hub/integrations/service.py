"""Integrations: the ION environments this hub is connected to, with their credentials and schedules."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

import aiohttp
import msgspec
from cronsim import CronSim, CronSimError
from sqlalchemy import Connection, RowMapping, Text, delete, insert, select, type_coerce, update

from ultraviolet import clock
from ultraviolet.db.database import Database
from ultraviolet.db.locks import for_update, unique_or_conflict
from ultraviolet.db.tables.alerts import alerts
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.errors import ConflictError, InvalidError, NotFoundError
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.egress import AddressNotAllowedError, scheme_and_host
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.validation import check_name
from ultraviolet.hub.integrations import resource_selection, schema_changes
from ultraviolet.hub.integrations.connection_test import TestResult, run_connection_test
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

_MOST_REQUESTS = 1000
_ADDRESSES = ("api_url", "auth_url")


class ConnectionTester(Protocol):
    """What a connection test needs of the hub."""

    @property
    def database(self) -> Database:
        """The database."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The contract."""
        ...

    async def client(self, integration_id: int) -> IonClient:
        """Return the client of this integration."""
        ...


def create(
    connection: Connection, secrets: SecretBox, actor: str, new: NewIntegration
) -> Integration:
    """Add an integration; raises ConflictError for a name in use, InvalidError for what makes no sense."""
    values = _checked(msgspec.structs.asdict(new))
    now = clock.now_rfc3339()
    values |= {
        "client_secret": secrets.encrypt(values["client_secret"]),
        "created_at": now,
        "updated_at": now,
    }
    made = insert(integrations).values(**values, paused=False).returning(integrations.c.id)
    with unique_or_conflict(connection, _taken(values["name"])):
        integration_id: int = connection.execute(made).scalar_one()
    audit.record(connection, actor, "integration.create", new.name, {"api_url": values["api_url"]})
    return get(connection, integration_id)


def get(connection: Connection, integration_id: int) -> Integration:
    """Read one integration; raises NotFoundError."""
    return _integration(_row(connection, integration_id))


def find(connection: Connection, id_or_name: str | int) -> Integration:
    """Read one integration by name or number; raises NotFoundError."""
    named = select(integrations).where(integrations.c.name == str(id_or_name))
    row = connection.execute(named).mappings().one_or_none()
    if row is not None:
        return _integration(row)
    if str(id_or_name).isdecimal():
        return get(connection, int(id_or_name))
    near = did_you_mean(str(id_or_name), connection.execute(select(integrations.c.name)).scalars())
    raise NotFoundError(
        f"There is no integration {id_or_name}; `ultraviolet integration list` shows all.{near}"
    )


def find_to_change(connection: Connection, id_or_name: str | int) -> Integration:
    """Read one integration by name or number that nobody else changes before the transaction ends."""
    return _integration(_row(connection, find(connection, id_or_name).id, to_change=True))


def list_active(connection: Connection) -> dict[int, str]:
    """Return the integrations that are not paused, and when each was last changed."""
    query = select(integrations.c.id, integrations.c.updated_at).where(~integrations.c.paused)
    return {row.id: row.updated_at for row in connection.execute(query)}


def list_page(
    connection: Connection, after: int = 0, limit: int | None = None
) -> list[Integration]:
    """Read integrations in the order they were added, all or as many as `limit`."""
    query = (
        select(integrations)
        .where(integrations.c.id > after)
        .order_by(integrations.c.id)
        .limit(limit)
    )
    return [_integration(row) for row in connection.execute(query).mappings()]


def edit(
    connection: Connection,
    secrets: SecretBox,
    actor: str,
    integration_id: int,
    changes: IntegrationChanges,
) -> Integration:
    """Change what is given; what was tested with other credentials or addresses counts as untested.

    Whoever leads the hub to another host has to know the secret, as it, or what it is traded for, is sent there.
    """
    given = {
        name: value
        for name, value in msgspec.structs.asdict(changes).items()
        if value is not msgspec.UNSET
    }
    before = _row(connection, integration_id, to_change=True)
    _still_there(before)
    values = _checked(
        {**{name: before[name] for name in NewIntegration.__struct_fields__}, **given}
    )
    if "client_secret" not in given and any(
        _leads_elsewhere(before[name], values[name]) for name in _ADDRESSES
    ):
        raise InvalidError(
            "With an address of another host, give client_secret again: it would be sent there",
            field="client_secret",
        )
    if "client_secret" in given:
        values["client_secret"] = secrets.encrypt(values["client_secret"])
    if given.keys() & {"api_url", "auth_url", "client_id", "client_secret"}:
        values |= {"test_result": None}
    where = integrations.c.id == integration_id
    changed = update(integrations).where(where).values(**values, updated_at=clock.now_rfc3339())
    with unique_or_conflict(connection, _taken(values["name"])):
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
    """Stop reading from this ION; deliveries are still taken, and applied after `resume`."""
    return _set_paused(connection, actor, integration_id, paused=True)


def resume(connection: Connection, actor: str, integration_id: int) -> Integration:
    """Go on where `pause` stopped; raises ConflictError for one that is being removed."""
    _still_there(_row(connection, integration_id, to_change=True))
    return _set_paused(connection, actor, integration_id, paused=False)


def remove(connection: Connection, actor: str, integration_id: int) -> None:
    """End an integration: nothing reads its ION or takes its deliveries any more, and its name is free.

    All it brought, its events, objects and their history, goes behind that (leaving.py), and the integration last.
    """
    before = _row(connection, integration_id, to_change=True)
    if before["removed"]:
        return
    here = integrations.c.id == integration_id
    name = f"{before['name']} (being removed, {integration_id})"
    ended = {"name": name, "removed": True, "paused": True, "updated_at": clock.now_rfc3339()}
    connection.execute(update(integrations).where(here).values(**ended))
    revoked = update(webhook_urls).where(webhook_urls.c.integration_id == integration_id)
    connection.execute(revoked.values(state="revoked", shared_secret=None))
    connection.execute(
        delete(alerts).where(alerts.c.integration_id == integration_id)
    )  # nobody is to be told
    audit.record(connection, actor, "integration.remove", before["name"])


def credentials(connection: Connection, secrets: SecretBox, integration_id: int) -> Credentials:
    """Read what signs in to this ION."""
    row = _row(connection, integration_id)
    return Credentials(
        row["api_url"], row["auth_url"], row["client_id"], secrets.decrypt(row["client_secret"])
    )


def make_client(
    signs_in: Credentials, requests_per_second: int, session: aiohttp.ClientSession
) -> IonClient:
    """Make the client of one integration, with the budget that heal, fetch and verify share."""
    return IonClient(
        signs_in.api_url,
        signs_in.auth_url,
        signs_in.client_id,
        signs_in.client_secret,
        budget=AdaptiveRateLimiter(requests_per_second),
        session=session,
    )


async def test(hub: ConnectionTester, integration_id: int) -> TestResult:
    """Test the connection and keep what was found, with what this ION offers of the contract."""
    result, found = await run_connection_test(await hub.client(integration_id), hub.catalog)
    await hub.database.write(save_test_result, hub.catalog, integration_id, result, found)
    return result


def offered_schema(connection: Connection, catalog: Catalog, integration_id: int) -> OfferedSchema:
    """Tell what this ION offers of the contract; all of it until a test has asked.

    Most IONs offer the same, so what was told alike is held once.
    """
    query = select(type_coerce(integrations.c.offered, Text())).where(
        integrations.c.id == integration_id
    )
    kept = connection.execute(query).scalar()
    return _offered(kept) if kept else _whole(catalog)


@lru_cache(16)
def _offered(kept: str) -> OfferedSchema:
    return OfferedSchema(msgspec.json.decode(kept, type=dict[str, frozenset[str]]))


@lru_cache(1)
def _whole(catalog: Catalog) -> OfferedSchema:
    return OfferedSchema.whole(catalog)


def save_test_result(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    result: TestResult,
    found: OfferedSchema | None,
) -> None:
    """Keep a connection test and, where the ION told it, what it offers; other than before, that changes the integration."""
    here = integrations.c.id == integration_id
    values: dict[str, Any] = {"test_result": msgspec.to_builtins(result)}
    if found is not None and schema_changes.keep(connection, catalog, integration_id, found):
        values |= {"updated_at": clock.now_rfc3339()}
    connection.execute(update(integrations).where(here).values(**values))


def _row(connection: Connection, integration_id: int, *, to_change: bool = False) -> RowMapping:
    query = select(integrations).where(integrations.c.id == integration_id)
    row = connection.execute(for_update(query, to_change=to_change)).mappings().one_or_none()
    if row is None:
        raise NotFoundError(
            f"There is no integration {integration_id}; `ultraviolet integration list` shows all"
        )
    return row


def _integration(row: RowMapping) -> Integration:
    values = {name: row[name] for name in Integration.__struct_fields__}
    return msgspec.convert(values, Integration)


def _still_there(row: RowMapping) -> None:
    if row["removed"]:
        raise ConflictError(f"“{row['name']}”: it can only be added anew.")


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


def _taken(name: str) -> str:
    return f"There is already an integration named {name}"


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Bring what a person typed into form, or say what is wrong with it."""
    for name in ("name", "client_id", "client_secret"):
        value = values[name].strip() if isinstance(values[name], str) else values[name]
        if not value:
            raise InvalidError(f"{name} is empty", field=name)
        values[name] = value
    check_name(values["name"])
    for name in _ADDRESSES:
        values[name] = _address(name, values[name])
    for name in ("incremental_schedule", "full_schedule"):
        _check_schedule(values[name])
    if not 1 <= cast("int", values["requests_per_second"]) <= _MOST_REQUESTS:
        raise InvalidError(
            f"requests_per_second is between 1 and {_MOST_REQUESTS}", field="requests_per_second"
        )
    values["resources"] = resource_selection.check_selection(values["resources"])
    return values


def _address(name: str, typed: str) -> str:
    address = with_scheme(typed)
    try:
        scheme_and_host(address)
    except AddressNotAllowedError as error:
        raise InvalidError(f"{name}: {error}", field=name) from error
    return address


def _leads_elsewhere(before: str, now: str) -> bool:
    return urlsplit(before)[:2] != urlsplit(now)[:2]


def _check_schedule(schedule: str) -> None:
    try:
        CronSim(schedule, datetime.now(UTC))
    except CronSimError as error:
        raise InvalidError(
            f"{schedule!r} is not a schedule such as `{INCREMENTAL_SCHEDULE}` (cron, UTC)"
        ) from error
