"""Pages: fetches and how far they are."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.clock import format_rfc3339, utc_now
from ultraviolet.errors import InvalidError
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.http.params import optional_integration, parse_choice
from ultraviolet.web.middleware.auth import OPERATOR, VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.charts import Chart, Series, columns, count, seconds
from ultraviolet.web.pages.formats.names import plural, words
from ultraviolet.web.pages.forms.form_values import number_in
from ultraviolet.web.pages.overview import RANGES
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import fetches
from ultraviolet.web.queries.activity import HOURS
from ultraviolet.web.queries.fetches import Fetch, FetchFilter, FetchStep

_PAGE_SIZE = 50
_CHARTED = 40
_SLOW_SECONDS = 10.0
"""Duration from which a resource is listed even without changes."""
_WAITING, _UNCHANGED, _EMPTY = "waiting", "without changes", "without objects"
"""Groups of resources that the page of a fetch folds."""


@get("/fetches", guards=VIEWER)
async def show_all(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    integration: FromQuery[str] = "",
    mode: FromQuery[str] = "",
    fetch_state: Annotated[str, QueryParameter(name="state")] = "",
    asked: Annotated[str, QueryParameter(name="range")] = "",
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """List fetches, newest first, and chart the newest of them run by run."""
    before = number(cursor)
    span = parse_choice("range", asked, RANGES, RANGES.__getitem__, "time range")
    since = format_rfc3339(utc_now() - timedelta(hours=HOURS[span])) if span else None

    def read(connection: Connection) -> dict[str, Any]:
        chosen = optional_integration(connection, integration)
        wanted = FetchFilter(
            chosen,
            parse_choice("mode", mode, fetches.MODES, str.capitalize),
            parse_choice("state", fetch_state, fetches.STATES, lambda one: words(one).capitalize()),
            since,
        )
        found = fetches.list_fetches(connection, wanted, before, _PAGE_SIZE + 1)
        page = page_of(found, _PAGE_SIZE, lambda fetch: fetch.id)
        choice = integrations.list_page(connection)
        names = {one.id: one.name for one in choice}
        return {
            "wanted": wanted,
            "fetches": page.items,
            "next": page.next,
            "integrations": choice,
            "names": names,
        }

    context = await hub.database.read(read)
    charts = _charts([*reversed(context["fetches"][:_CHARTED])])
    return render.page(
        request,
        "fetches.html",
        **context,
        modes=fetches.MODES,
        states=fetches.STATES,
        span=span or "",
        ranges={**RANGES, "": "All"},
        charts=charts,
        live=before is None,
    )


def _charts(runs: list[Fetch]) -> dict[str, Chart]:
    """Draw duration, objects read and objects changed of each run."""
    if len(runs) < 2:  # noqa: PLR2004  a chart needs two bars
        return {}
    places = [f"{run.id}" for run in runs]
    modes = [mode for mode in fetches.MODES if any(run.mode == mode for run in runs)]

    def of(mode: str, values: list[float]) -> Series:
        return Series(
            mode,
            [v if run.mode == mode else 0 for v, run in zip(values, runs, strict=True)],
            fetches.MODES.index(mode),
        )

    took, read = [run.took or 0.0 for run in runs], [float(run.read) for run in runs]
    changed, deleted = [run.changed for run in runs], [run.deleted for run in runs]
    span = f"of syncs {places[0]} to {places[-1]}"
    return {
        "Duration": columns(
            places,
            [of(mode, took) for mode in modes],
            f"Duration {span}, at most {seconds(max(took))}.",
            seconds,
            least=0.1,
        ),
        "Objects read": columns(
            places,
            [of(mode, read) for mode in modes],
            f"Objects read {span}, at most {count(max(read))}.",
        ),
        "Changed and deleted": columns(
            places,
            [Series("changed", changed), Series("deleted", deleted)],
            f"Objects changed and deleted {span}: {sum(changed):,} and {sum(deleted):,} in total.",
        ),
    }


@get("/fetches/{fetch_id:int}", guards=VIEWER)
async def show(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    fetch_id: FromPath[int],
    sort: FromQuery[Literal["", "resource", "read", "changed", "duration"]] = "",
) -> Response[str]:
    """Show one fetch: resources with changes, errors or a long duration; others are folded."""

    def read(connection: Connection) -> dict[str, Any]:
        fetch = fetches.get_fetch(connection, fetch_id)
        return {"fetch": fetch, "integration": integrations.get(connection, fetch.integration_id)}

    context = await hub.database.read(read)
    steps: list[FetchStep] = sorted(context["fetch"].steps, key=_ORDERS[sort])
    notable: list[FetchStep] = []
    folded: dict[str, list[FetchStep]] = {name: [] for name in (_WAITING, _UNCHANGED, _EMPTY)}
    for step in steps:
        slow = step.took is not None and step.took >= _SLOW_SECONDS
        if step.state == "waiting":
            folded[_WAITING].append(step)
        elif step.state != "done" or step.error or step.changed or step.deleted or slow:
            notable.append(step)
        else:  # an incremental fetch reads no objects of a resource without changes
            is_empty = context["fetch"].mode == "full" and not step.read
            folded[_EMPTY if is_empty else _UNCHANGED].append(step)
    return render.page(request, "fetch.html", **context, notable=notable, folded=folded, sort=sort)


_ORDERS: dict[str, Callable[[FetchStep], Any]] = {
    "": lambda step: (not step.error, -(step.changed + step.deleted), -(step.took or 0.0)),
    "resource": lambda step: plural(step.resource),
    "read": lambda step: -step.read,
    "changed": lambda step: -(step.changed + step.deleted),
    "duration": lambda step: -(step.took or 0.0),
}
"""Orders of the resources of a fetch."""


@post("/fetches", guards=OPERATOR)
async def start(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Begin a fetch and show it."""
    sent = await request.form()
    mode = sent.get("mode")
    if mode not in ("incremental", "full"):
        raise InvalidError("Select a mode: incremental or full.", field="mode")
    fetch_id = await hub.requests.start_fetch(number_in(sent, "integration"), mode, caller.name)
    return Redirect(f"/fetches/{fetch_id}", status_code=303)
