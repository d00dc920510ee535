"""The local ION's own doors, under /_local: what no real ION has, for demos and tests."""

from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from litestar import Request, Response, Router, get, patch
from litestar.exceptions import PermissionDeniedException
from litestar.params import JSONBody

from ultraviolet.local_ion.factory.works import Works


class PlantState(msgspec.Struct, frozen=True):
    """How busy the simulated plant is, and what it has done since this process began."""

    changes_per_second: float
    changes: int


class PlantRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How busy the plant is to be; at 0 it rests."""

    changes_per_second: float


class Local(Protocol):
    """What these doors need of the local ION."""

    ready: bool
    works: Works


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

    return Router("/_local", route_handlers=[ready, plant, set_plant], before_request=not_from_elsewhere)


def not_from_elsewhere(request: Request[Any, Any, Any]) -> None:
    """Refuse what a page of another origin made a browser send; there is no key to protect these doors."""
    origin = urlsplit(request.headers.get("origin", "")).netloc
    if origin and origin != request.headers.get("host", ""):
        raise PermissionDeniedException("This door is not open to pages of other origins.")
