"""Objects viewed in one process are healed first by the process with the lease."""

import asyncio
from pathlib import Path
from typing import Any

from tests.idle_hub import Door, run

from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.runtime.leases import Role


def test_view_in_one_process_is_known_to_another(postgresql: Any, tmp_path: Path) -> None:
    url = postgresql.new_database()

    def opened(role: Role) -> Hub:
        settings = Settings(
            data=tmp_path / role,
            database_url=url,
            public_url="http://hub.test",
            secret_key="a key that all share",
        )
        return Hub.open(settings, role)

    async def view(web: Hub, worker: Hub) -> None:
        await web.start()
        await worker.start()
        door = Door(web)
        seen = (await worker.connections.open_context(door.integration_id)).recently_viewed
        while seen.refs() != [("parts", "7")]:
            web.pool.mark_viewed(door.integration_id, "parts", "7")
            await asyncio.sleep(0.05)
        await web.stop()
        await worker.stop()

    web, worker = opened("web"), opened("worker")
    run(asyncio.wait_for(view(web, worker), 20))
    web.close()
    worker.close()
