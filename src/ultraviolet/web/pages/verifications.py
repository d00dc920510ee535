"""Pages: comparisons of the mirror with ION, and every difference one found."""

from typing import Any, get_args

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.sync.verification_store import Kind
from ultraviolet.text import counted
from ultraviolet.web.http.pagination import decode, page_of
from ultraviolet.web.http.params import optional_integration, parse_choice
from ultraviolet.web.middleware.auth import OPERATOR, VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.charts import Chart, Series, columns, share
from ultraviolet.web.pages.formats.names import tone_of
from ultraviolet.web.pages.forms.form_values import number_in
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import fetches, verifications
from ultraviolet.web.queries.objects import resource_name
from ultraviolet.web.queries.verifications import Verification

_PAGE_SIZE = 50
_OF_EACH = 20
_KINDS: tuple[Kind, ...] = ("missing", "extra", "different", "displayed")


class Meaning(msgspec.Struct, frozen=True):
    """What a kind or state of a difference means."""

    label: str
    meaning: str


_KIND_MEANINGS: dict[Kind, Meaning] = {
    "missing": Meaning("Missing in the mirror", "ION has the object, the mirror does not."),
    "extra": Meaning("Not in ION", "The mirror has the object, ION does not."),
    "different": Meaning("Different", "At least one field has another value in ION."),
    "displayed": Meaning(
        "Displayed differently", "The document is equal to ION, but the SQL view has another value."
    ),
    "invalid": Meaning(
        "Invalid value",
        "The document is equal to ION, but a value does not fit the type of its field. SQL views,"
        " filters and exports treat it as null.",
    ),
}
_STATE_MEANINGS = {
    "suspected": Meaning(
        "Being re-checked", "The object may have changed meanwhile. The hub reads it again."
    ),
    "confirmed": Meaning("Confirmed", "A second read found the same difference."),
    "unsettled": Meaning(
        "Kept changing", "The object changed at every read, so it was not compared."
    ),
}


class Result(msgspec.Struct, frozen=True):
    """The result of a verification, for display."""

    wrong: int
    label: str
    tone: str
    text: str


@get("/verifications", guards=VIEWER)
async def show_all(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration: FromQuery[str] = ""
) -> Response[str]:
    """Show the newest verifications of one or all integrations, with charts of their results."""

    def read(connection: Connection) -> dict[str, Any]:
        chosen = optional_integration(connection, integration)
        choice = integrations.list_page(connection)
        found = [
            one
            for each in choice
            if chosen in (None, each.id)
            for one in verifications.list_verifications(
                connection, each.id, None, _PAGE_SIZE if chosen else _OF_EACH, samples=0
            )
        ]
        found.sort(key=lambda one: one.id, reverse=True)
        names = {one.id: one.name for one in choice}
        return {
            "chosen": chosen,
            "verifications": found,
            "integrations": choice,
            "names": names,
        }

    context = await hub.database.read(read)
    ended = [one for one in context["verifications"] if one.state == "done"]
    charts = _charts([*reversed(ended[:_PAGE_SIZE])])
    results = {one.id: _result(one) for one in context["verifications"]}
    return render.page(
        request,
        "verifications.html",
        **context,
        results=results,
        charts=charts,
        kinds=_KIND_MEANINGS,
    )


def _result(verification: Verification) -> Result:
    wrong = sum(getattr(verification, kind) for kind in _KINDS)
    if verification.state != "done":
        progress = f"{verification.resources_done} of {verification.resources} resources compared"
        return Result(
            wrong,
            verification.state,
            tone_of(verification.state),
            verification.error or progress,
        )
    if wrong:
        text = f"{wrong:,} of {counted(verification.compared, 'object')} differ from ION."
        return Result(wrong, f"{wrong:,} differ", "bad", text)
    text = f"All {counted(verification.compared, 'object')} compared are equal to ION"
    if verification.unsettled:
        text += f", except {verification.unsettled:,} that kept changing"
    return Result(wrong, "equal", "good", f"{text}.")


def _charts(runs: list[Verification]) -> dict[str, Chart]:
    """Draw what each comparison found and how much of the mirror it looked at."""
    if len(runs) < 2:  # noqa: PLR2004  a chart needs two bars
        return {}
    places = [f"{run.id}" for run in runs]
    kinds = [
        Series(_KIND_MEANINGS[kind].label, [getattr(run, kind) for run in runs]) for kind in _KINDS
    ]
    wrong = sum(sum(value or 0 for value in kind.values) for kind in kinds)
    span = f"of verification {places[0]} to {places[-1]}"
    return {
        "Differences": columns(places, kinds, f"Differences found {span}: {wrong:,.0f} in total."),
        "Coverage": columns(
            places,
            [Series("compared", [run.covered for run in runs])],
            f"Share of the mirror compared, {span}.",
            share,
            least=1,
        ),
    }


@get("/verifications/{verification_id:int}", guards=VIEWER)
async def show(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    verification_id: FromPath[int],
    kind: FromQuery[str] = "",
    resource: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """Show one comparison with the differences it found."""
    after = decode(cursor or None)
    name = resource_name(hub.catalog, resource)
    known: tuple[Kind, ...] = get_args(Kind)
    wanted = parse_choice("kind", kind, known, lambda one: _KIND_MEANINGS[one].label)

    def read(connection: Connection) -> dict[str, Any]:
        one = verifications.get_verification(connection, verification_id)
        found = verifications.list_differences(
            connection, verification_id, after, _PAGE_SIZE + 1, name, wanted
        )
        page = page_of(found, _PAGE_SIZE, verifications.difference_cursor)
        integration = integrations.get(connection, one.integration_id)
        corrected = one.finished_at and fetches.last_full_since(
            connection, one.integration_id, one.finished_at
        )
        return {
            "verification": one,
            "corrected_by": corrected,
            "differences": page.items,
            "next": page.next,
            "integration": integration,
        }

    context = await hub.database.read(read)
    result = _result(context["verification"])
    return render.page(
        request,
        "verification.html",
        **context,
        result=result,
        kinds=_KIND_MEANINGS,
        states=_STATE_MEANINGS,
    )


@post("/verifications", guards=OPERATOR)
async def start(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Begin a comparison of everything, or of about so many objects, and show it."""
    sent = await request.form()
    size = str(sent.get("sample", "")).strip()
    if size and not (size.isdecimal() and int(size) > 0):
        raise InvalidError(
            "Enter the sample size as a whole number, or leave it empty to compare all objects.",
            field="sample",
        )
    number = await hub.requests.verify(
        number_in(sent, "integration"), caller.name, wait=False, sample=int(size) if size else None
    )
    return Redirect(f"/verifications/{number}", status_code=303)


@post("/verifications/{verification_id:int}/resume", guards=OPERATOR)
async def resume(hub: GivenHub, verification_id: FromPath[int]) -> Redirect:
    """Resume a failed verification."""
    await hub.requests.resume_verify(verification_id)
    return Redirect(f"/verifications/{verification_id}", status_code=303)
