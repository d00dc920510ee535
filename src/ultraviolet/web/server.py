"""The hub as a process: settings, first sign-in link, the file that tells the command line where it runs."""

from pathlib import Path

import msgspec
import structlog
import uvicorn

from ultraviolet.hub.hub import Hub
from ultraviolet.hub.settings import Settings
from ultraviolet.web.app import create_app

_PROCESS_KEY = "this process"
_SETTING_KEY = "ULTRAVIOLET_ADMIN_KEY"

log = structlog.get_logger()


class ServeOptions(msgspec.Struct, frozen=True):
    """Where to listen and where the data is."""

    host: str = "127.0.0.1"
    port: int = 8000
    data: Path = Path("ultraviolet-data")


class _Server(uvicorn.Server):
    """Ends the live streams when asked to stop, which otherwise would hold the process."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: "list[socket.socket] | None" = None) -> None:
        """Let the streams finish, then close as uvicorn does."""
        self._hub.changes.close()
        await super().shutdown(sockets)


def serve(options: ServeOptions) -> None:
    """Run the hub until it is told to stop."""
    address = f"http://{options.host}:{options.port}"
    hub = Hub.open(Settings.from_environment(data=options.data, public_url=address))
    _set_keys(hub)
    config = uvicorn.Config(
        create_app(hub),
        host=options.host,
        port=options.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    with announced(hub, address):
        _Server(config, hub).run()
