"""Connections to ION: one client, request budget and sync context per integration."""

import asyncio
import functools
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

import aiohttp
from sqlalchemy import Connection

from ultraviolet.db.database import Database
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.ingest.service import IngestService
from ultraviolet.hub.integrations import schema_changes
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connection_test import TestResult, run_connection_test
from ultraviolet.hub.integrations.models import REQUESTS_PER_SECOND, Credentials, Integration
from ultraviolet.hub.sync.context import RecentlyViewed, SyncContext
from ultraviolet.hub.sync.ion_reader import IonReader
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.queries import OfferedSchema

_RATE_LIMITED_SECONDS = 120.0
"""How long after an answer 429 an integration counts as rate-limited."""


class Connections:
    """The ION clients of all integrations; heal, fetch, verify and setup share one client."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        secrets: SecretBox,
        changes: PubSub,
        ingest: IngestService,
        *,
        public_url: str,
        http: Callable[[], aiohttp.ClientSession],
        on_tested: Callable[[int], Awaitable[None]],
        serves: bool = True,
    ) -> None:
        """Share one database and one HTTP session.

        `serves`: this process receives deliveries, so it knows the address to which ION must post.
        """
        self.database = database
        self.catalog = catalog
        self.secrets = secrets
        self.changes = changes
        self.ingest = ingest
        self.public_url = public_url
        self.serves = serves
        self._http = http
        self._on_tested = on_tested
        self._clients: dict[int, tuple[Integration, IonClient]] = {}
        self._setup_locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._recently_viewed: defaultdict[int, RecentlyViewed] = defaultdict(RecentlyViewed)

    async def client(self, integration_id: int) -> IonClient:
        """Return the client of an integration."""
        return self._client(*await self.database.read(self._read_credentials, integration_id))

    async def open_context(self, integration_id: int) -> SyncContext:
        """Return a sync context that reads an integration and writes its mirror."""

        def read(connection: Connection) -> tuple[Integration, Credentials | None, OfferedSchema]:
            offered = integrations.offered_schema(connection, self.catalog, integration_id)
            return *self._read_credentials(connection, integration_id), offered

        integration, credentials, offered = await self.database.read(read)
        client = self._client(integration, credentials)
        catalog = self.catalog.following(integration.resources)
        read_schema = functools.partial(
            schema_changes.reload_schema, self.database, self.catalog, client, integration_id
        )
        reader = IonReader(client, catalog, offered, read_schema)
        viewed = self._recently_viewed[integration_id]
        return SyncContext(self.database, catalog, integration_id, reader, self.changes, viewed)

    async def test(self, integration_id: int, *, restart: bool = True) -> TestResult:
        """Test a connection and save the result with the schema that ION offers.

        `restart` the controllers, so that they use the result at once.
        """
        client = await self.client(integration_id)
        result, offered = await run_connection_test(client, self.catalog)
        await self.database.write(
            integrations.save_test_result, self.catalog, integration_id, result, offered
        )
        if restart:
            await self._on_tested(integration_id)
        return result

    async def test_credentials(
        self, credentials: Credentials
    ) -> tuple[TestResult, OfferedSchema | None]:
        """Test credentials that are not saved; return the result and the schema of ION."""
        client = integrations.make_client(credentials, REQUESTS_PER_SECOND, self._http())
        return await run_connection_test(client, self.catalog)

    def setup_lock(self, integration_id: int) -> asyncio.Lock:
        """Return the lock that serializes setups of an integration."""
        return self._setup_locks[integration_id]

    def mark_viewed(self, integration_id: int, resource: str, id_: str) -> None:
        """Record that a user views an object, so that it is read first if it is stale."""
        self._recently_viewed[integration_id].add(resource, id_)

    def is_rate_limited(self, integration_id: int) -> bool:
        """Return whether ION has answered 429 within the last minutes."""
        known = self._clients.get(integration_id)
        return known is not None and time.monotonic() - known[1].limited_at < _RATE_LIMITED_SECONDS

    def _read_credentials(
        self, connection: Connection, integration_id: int
    ) -> tuple[Integration, Credentials | None]:
        """Load an integration, and its credentials if it has no current client."""
        found = integrations.get(connection, integration_id)
        known = self._clients.get(integration_id)
        if known and known[0].updated_at == found.updated_at:
            return found, None
        return found, integrations.credentials(connection, self.secrets, integration_id)

    def _client(self, found: Integration, credentials: Credentials | None) -> IonClient:
        known = self._clients.get(found.id)
        if known and (credentials is None or known[0].updated_at == found.updated_at):
            return known[1]
        assert credentials
        client = integrations.make_client(credentials, found.requests_per_second, self._http())
        self._clients[found.id] = (found, client)
        return client
