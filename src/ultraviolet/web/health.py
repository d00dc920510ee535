"""Liveness, readiness and metrics of a hub process."""

import os
import shutil
from collections.abc import Iterable
from typing import Annotated

import msgspec
import prometheus_client
from litestar import Response, get
from litestar.params import Parameter
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Connection

import ultraviolet
from ultraviolet.db import engine
from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.db.integrity import check_revision
from ultraviolet.hub.core.encryption import SecretKeyError
from ultraviolet.hub.health import controller_status, heartbeat
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.text import counted
from ultraviolet.web.middleware.auth import GivenHub
from ultraviolet.web.queries import prometheus


class HealthCheck(msgspec.Struct, frozen=True):
    """One check of readiness."""

    name: str
    well: bool
    detail: str


class Readiness(msgspec.Struct, frozen=True):
    """Whether this process is ready; with `verbose`, the checks."""

    status: str
    checks: list[HealthCheck] = []


@get("/livez", include_in_schema=False, sync_to_thread=False)
def livez() -> dict[str, str]:
    """Return that the process is alive."""
    return {"status": "alive", "version": ultraviolet.__version__}


@get("/readyz", include_in_schema=False)
async def readyz(
    hub: GivenHub, verbose: Annotated[str | None, Parameter()] = None
) -> Response[Readiness]:
    """Check database, secret key, disk, controllers and integrations; return 503 if not ready."""
    free = shutil.disk_usage(hub.data).free
    needed = engine.min_free_bytes(hub.database.engine)
    failing = sum(one.problem is not None for one in hub.controllers.values())
    active = len(hub.controllers)
    running = f"{active} active integrations in this process, {failing} with a problem"
    checks = [
        await _check_database(hub),
        HealthCheck("disk", free >= needed, f"{free / 1e9:.1f} GB free"),
        HealthCheck("controllers", hub.pool.is_running, running),
        await _check_integrations(hub),
    ]
    if hub.settings.spool:
        detail = f"{counted(hub.ingest.spooled, 'delivery', 'deliveries')} in the spool"
        if rejected := hub.ingest.refused:
            detail += f"; the database rejected {rejected} more, which the next process retries"
        checks.append(HealthCheck("spool", well=True, detail=detail))
    well = all(check.well for check in checks)
    readiness = Readiness("ready" if well else "not ready", checks if verbose is not None else [])
    return Response(
        readiness, status_code=200 if well else 503, headers={} if well else {"Retry-After": "1"}
    )


@get("/metrics", include_in_schema=False)
async def metrics(hub: GivenHub) -> Response[bytes]:
    """Return the metrics of the tables and of all processes of this hub."""
    try:
        found = await hub.database.read(prometheus.prometheus_families)
    except StoreUnavailableError:
        found = prometheus.unavailable_families()
    registry = CollectorRegistry()
    registry.register(_FamiliesCollector(found))
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # pyright: ignore[reportUnknownArgumentType]
        content = generate_latest(registry)
    else:
        content = generate_latest(registry) + generate_latest(prometheus_client.REGISTRY)
    return Response(content, media_type=CONTENT_TYPE_LATEST)


async def _check_database(hub: Hub) -> HealthCheck:
    def look(connection: Connection) -> HealthCheck:
        found = check_revision(connection)
        if not found.well:
            return HealthCheck("database", well=False, detail=found.detail)
        for one in integrations.list_page(connection, limit=1):
            integrations.credentials(connection, hub.secrets, one.id)
        return HealthCheck("database", well=True, detail=connection.dialect.name)

    try:
        if hub.database.trouble:
            await hub.database.write_delivery(heartbeat.record_heartbeat)
        return await hub.database.read(look)
    except (StoreUnavailableError, SecretKeyError) as error:
        return HealthCheck("database", well=False, detail=str(error))


async def _check_integrations(hub: Hub) -> HealthCheck:
    """Check that a process maintains every active integration, and that no events are overdue."""
    try:
        found = await hub.database.read(controller_status.find_problems)
    except StoreUnavailableError as error:
        return HealthCheck("integrations", well=False, detail=str(error))
    return HealthCheck(
        "integrations",
        well=not found,
        detail="; ".join(map(str, found)) or "all active integrations are maintained",
    )


class _FamiliesCollector(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found


HANDLERS = [livez, readyz, metrics]
