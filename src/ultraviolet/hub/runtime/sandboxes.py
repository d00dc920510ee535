"""Local IONs that the hub of a laptop starts with the objects of an integration."""

import asyncio
import secrets
import shutil
from collections import defaultdict
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Literal

import msgspec
import structlog

from ultraviolet.child_process import Child, end_orphan
from ultraviolet.db.database import Database
from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.file_lock import lock_folder
from ultraviolet.hub.accounts import api_keys
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.encryption import new_token
from ultraviolet.hub.core.periodic_task import PeriodicTask
from ultraviolet.hub.integrations import service

log = structlog.get_logger()

ADDRESS_FILE = "local-ion.json"
PROCESS_LOCK = "process.lock"
CHECK_SECONDS = 30.0
MAX_LOG_CHARACTERS = 2_000
_NAME = "The sandbox"
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
    claim: ExitStack
    """Holds the lock of this sandbox, which shows other processes that the hub lives."""


class Sandboxes:
    """The sandboxes of this process; they end with it, or are removed at the next start."""

    def __init__(self, database: Database, data: Path, url: str, *, available: bool) -> None:
        """Use the address of the hub on this machine."""
        self._database = database
        self._folder = data / FOLDER
        self._url = url
        self.available = available
        """Whether the users of the hub can reach a local ION: the hub has a local address."""
        self._processes: dict[int, _Process] = {}
        self._locks = defaultdict[int, asyncio.Lock](asyncio.Lock)
        self._closed = False
        self.task = PeriodicTask("sandboxes", self.tidy, CHECK_SECONDS)

    def get(self, integration_id: int) -> Sandbox | None:
        """Return the sandbox of an integration, None if none was started."""
        process = self._processes.get(integration_id)
        if process is None:
            return None
        address = process.data / ADDRESS_FILE
        is_running = process.child.process.poll() is None
        url = log = ""
        with suppress(FileNotFoundError):  # while it starts or stops
            log = process.child.log.read_text(errors="replace")[-MAX_LOG_CHARACTERS:]
            if is_running:
                url = str(msgspec.json.decode(address.read_bytes())["url"])
        state = "running" if url else "loading" if is_running else "failed"
        return Sandbox(
            state, process.masked, process.client_id, process.client_secret, log.strip(), url
        )

    async def start(self, actor: str, integration_id: int, name: str, *, mask: bool) -> None:
        """Start a sandbox with the current objects. Raise InvalidError or ConflictError."""
        if not self.available:
            raise InvalidError(
                "Only a hub with a local address starts sandboxes. Run the command on your machine."
            )
        async with self._locks[integration_id]:
            found = self.get(integration_id)
            if self._closed:
                raise ConflictError("The hub is stopping.")
            if found is not None and found.state != "failed":
                raise ConflictError("The sandbox runs already. Stop it first.")
            await self._stop(integration_id)
            claim = ExitStack()
            claim.enter_context(self._lock(integration_id))
            try:
                await self._start(actor, integration_id, name, claim, mask=mask)
            except BaseException:
                claim.close()
                raise

    async def _start(
        self, actor: str, integration_id: int, name: str, claim: ExitStack, *, mask: bool
    ) -> None:
        data, key = self._folder / str(integration_id), new_token("uvk")
        await self._remove(integration_id)
        await self._database.write(api_keys.set_key, _key_name(integration_id), "viewer", key)
        await self._database.write(audit.record, actor, "sandbox.start", name, {"masked": mask})
        client_id, client_secret = "sandbox", secrets.token_urlsafe(24)
        arguments = ["ion", "serve", "--port", "0", "--data", str(data / "ion")]
        arguments += ["--from-hub", self._url, "--integration", str(integration_id)]
        environment = {
            "ULTRAVIOLET_KEY": key,
            "ION_CLIENT_ID": client_id,
            "ION_CLIENT_SECRET": client_secret,
        }
        child = Child(
            _NAME,
            [*arguments, *["--mask"] * mask],
            data / "ion.log",
            environment,
            lock=data / PROCESS_LOCK,
        )
        child.start()
        self._processes[integration_id] = _Process(
            child, data / "ion", mask, client_id, client_secret, key, claim
        )

    async def stop(self, integration_id: int) -> None:
        """Stop a sandbox and delete its data; do nothing if none was started."""
        async with self._locks[integration_id]:
            await self._stop(integration_id)

    async def _stop(self, integration_id: int) -> None:
        process = self._processes.get(integration_id)
        if process is None:
            return
        await asyncio.to_thread(process.child.stop)
        await self._database.write(api_keys.delete_key_by_token, process.key)
        await asyncio.to_thread(shutil.rmtree, process.data.parent, ignore_errors=True)
        del self._processes[integration_id]
        process.claim.close()

    async def stop_all(self) -> None:
        """Stop all sandboxes and delete their data; no other can be started."""
        self._closed = True
        stopped = await asyncio.gather(
            *(self.stop(integration_id) for integration_id in [*self._locks]),
            return_exceptions=True,
        )
        for error in stopped:
            if error is not None:
                log.warning("sandbox.not_stopped", error=str(error))

    async def tidy(self) -> None:
        """Stop the sandboxes of removed integrations, and remove those of hubs that were killed."""
        kept = await self._database.read(service.list_ids) if self._processes else set[int]()
        for integration_id in self._processes.keys() - kept:
            await self.stop(integration_id)
        found = {int(path.stem) for path in self._folder.glob("*") if path.stem.isdecimal()}
        for integration_id in found:
            async with self._locks[integration_id]:
                if integration_id in self._processes:
                    continue
                with suppress(ConflictError), self._lock(integration_id):  # of another process
                    await self._remove(integration_id)
                    log.info("sandbox.removed", integration_id=integration_id)

    def _lock(self, integration_id: int) -> AbstractContextManager[object]:
        return lock_folder(self._folder, f"{integration_id}.lock", _NAME, temporary=True)

    async def _remove(self, integration_id: int) -> None:
        """End a process that outlived its hub, revoke its key and delete its data."""
        data = self._folder / str(integration_id)
        await asyncio.to_thread(end_orphan, data / PROCESS_LOCK)
        await self._database.write(api_keys.delete_key, _key_name(integration_id))
        await asyncio.to_thread(shutil.rmtree, data, ignore_errors=True)


def _key_name(integration_id: int) -> str:
    return f"sandbox of integration {integration_id}"
