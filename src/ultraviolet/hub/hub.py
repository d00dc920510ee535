"""The hub: create the components of one process and connect them."""

import asyncio
from collections.abc import Callable
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from msgspec import structs
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.codecs import prepare_codecs
from ultraviolet.command_text import start_command
from ultraviolet.db import engine
from ultraviolet.db.attributes import AttributeCatalog
from ultraviolet.db.database import Database
from ultraviolet.db.stored_facts import PUBLIC_URL, read_fact, save_fact
from ultraviolet.errors import InvalidError
from ultraviolet.files import ensure_private_dir
from ultraviolet.hub.accounts import sso
from ultraviolet.hub.alerts.service import AlertService
from ultraviolet.hub.alerts.transports import mail_server
from ultraviolet.hub.core.egress import LOOPBACK, EgressPolicy
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import DEFAULT_PUBLIC_URL, Settings
from ultraviolet.hub.health import controller_status, freshness, heartbeat
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.health.resource_freshness import ProcessStatus
from ultraviolet.hub.ingest.service import IngestService
from ultraviolet.hub.ingest.spool import Spool
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.deletion import IntegrationDeleter
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.integrations.setup_runs import SetupRuns
from ultraviolet.hub.runtime.controller_pool import ControllerPool
from ultraviolet.hub.runtime.field_indexer import FieldIndexer
from ultraviolet.hub.runtime.leases import Role, create_command_leases, create_leases
from ultraviolet.hub.runtime.one_off import OneOffRunner
from ultraviolet.hub.runtime.requests import Requests
from ultraviolet.hub.runtime.retention import Purger
from ultraviolet.hub.runtime.sandboxes import Sandboxes
from ultraviolet.hub.runtime.search_indexer import SearchIndexer
from ultraviolet.hub.runtime.statement_runner import StatementRunner
from ultraviolet.hub.runtime.view_updater import ViewUpdater
from ultraviolet.ion.catalog import Catalog, load_catalog
from ultraviolet.outgoing import is_loopback

_DATA_FILES = (
    *("hub.db*", "hub.json", "hub.lock", "alive_at*", "secret.key", "secret.[0-9]*", "sandboxes"),
)
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
        self.data, self.public_url = settings.data, settings.public_url
        self.database = database
        self.catalog = catalog
        self.attributes = AttributeCatalog(catalog)
        self.secrets = secrets
        self.role: Role = role
        self.changes = changes = PubSub()
        # Only this machine reaches a hub with a local address, so its ION may be local as well.
        local = is_loopback(urlsplit(settings.public_url).hostname or "")
        self.targets = EgressPolicy(settings.allowed_targets or (LOOPBACK if local else ()))
        self._session: aiohttp.ClientSession | None = None
        self.provider, self.provider_rules = sso.create_provider(
            settings, self._http, self.targets.check
        )
        self._spool = None
        if settings.spool and not one_off:
            self._spool = Spool(settings.spool, settings.spool_megabytes * 1_000_000)
        self.ingest = IngestService(
            database,
            catalog,
            secrets,
            changes,
            lambda id_: self.pool.wake(id_, "apply"),
            self._spool,
        )
        self.connections = Connections(
            database,
            catalog,
            secrets,
            changes,
            self.ingest,
            public_url=settings.public_url,
            http=self._http,
            on_tested=lambda id_: self.pool.restart(id_),  # noqa: PLW0108  the pool is created below
            serves=not one_off,
        )
        self.setup_runs = SetupRuns(self.connections, self.check_webhooks)
        leases = create_leases(database.engine, "web" if one_off else role)
        self._one_off = OneOffRunner(create_command_leases(database.engine)) if one_off else None
        self.pool = ControllerPool(settings, database, changes, self.connections, leases)
        self.controllers = self.pool.controllers
        self.requests = Requests(database, changes, self.connections, self.pool, self._one_off)
        self.field_indexes = FieldIndexer(database, catalog)
        self.statements = StatementRunner(settings.database_url)
        self.alerts = AlertService(settings, database, secrets, self.targets, self.freshness)
        self.sandboxes = Sandboxes(
            database, settings.data, settings.public_url, available=local and role == "all"
        )
        self._deleter = IntegrationDeleter(database, changes)
        self._tasks: list[PeriodicTask] = [
            self._deleter.task,
            self.alerts.task,
            self.sandboxes.task,
        ]
        if role != "web":
            self._tasks += [
                Purger(database, changes).task,
                SearchIndexer(database, catalog, changes, self.controllers.keys).task,
                ViewUpdater(database, self.attributes, changes).task,
                self.field_indexes.list_task,
            ]

    @classmethod
    def open(cls, settings: Settings, role: Role = "all", *, one_off: bool = False) -> Self:
        """Open and migrate the database, and load the contract.

        A `one_off` hub belongs to one command: it only handles requests. No controller, watchdog,
        alert, retention, indexer or spool starts. Without a public URL in the settings, it has that
        of the last started hub.

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
        if not settings.public_url:
            known = database.read_now(read_fact, PUBLIC_URL)
            settings = structs.replace(settings, public_url=known or DEFAULT_PUBLIC_URL)
        return cls(settings, database, load_catalog(), secrets, role, one_off=one_off)

    async def start(self) -> None:
        """Accept deliveries and start the controllers of the leased integrations."""
        if self._one_off is not None:
            self.pool.start_messages()
            return
        await self.database.read(heartbeat.advance_clock)
        await self.pool.record_start()
        await self.database.write(save_fact, PUBLIC_URL, self.public_url)
        self.pool.start_messages()
        await self.ingest.refresh()
        self.ingest.drain()
        await self.pool.start()
        for task in self._tasks:
            task.start()

    async def stop(self) -> None:
        """Finish the current transactions; unfinished work is in the tables."""
        await asyncio.gather(*(task.stop() for task in self._tasks), self._deleter.stop())
        if self._one_off is not None:
            await self._one_off.stop()
        await self.statements.stop()
        await self.field_indexes.settled()
        await self.pool.stop()
        await self.ingest.close()
        await self.sandboxes.stop_all()
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
        await self.database.write(lambda c: integrations.remove(c, actor, find(c)))
        await self.pool.integrations_changed()
        await self.ingest.refresh()
        await self.sandboxes.tidy()
        await self._deleter.begin()

    def check_webhooks(self, integration_id: int) -> None:
        """Make the watchdog check an integration now, after a change of its webhooks."""
        self.pool.wake(integration_id, "watch")

    def freshness(self, connection: Connection, integration: Integration) -> Freshness:
        """Return the freshness of an integration."""
        id_ = integration.id
        running = self.controllers.get(id_)
        unmaintained = None
        if not running or self.pool.is_started:
            changed_at = integration.updated_at
            unmaintained = controller_status.unmaintained_since(connection, id_, changed_at)
        status = ProcessStatus(
            clock.utc_now(),
            running.problem if running else controller_status.problem_of(connection, id_),
            heals=self.settings.heal,
            trouble=self.database.trouble,
            spooled=self.ingest.spooled,
            unmaintained_since=unmaintained,
            no_hub=self.find_no_hub(connection),
            limited=self.connections.is_rate_limited(id_),
        )
        catalog = self.catalog.following(integration.resources)
        return freshness.judge_freshness(connection, catalog, integration, status)

    def find_no_hub(self, connection: Connection) -> Finding | None:
        """Return the finding of a command that no hub runs on its database; None in a hub."""
        if self._one_off is None:
            return None
        return heartbeat.find_no_hub(connection, start_command(self.data))

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self.targets.session()
        return self._session
