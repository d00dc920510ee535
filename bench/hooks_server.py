"""The webhook endpoint of a hub alone, with the server's protocol.

`python -m bench.hooks_server DATA DATABASE_URL` prints a webhook URL for deliveries signed with
SECRET.
"""

import sys
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import Connection

from ultraviolet.http_protocol import Limits, make_protocol
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.service import IngestService
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.local_ion.server import open_listener
from ultraviolet.server.serve import freeze_startup_objects
from ultraviolet.web.webhook_endpoint import WebhookEndpoint

SECRET = "the shared secret"
NAME = "bench"


def set_up(hub: Hub, name: str = NAME) -> str:
    """Create an integration with a webhook URL and return its token."""

    def made(connection: Connection) -> str:
        new = NewIntegration(name, "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
        integration = integrations.create(connection, hub.secrets, NAME, new)
        url, token = webhook_urls.create_url(connection, NAME, integration.id, "ION")
        webhook_urls.set_receiver(
            connection, hub.secrets, NAME, url.id, receiver_id="1", shared_secret=SECRET
        )
        return token

    return hub.database.write_now(made)


def set_up_beside(data: Path, database: str, secret_key: str | None = None) -> str:
    """Create an integration in the database of another process; return the token."""
    settings = Settings(
        data=data, database_url=database, public_url="http://127.0.0.1", secret_key=secret_key
    )
    hub = Hub.open(settings)
    token = set_up(hub)
    hub.close()
    return token


async def _nowhere(_: Any, __: Any, send: Any) -> None:
    await send(
        {"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]}
    )
    await send({"type": "http.response.body", "body": b""})


async def _serve(data: Path, database: str) -> None:
    hub = Hub.open(Settings(data=data, database_url=database, public_url="http://127.0.0.1"))
    token = set_up(hub)
    ingest = IngestService(hub.database, hub.catalog, hub.secrets, PubSub(), lambda _: None)
    await ingest.refresh()
    freeze_startup_objects()
    with open_listener("127.0.0.1", 0) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/hooks/{token}", flush=True)
        app = WebhookEndpoint(ingest, _nowhere)
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            http=make_protocol(Limits(), shortcut=app.accept),
        )
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(Path(sys.argv[1]), sys.argv[2]))
