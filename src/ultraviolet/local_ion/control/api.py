"""The control API under /_local, for demos and tests; a real ION does not have it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, Router, delete, get, patch, post
from litestar.exceptions import PermissionDeniedException
from litestar.params import FromQuery

from ultraviolet.codecs import DECODE_ERRORS
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.local_ion.control.snapshots import Snapshot, Snapshots
from ultraviolet.local_ion.faults.kinds import (
    FAULT_KINDS,
    Fault,
    FaultKind,
    Scenario,
    load_scenarios,
    scenario_faults,
)
from ultraviolet.local_ion.faults.registry import FaultRegistry, FaultState
from ultraviolet.local_ion.faults.schema import SchemaFaults
from ultraviolet.local_ion.mutations.action_rules import Execution
from ultraviolet.local_ion.plant.simulator import PlantSimulator
from ultraviolet.local_ion.webhooks.sender import DeliveryService

T = TypeVar("T")


class PlantState(msgspec.Struct, frozen=True):
    """The rate of the simulated plant, and its changes since this process started."""

    changes_per_second: float
    changes: int


class PlantRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rate of the simulated plant; 0 pauses it."""

    changes_per_second: float


class ScenarioRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The scenario to set; a seed makes it repeatable."""

    scenario: str
    seed: int | None = None


class SnapshotName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of a snapshot."""

    name: str = "default"


class ResetRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The state to reset to."""

    to: Literal["plant", "empty"] = "plant"


class ControlState:
    """The objects that the control API operates on."""

    def __init__(
        self,
        simulator: PlantSimulator,
        faults: FaultRegistry,
        schema_faults: SchemaFaults,
        deliveries: DeliveryService,
        snapshots: Snapshots,
        executions: Iterable[Execution] = (),
    ) -> None:
        self.simulator = simulator
        self.faults = faults
        self.schema_faults = schema_faults
        self.deliveries = deliveries
        self.snapshots = snapshots
        self.executions = executions
        self.ready = False
        self._lock = asyncio.Lock()

    async def save_snapshot(self, name: str) -> Snapshot:
        """Save the current state under a name."""
        async with self._lock:
            return await asyncio.to_thread(self.snapshots.save, name)

    async def replace_content(self, load: Callable[[], None]) -> None:
        """Replace the content of the store while deliveries are stopped."""
        async with self._lock:
            await self.deliveries.stop()
            try:
                await asyncio.to_thread(load)
            finally:
                await self.deliveries.start()


def create_control_router(state: ControlState) -> Router:
    """Create the routes of the control API."""

    @get("/ready", sync_to_thread=False)
    def ready() -> Response[dict[str, bool]]:
        return Response({"ready": state.ready}, status_code=200 if state.ready else 503)

    @get("/plant", sync_to_thread=False)
    def get_plant() -> PlantState:
        simulator = state.simulator
        return PlantState(simulator.rate_limiter.changes_per_second, simulator.changes)

    @patch("/plant")
    async def set_plant_rate(request: Request[Any, Any, Any]) -> PlantState:
        data = _decode(await request.body(), PlantRate)
        state.simulator.rate_limiter.changes_per_second = max(0.0, data.changes_per_second)
        return PlantState(state.simulator.rate_limiter.changes_per_second, state.simulator.changes)

    @get("/action-executions", sync_to_thread=False)
    def list_executions() -> list[Execution]:
        return list(state.executions)[::-1]

    handlers = [ready, get_plant, set_plant_rate, list_executions]
    return Router(
        "/_local",
        route_handlers=[*handlers, *_fault_handlers(state), *_snapshot_handlers(state)],
        before_request=check_same_origin,
        exception_handlers={UltravioletError: error_response},
    )


def _fault_handlers(state: ControlState) -> list[Any]:
    @get("/faults", sync_to_thread=False)
    def list_faults() -> list[FaultState]:
        return state.faults.list_states()

    @post("/faults")
    async def add_faults(request: Request[Any, Any, Any]) -> list[FaultState]:
        body = await request.body()
        is_list = body.lstrip().startswith(b"[")
        faults = _decode(body, list[Fault]) if is_list else [_decode(body, Fault)]
        await asyncio.to_thread(state.schema_faults.check, faults)
        return state.faults.add(*faults)

    @delete("/faults", status_code=200, sync_to_thread=False)
    def clear_faults(which: FromQuery[str | None] = None) -> dict[str, int]:
        return {"cleared": state.faults.clear(which)}

    @get("/faults/kinds", sync_to_thread=False)
    def list_kinds() -> dict[str, FaultKind]:
        return {**FAULT_KINDS}

    @get("/faults/scenarios", sync_to_thread=False)
    def list_scenarios() -> dict[str, Scenario]:
        return load_scenarios()

    @post("/faults/scenarios")
    async def set_scenario(request: Request[Any, Any, Any]) -> list[FaultState]:
        wanted = _decode(await request.body(), ScenarioRequest)
        return state.faults.add(*scenario_faults(wanted.scenario, wanted.seed))

    return [list_faults, add_faults, clear_faults, list_kinds, list_scenarios, set_scenario]


def _snapshot_handlers(state: ControlState) -> list[Any]:
    @get("/snapshots", sync_to_thread=False)
    def list_snapshots() -> list[Snapshot]:
        return state.snapshots.list_all()

    @post("/snapshot")
    async def save_snapshot(request: Request[Any, Any, Any]) -> Snapshot:
        wanted = _decode(await request.body() or b"{}", SnapshotName)
        return await state.save_snapshot(wanted.name)

    @post("/restore", status_code=200)
    async def restore(request: Request[Any, Any, Any]) -> SnapshotName:
        wanted = _decode(await request.body() or b"{}", SnapshotName)
        await state.replace_content(state.snapshots.loader(wanted.name))
        return wanted

    @post("/reset", status_code=200)
    async def reset(request: Request[Any, Any, Any]) -> ResetRequest:
        wanted = _decode(await request.body() or b"{}", ResetRequest)
        await state.replace_content(state.snapshots.resetter(empty=wanted.to == "empty"))
        return wanted

    return [list_snapshots, save_snapshot, restore, reset]


def _decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except DECODE_ERRORS as error:
        raise InvalidError(f"Invalid request: {error}") from error


def error_response(_: Request[Any, Any, Any], error: UltravioletError) -> Response[dict[str, Any]]:
    """Return an error as the framework shows it."""
    content = {"status_code": error.status, "detail": str(error)}
    return Response(content, status_code=error.status)


def check_same_origin(request: Request[Any, Any, Any]) -> None:
    """Reject requests from pages of other origins; the control API has no authentication."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""):
        raise PermissionDeniedException(
            "The control API does not accept requests from pages of other origins."
        )
