"""Add the columns of new custom attributes to the SQL views, soon after they were learned."""

import asyncio

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ultraviolet.db import dialect, locks, view_creation
from ultraviolet.db.attributes import AttributeCatalog
from ultraviolet.db.database import Database
from ultraviolet.db.driver_errors import first_line
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.runtime.change_task import ChangeTask
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource

log = structlog.get_logger()


_CHECK_SECONDS = 60.0


class ViewUpdater:
    """Checks the views after changes of the mirror, and once a minute."""

    def __init__(self, database: Database, attributes: AttributeCatalog, changes: PubSub) -> None:
        self._database = database
        self._attributes = attributes
        self._checked: Catalog | None = None
        self.task = ChangeTask("view columns", lambda _: self.update(), changes, _CHECK_SECONDS)

    async def update(self) -> None:
        """Add the missing columns, one view per transaction; readers of the others do not wait."""
        catalog = await self._database.read(self._attributes.get)
        if catalog is self._checked:
            return
        is_complete = True
        for resource in await self._database.read(view_creation.lacking_views, catalog):
            if dialect.is_postgresql(self._database.engine):
                # Not through `write`, which would report a busy view as a failure of the database.
                extended = await asyncio.to_thread(self._extend_now, catalog, resource)
                is_complete = is_complete and extended
            else:
                await self._database.write(_extend, catalog, resource)
        if is_complete:
            self._checked = catalog

    def _extend_now(self, catalog: Catalog, resource: Resource) -> bool:
        """Extend a view on PostgreSQL; return False if a query used it for too long."""
        try:
            with self._database.engine.begin() as connection:
                _extend(connection, catalog, resource)
        except DBAPIError as error:
            log.info("view.busy", view=resource.name, error=first_line(error))
            return False
        return True


def _extend(connection: Connection, catalog: Catalog, resource: Resource) -> None:
    """Extend a view unless another process has done so."""
    locks.lock(connection, "migration")
    if resource in view_creation.lacking_views(connection, catalog):
        view_creation.extend_view(connection, catalog, resource)
