"""Fetches, verifications, replays and imports that users request."""

import asyncio
import functools
from collections.abc import Sequence

import msgspec
import structlog
from sqlalchemy import Connection

from ultraviolet.db.database import Database
from ultraviolet.errors import ConflictError
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.ingest import event_files
from ultraviolet.hub.ingest.event_files import ImportResult, Line
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import tested_changes
from ultraviolet.hub.integrations.connections import Connections
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.hub.runtime.controller_pool import ControllerPool
from ultraviolet.hub.runtime.one_off import OneOffRunner
from ultraviolet.hub.sync import fetch, replay, verification_store
from ultraviolet.hub.sync.fetch import Mode
from ultraviolet.hub.sync.replay import Range, Replayed
from ultraviolet.hub.sync.verify import Verifier
from ultraviolet.text import counted

_POLL_SECONDS = 0.1

log = structlog.get_logger()


class Requests:
    """Record requested work; controllers do it, or this process if it runs a single command."""

    def __init__(
        self,
        database: Database,
        changes: PubSub,
        connections: Connections,
        pool: ControllerPool,
        one_off: OneOffRunner | None,
    ) -> None:
        self._database = database
        self._changes = changes
        self._connections = connections
        self._pool = pool
        self._one_off = one_off

    async def start_fetch(
        self, integration_id: int, mode: Mode, actor: str, *, accept_absence: bool = False
    ) -> int:
        """Request a fetch and return its id.

        Raise ConflictError while the integration is paused or ION rejects its credentials.
        `accept_absence` permits it to delete any number of objects that are gone from ION.
        """

        def request(connection: Connection) -> int:
            found = _require_active(connection, integration_id, "fetch")
            detail = {"mode": mode, "accept_absence": accept_absence}
            audit.record(connection, actor, "fetch.start", found.name, detail)
            return fetch.request_fetch(
                connection, integration_id, mode, actor, accept_absence=accept_absence
            )

        await tested_changes.check_credentials(self._connections, integration_id)
        fetch_id = await self._database.write(request)
        self._pool.wake(integration_id, "fetch")
        if self._one_off is not None:

            async def run() -> None:
                context = await self._connections.open_context(integration_id)
                await fetch.Fetcher(context).run(fetch_id, mode)

            self._one_off.begin(
                integration_id,
                run,
                lambda: self._database.read(fetch.is_running, fetch_id),
                lambda error: self._database.write(fetch.fail, fetch_id, error),
            )
        self._changes.publish("fetch", integration_id, id=fetch_id)
        return fetch_id

    async def verify(
        self, integration_id: int, actor: str, *, wait: bool = True, sample: int | None = None
    ) -> int:
        """Request a verification and return its id, after it has ended if `wait`.

        Raise ConflictError while the integration is paused or ION rejects its credentials.
        """

        def request(connection: Connection) -> int:
            found = _require_active(connection, integration_id, "verify")
            audit.record(connection, actor, "verification.start", found.name, {"sample": sample})
            return verification_store.request(connection, integration_id, actor, sample)

        await tested_changes.check_credentials(self._connections, integration_id)
        verification_id = await self._database.write(request)
        self._begin_verify(integration_id, verification_id)
        # Poll, because another process may run it.
        while wait and await self._is_verifying(verification_id):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return verification_id

    async def resume_verify(self, verification_id: int) -> None:
        """Resume a failed verification."""
        integration_id = await self._database.write(verification_store.resume, verification_id)
        self._begin_verify(integration_id, verification_id)

    async def replay(self, actor: str, wanted: Range, *, dry_run: bool = False) -> Replayed:
        """Process a range of events again, or return the changes that this would make."""
        found = await self._database.read(replay.select_events, wanted)
        if not dry_run:
            criteria = {
                name: value
                for name, value in msgspec.structs.asdict(wanted).items()
                if value is not None
            }
            count = sum(map(len, found.values()))
            await self._database.write(
                audit.record, actor, "event.replay", counted(count, "event"), criteria
            )
        process = replay.preview_replay if dry_run else replay.replay_events
        parts = [
            await process(await self._connections.open_context(id_), seqs)
            for id_, seqs in found.items()
        ]
        if not dry_run:
            log.info("event.replayed", actor=actor, **msgspec.structs.asdict(wanted))
            for integration_id in found:
                self._pool.wake(integration_id, "heal")
                self._changes.publish("event", integration_id)
        return replay.sum_results(parts, dry_run=dry_run)

    async def import_events(
        self, integration_id: int, actor: str, lines: Sequence[Line]
    ) -> ImportResult:
        """Add events that another hub recorded, and process them like received ones."""

        def add(connection: Connection) -> ImportResult:
            name = integrations.get(connection, integration_id).name
            catalog = self._connections.catalog
            done = event_files.import_lines(connection, catalog, integration_id, lines)
            audit.record(connection, actor, "event.import", name, {"added": done.added})
            return done

        done = await self._database.write(add)
        log.info("event.imported", integration_id=integration_id, actor=actor, added=done.added)
        self._pool.wake(integration_id, "apply")
        return done

    def _begin_verify(self, integration_id: int, verification_id: int) -> None:
        self._pool.wake(integration_id, "verify")
        if self._one_off is not None:

            async def run() -> None:
                context = await self._connections.open_context(integration_id)
                await Verifier(context).run(verification_id)

            self._one_off.begin(
                integration_id,
                run,
                functools.partial(self._is_verifying, verification_id),
                lambda error: self._database.write(verification_store.fail, verification_id, error),
            )

    async def _is_verifying(self, verification_id: int) -> bool:
        state = await self._database.read(verification_store.state_of, verification_id)
        return state == "running"


def _require_active(connection: Connection, integration_id: int, action: str) -> Integration:
    found = integrations.get(connection, integration_id)
    if found.paused:
        raise ConflictError(f"“{found.name}” is paused; resume it, then {action}.")
    return found
