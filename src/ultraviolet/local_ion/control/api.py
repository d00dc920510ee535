"""The local ION's own doors, under /_local: what no real ION has, for demos and tests."""

import asyncio
from collections.abc import Callable
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromQuery, JSONBody

from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.local_ion.control.snapshots import Snapshot, Snapshots
from ultraviolet.local_ion.faults import registry as catalogue
from ultraviolet.local_ion.faults.registry import Fault, Faults, FaultState, KindOfFault, Scenario
from ultraviolet.local_ion.faults.schema import Drift
from ultraviolet.local_ion.plant.simulator import Works
from ultraviolet.local_ion.webhooks.sender import Deliveries

T = TypeVar("T")


class PlantState(msgspec.Struct, frozen=True):
    """How busy the simulated plant is, and what it has done since this process began."""

    changes_per_second: float
    changes: int


class PlantRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How busy the plant is to be; at 0 it rests."""

    changes_per_second: float


class ScenarioWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which scenario to set; a seed makes it repeatable."""

    scenario: str
    seed: int | None = None


class Name(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Under which name a state is kept."""

    name: str = "default"


class ResetWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to go back to."""

    to: Literal["plant", "empty"] = "plant"


class Local(Protocol):
    """What these doors need of the local ION."""

    ready: bool
    works: Works
    faults: Faults
    drift: Drift
    deliveries: Deliveries
    snapshots: Snapshots


def local_api(local: Local) -> Router:
    """Build the routes."""

    @get("/ready", sync_to_thread=False)
    def ready() -> Response[dict[str, bool]]:
        return Response({"ready": local.ready}, status_code=200 if local.ready else 503)

    @get("/plant", sync_to_thread=False)
    def plant() -> PlantState:
        return PlantState(local.works.rate.changes_per_second, local.works.changes)

    @patch("/plant", sync_to_thread=False)
    def set_plant(data: JSONBody[PlantRate]) -> PlantState:
        local.works.rate.changes_per_second = max(0.0, data.changes_per_second)
        return PlantState(local.works.rate.changes_per_second, local.works.changes)

    return Router(
        "/_local",
        route_handlers=[ready, plant, set_plant, *_fault_doors(local), *_state_doors(local)],
        before_request=not_from_elsewhere,
        exception_handlers={UltravioletError: _refused},
    )


def _fault_doors(local: Local) -> list[Any]:
    @get("/faults", sync_to_thread=False)
    def listed() -> list[FaultState]:
        return local.faults.listed()

    @post("/faults")
    async def set_faults(request: Request[Any, Any, Any]) -> list[FaultState]:
        body = await request.body()
        faults = _read(body, list[Fault]) if body.lstrip().startswith(b"[") else [_read(body, Fault)]
        await asyncio.to_thread(local.drift.check, faults)
        return local.faults.set(*faults)

    @delete("/faults", status_code=200, sync_to_thread=False)
    def clear(which: FromQuery[str | None] = None) -> dict[str, int]:
        return {"cleared": local.faults.clear(which)}

    @get("/faults/kinds", sync_to_thread=False)
    def kinds() -> dict[str, KindOfFault]:
        return {**catalogue.ABOUT}

    @get("/faults/scenarios", sync_to_thread=False)
    def scenarios() -> dict[str, Scenario]:
        return catalogue.scenarios()

    @post("/faults/scenarios")
    async def set_scenario(request: Request[Any, Any, Any]) -> list[FaultState]:
        wanted = _read(await request.body(), ScenarioWanted)
        return local.faults.set(*catalogue.scenario(wanted.scenario, wanted.seed))

    return [listed, set_faults, clear, kinds, scenarios, set_scenario]


def _state_doors(local: Local) -> list[Any]:
    one_at_a_time = asyncio.Lock()

    async def replace(load: Callable[[], None]) -> None:
        async with one_at_a_time:
            await local.deliveries.stop()
            try:
                await asyncio.to_thread(load)
            finally:
                await local.deliveries.start()

    @get("/snapshots", sync_to_thread=False)
    def listed() -> list[Snapshot]:
        return local.snapshots.listed()

    @post("/snapshot")
    async def keep(request: Request[Any, Any, Any]) -> Snapshot:
        wanted = _read(await request.body() or b"{}", Name)
        async with one_at_a_time:
            return await asyncio.to_thread(local.snapshots.keep, wanted.name)

    @post("/restore", status_code=200)
    async def restore(request: Request[Any, Any, Any]) -> Name:
        wanted = _read(await request.body() or b"{}", Name)
        await replace(local.snapshots.restorer(wanted.name))
        return wanted

    @post("/reset", status_code=200)
    async def reset(request: Request[Any, Any, Any]) -> ResetWanted:
        wanted = _read(await request.body() or b"{}", ResetWanted)
        await replace(local.snapshots.resetter(empty=wanted.to == "empty"))
        return wanted

    return [listed, keep, restore, reset]


def _read(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidError(f"That is not understood: {error}") from error


def _refused(_: Request[Any, Any, Any], error: UltravioletError) -> Response[dict[str, Any]]:
    return Response({"status_code": error.status, "detail": str(error)}, status_code=error.status)


def not_from_elsewhere(request: Request[Any, Any, Any]) -> None:
    """Refuse what a page of another origin made a browser send; there is no key to protect these doors."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise PermissionDeniedException("This door is not open to pages of other origins.")
