"""Run documents against one ION, and know its schema: it is read again when ION rejects one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from ultraviolet.hub.sync.row_observations import RowObserver
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import ALIVE_QUERY, Result, RetryPolicy, Variables
from ultraviolet.ion.errors import tells_of_schema
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema, is_keyed

ONCE = RetryPolicy(attempts=1)
"""For callers that try again themselves."""
_SCHEMA_INTERVAL_SECONDS = 30.0
"""Minimum time between two reads of ION's schema because ION rejected a document."""


class Client(Protocol):
    """A client that runs GraphQL documents."""

    async def execute(
        self,
        document: str,
        variables: Variables | None = None,
        *,
        repeatable: bool = True,
        retries: RetryPolicy | None = None,
    ) -> Result:
        """Run one document."""
        ...


class IonAccess:
    """One ION with its client, and with the resources of the catalog that it offers."""

    def __init__(
        self,
        client: Client,
        catalog: Catalog,
        offered: OfferedSchema,
        read_schema: Callable[[], Awaitable[OfferedSchema | None]] | None = None,
    ) -> None:
        """Create an access; `read_schema` returns ION's current schema, or None."""
        self.client = client
        self.catalog = catalog
        self.offered = offered
        self._observer = RowObserver()
        """Shared by all reads, so that each replaced text is logged once."""
        self._read_schema = read_schema
        self._reading_schema = asyncio.Lock()
        self._schema_read_at = float("-inf")

    def reads(self, resource: Resource) -> bool:
        """Return whether a resource is selected and this ION can list it."""
        return self.catalog.follows(resource.name) and self.offered.reads(resource)

    def answers_for(self, resource: Resource) -> bool:
        """Return whether a resource is readable and affects selected resources."""
        affects = self.catalog.follows(resource.name) or bool(
            self.catalog.dependents(resource.name)
        )
        return affects and self.offered.reads(resource)

    def dates(self, resource: Resource) -> bool:
        """Return whether a resource can be read in order of change."""
        sortable = self.offered.has(resource.sort or "", "_UPDATED_ASC")
        return sortable and self.offered.has(resource.type, "_updated")

    def is_keyed(self, resource: Resource) -> bool:
        """Return whether pages begin after an id; others begin after a cursor of ION's list."""
        return is_keyed(resource, self.offered)

    async def answers(self) -> None:
        """Send a trivial request; raise the error of an ION that does not answer."""
        await self.client.execute(ALIVE_QUERY, retries=ONCE)

    async def ask(
        self, write: Callable[[], tuple[str, Variables]], retries: RetryPolicy | None = None
    ) -> Result:
        """Run the document that `write` returns, and again if ION's schema has changed."""
        used = self.offered
        document, variables = write()
        result = await self.client.execute(document, variables, retries=retries)
        if not tells_of_schema(result.errors):
            return result
        async with self._reading_schema:
            recently = time.monotonic() - self._schema_read_at < _SCHEMA_INTERVAL_SECONDS
            if self.offered is used and self._read_schema and not recently:
                self._schema_read_at = time.monotonic()
                found = await self._read_schema()
                if found and any(
                    used.types.get(name) != fields for name, fields in found.types.items()
                ):
                    self.offered = found
        if self.offered is used:
            return result
        document, variables = write()
        return await self.client.execute(document, variables, retries=retries)
