"""A hub with one integration and a webhook URL, without controllers."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

from sqlalchemy import select

from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.hub.sync import apply_events as hub_events

REFUSED = "the test trigger rejects this row"


class IdleHub:
    """A hub with one integration and its webhook URL; it is not running."""

    def __init__(self, hub: Hub, name: str = "plant") -> None:
        self.hub = hub
        self.integration_id, self.token = hub.database.write_now(self._set_up, name)

    def _set_up(self, connection: Any, name: str) -> tuple[int, str]:
        new = NewIntegration(name, "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
        made = integrations.create(connection, self.hub.secrets, "test", new)
        return made.id, webhook_urls.create_url(connection, "test", made.id, "ION")[1]

    def rows(self, table: Any) -> list[Any]:
        return self.hub.database.read_now(lambda c: list(c.execute(select(table))))

    async def deliver(self, *bodies: bytes) -> list[int]:
        """Submit all deliveries concurrently."""
        await self.hub.ingest.refresh()
        return await asyncio.gather(
            *(self.hub.ingest.submit(self.token, {}, body) for body in bodies)
        )

    def refuse(self, table: str, where: str) -> None:
        """Create a trigger that rejects rows of a table for a condition on `new`."""
        sqlite = f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
        postgresql = f"BEGIN RAISE EXCEPTION '{REFUSED}'; END"
        with self.hub.database.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql(
                    f"CREATE TRIGGER refuses BEFORE INSERT ON {table} WHEN {where} {sqlite}"
                )
                return
            connection.exec_driver_sql(
                f"CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ {postgresql} $$"
            )
            when = f"BEFORE INSERT ON {table} FOR EACH ROW WHEN ({where})"
            connection.exec_driver_sql(f"CREATE TRIGGER refuses {when} EXECUTE FUNCTION refuse()")

    def apply_events(self) -> int:
        applied = self.hub.database.write_now(
            hub_events.apply_pending, self.hub.catalog, self.integration_id
        )
        return applied.count


def run(work: Awaitable[Any]) -> Any:
    async def whole() -> Any:
        return await work

    return asyncio.run(whole())


def body(number: int, **fields: Any) -> bytes:
    told = {"eventId": number, "resource": "SUPPLIERS", "action": "UPDATE", "id": 7}
    return json.dumps(told | {"new": {"id": 7, "name": f"Supplier {number}", **fields}}).encode()
