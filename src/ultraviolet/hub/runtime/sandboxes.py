"""Local IONs that the hub of a laptop starts with the objects of an integration."""

import asyncio
import secrets
import shutil
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from ultraviolet.child_process import Child
from ultraviolet.db.database import Database
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.hub.accounts import api_keys
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import new_token

log = structlog.get_logger()

ADDRESS_FILE = "local-ion.json"
MAX_LOG_CHARACTERS = 2_000
FOLDER = "sandboxes"
"""The folder of all sandboxes in the data directory of the hub."""


class Sandbox(msgspec.Struct, frozen=True):
    """The state of a sandbox, with its address and credentials once it runs."""

    state: Literal["loading", "running", "failed"]
    masked: bool
    client_id: str
    client_secret: str
    log: str
    url: str = ""


class _Process(msgspec.Struct, frozen=True):
    child: Child
    data: Path
    masked: bool
    client_id: str
    client_secret: str
    key: str


class Sandboxes:
    """The sandboxes of this process; they end with it."""

    def __init__(self, database: Database, data: Path, url: str, *, available: bool) -> None:
        """Use the address of the hub on this machine."""
        self._database = database
        self._folder = data / FOLDER
        self._url = url
        self.available = available
        """Whether the users of the hub can reach a local ION: the hub has a local address."""
        self._processes: dict[int, _Process] = {}
        self._lock = asyncio.Lock()

    def get(self, integration_id: int) -> Sandbox | None:
        """Return the sandbox of an integration, None if none was started."""
        process = self._processes.get(integration_id)
        if process is None:
            return None
        address = process.data / ADDRESS_FILE
        is_running = process.child.process.poll() is None
        url = ""
        if is_running and address.exists():
            url = str(msgspec.json.decode(address.read_bytes())["url"])
        state = "running" if url else "loading" if is_running else "failed"
        log = process.child.log.read_text(errors="replace")[-MAX_LOG_CHARACTERS:]
        return Sandbox(
            state, process.masked, process.client_id, process.client_secret, log.strip(), url
        )

    async def start(self, actor: str, integration_id: int, name: str, *, mask: bool) -> None:
        """Start a sandbox with the current objects. Raise InvalidError or ConflictError."""
        if not self.available:
            raise InvalidError(
                "Only a hub with a local address starts sandboxes. Run the command on your machine."
            )
        async with self._lock:
            found = self.get(integration_id)
            if found is not None and found.state != "failed":
                raise ConflictError("The sandbox runs already. Stop it first.")
            await self.stop(integration_id)
            data = self._folder / str(integration_id)
            await asyncio.to_thread(shutil.rmtree, data, ignore_errors=True)
            key = new_token("uvk")
            await self._database.write(
                api_keys.set_key, f"sandbox of integration {integration_id}", "viewer", key
            )
            await self._database.write(audit.record, actor, "sandbox.start", name, {"masked": mask})
            client_id, client_secret = "sandbox", secrets.token_urlsafe(24)
            arguments = ["ion", "serve", "--port", "0", "--data", str(data / "ion")]
            arguments += ["--from-hub", self._url, "--integration", str(integration_id)]
            arguments += ["--mask"] * mask
            environment = {
                "ULTRAVIOLET_KEY": key,
                "ION_CLIENT_ID": client_id,
                "ION_CLIENT_SECRET": client_secret,
            }
            child = Child("The sandbox", arguments, data / "ion.log", environment)
            child.start()
            self._processes[integration_id] = _Process(
                child, data / "ion", mask, client_id, client_secret, key
            )

    async def stop(self, integration_id: int) -> None:
        """Stop a sandbox and delete its data; do nothing if none was started."""
        process = self._processes.pop(integration_id, None)
        if process is None:
            return
        await asyncio.to_thread(process.child.stop)
        await self._database.write(api_keys.delete_key_by_token, process.key)
        await asyncio.to_thread(shutil.rmtree, process.data.parent, ignore_errors=True)

    async def stop_all(self) -> None:
        """Stop all sandboxes and delete their data."""
        stopped = await asyncio.gather(
            *(self.stop(integration_id) for integration_id in [*self._processes]),
            return_exceptions=True,
        )
        for error in stopped:
            if error is not None:
                log.warning("sandbox.not_stopped", error=str(error))
