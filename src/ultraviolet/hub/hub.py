"""The hub: create the components of one process and connect them."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import msgspec
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.codecs import prepare_codecs
from ultraviolet.db import engine
from ultraviolet.db.database import Database
from ultraviolet.errors import InvalidError
from ultraviolet.files import ensure_private_dir
from ultraviolet.hub.accounts import oidc
from ultraviolet.hub.accounts.sso import RoleRules
from ultraviolet.hub.alerts.service import AlertService
from ultraviolet.hub.alerts.transports import mail_server
from ultraviolet.hub.core.egress import LOOPBACK, EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.health import freshness, heartbeat, maintenance
from ultraviolet.hub.health.freshness import Circumstances, Freshness
from ultraviolet.hub.ingest.service import IngestService
from ultraviolet.hub.ingest.spool import Spool
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.deletion import IntegrationDeleter
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.runtime.controller_pool import ControllerPool
from ultraviolet.hub.runtime.field_indexer import FieldIndexer
from ultraviolet.hub.runtime.leases import Role, create_command_leases, create_leases
from ultraviolet.hub.runtime.one_off import OneOffRunner
from ultraviolet.hub.runtime.requests import Requests
from ultraviolet.hub.runtime.retention import Purger
from ultraviolet.hub.runtime.search_indexer import SearchIndexer
from ultraviolet.ion.catalog import Catalog, load_catalog

_DATA_FILES = ("hub.db*", "hub.json", "alive_at*", "secret.key", "secret.[0-9]*")
"""Files that a hub writes to its data folder."""


class Hub:
    """One process of a hub: its database, contract, connections and controllers."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        catalog: Catalog,
        secrets: SecretBox,
        role: Role = "all",
        *,
        one_off: bool = False,
    ) -> None:
        self.settings = settings
        self.database = database
        self.catalog = catalog
        self.secrets = secrets
        self.role: Role = role
        self.changes = changes = PubSub()
        self.targets = EgressPolicy(settings.allowed_targets or _own_machine(settings.public_url))
        self.provider, self.provider_rules = self._create_provider()
        self._session: aiohttp.ClientSession | None = None
        self._spool = None if one_off else _create_spool(settings)
        self.ingest = IngestService(
            database, catalog, secrets, changes, self._wake_apply, self._spool
        )
        self.connections = Connections(
            database,
            catalog,
            secrets,
            changes,
            self.ingest,
            public_url=settings.public_url,
            http=self._http,
            on_tested=self._restart_controllers,
        )
        leases = create_leases(database.engine, "web" if one_off else role)
        self._one_off = OneOffRunner(create_command_leases(database.engine)) if one_off else None
        self.pool = ControllerPool(settings, database, changes, self.connections, leases)
        self.controllers = self.pool.controllers
        self.requests = Requests(database, changes, self.connections, self.pool, self._one_off)
        self.field_indexes = FieldIndexer(database)
        self._search_indexer = SearchIndexer(database, catalog, changes, self.controllers.keys)
        self._alerts = AlertService(self)
        self._purger = Purger(database, changes)
        self._deleter = IntegrationDeleter(database, changes)

    @classmethod
    def open(cls, settings: Settings, role: Role = "all", *, one_off: bool = False) -> Self:
        """Open and migrate the database, and load the contract.

        A `one_off` hub belongs to one command: it only handles requests. No controller, watchdog,
        alert, retention, indexer or spool starts.

        Raise InvalidError for a role that needs several processes on a single-process database, for
        a data folder that cannot be protected, and for an invalid mail server URL.
        """
        prepare_codecs()
        ensure_private_dir(settings.data, _DATA_FILES)
        secrets = SecretBox.from_settings(settings)
        if settings.smtp_url:
            mail_server(settings.smtp_url)
        driver = engine.parse_url(settings.database_url).drivername
        if role != "all" and not driver.startswith("postgresql"):
            raise InvalidError(
                f"Role {role} needs PostgreSQL; on SQLite, one process runs with role all"
            )
        database = Database.open(settings.database_url)
        return cls(settings, database, load_catalog(), secrets, role, one_off=one_off)

    @property
    def data(self) -> Path:
        """The data folder of this hub."""
        return self.settings.data

    @property
    def public_url(self) -> str:
        """The URL at which ION reaches this hub."""
        return self.settings.public_url

    async def start(self) -> None:
        """Accept deliveries and start the controllers of the leased integrations."""
        if self._one_off is not None:
            self.pool.start_messages()
            return
        await self.database.read(heartbeat.advance_clock)
        await self.pool.record_start()
        self.pool.start_messages()
        await self.ingest.refresh()
        self.ingest.drain()
        await self.pool.start()
        if self.role != "web":
            self._purger.start()
            self._search_indexer.start()
        self._deleter.start()
        self._alerts.start()

    async def stop(self) -> None:
        """Finish the current transactions; unfinished work is in the tables."""
        await self._purger.stop()
        if self._one_off is not None:
            await self._one_off.stop()
        await self.field_indexes.settled()
        await self._alerts.stop()
        await self._search_indexer.stop()
        await self._deleter.stop()
        await self.pool.stop()
        await self.ingest.close()
        self.changes.close()
        await self.pool.stop_messages()
        if self._session:
            await self._session.close()

    def close(self) -> None:
        """Close the database and the spool."""
        self.database.close()
        if self._spool:
            self._spool.close()

    async def remove(self, actor: str, find: Callable[[Connection], int]) -> None:
        """Remove an integration; the data of a large one is deleted after this returns."""

        def mark_removed(connection: Connection) -> None:
            integrations.remove(connection, actor, find(connection))

        await self.database.write(mark_removed)
        await self.pool.integrations_changed()
        await self.ingest.refresh()
        await self._deleter.begin()

    def freshness(self, connection: Connection, integration: Integration) -> Freshness:
        """Return the freshness of an integration."""
        running = self.controllers.get(integration.id)
        unmaintained = maintenance.unmaintained_since(
            connection, integration.id, integration.updated_at
        )
        if running and not self.pool.is_started:
            unmaintained = None
        known = Circumstances(
            clock.utc_now(),
            running.problem if running else maintenance.problem_of(connection, integration.id),
            heals=self.settings.heal,
            trouble=self.database.trouble,
            spooled=self.ingest.spooled,
            unmaintained_since=unmaintained,
            limited=self.connections.is_rate_limited(integration.id),
        )
        catalog = self.catalog.following(integration.resources)
        return freshness.judge_freshness(connection, catalog, integration, known)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self.targets.session()
        return self._session

    def _create_provider(self) -> tuple[oidc.Provider | None, RoleRules]:
        settings = self.settings
        if not settings.oidc_issuer:
            return None, RoleRules()
        client = oidc.OidcClient(
            settings.oidc_issuer,
            settings.oidc_client_id,
            settings.oidc_client_secret,
            settings.oidc_roles_claim,
        )
        rules = {
            "roles": settings.oidc_roles,
            "default_role": settings.oidc_default_role or None,
            "domains": settings.oidc_domains,
        }
        provider = oidc.Provider(client, self._http, self.targets.check)
        return provider, msgspec.convert(rules, RoleRules)

    def _wake_apply(self, integration_id: int) -> None:
        self.pool.wake(integration_id, "apply")

    async def _restart_controllers(self, integration_id: int) -> None:
        await self.pool.restart(integration_id)


def _own_machine(public_url: str) -> Sequence[str]:
    """Return the private targets of requests: this machine, while only it reaches the hub."""
    return LOOPBACK if urlsplit(public_url).hostname in ("localhost", "127.0.0.1", "::1") else ()


def _create_spool(settings: Settings) -> Spool | None:
    return Spool(settings.spool, settings.spool_megabytes * 1_000_000) if settings.spool else None
