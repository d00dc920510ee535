"""Query parameters: those shared by routes, and rejection of those a route does not have."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar, cast

from litestar import Request
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from sqlalchemy import Connection, select

from ultraviolet.clock import format_rfc3339, normalize_rfc3339
from ultraviolet.db.tables import integrations as tables_integrations
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import Integration
from ultraviolet.text import did_you_mean, listed
from ultraviolet.web.http.pagination import Page, number, page_of

T = TypeVar("T")
P = ParamSpec("P")
_Choice = TypeVar("_Choice", bound=str)

REJECT_UNKNOWN = "reject_unknown_parameters"
"""Option of a route: whether it rejects query parameters that its handler does not declare."""
EXTRA_PARAMETERS = "query_parameters"
"""Option of a route: query parameters that its handler reads without declaring them."""
_BY_FIELD = {
    "filter": ' To filter by a field, use filter={{"{}": {{"eq": "VALUE"}}}}.',
    "where": " To filter by a field, use where={}:is:VALUE.",
}
"""How a parameter of lists filters by a field that was given as a parameter."""
TIME_EXAMPLES = "Examples: 2026-11-24, 2026-11-24T12:03, 2026-11-24T12:03+01:00."
"""The forms of a time in the address of a page."""
_MAX_NAMED = 20
"""Limit for integrations that an error names."""

IntegrationName = Annotated[
    str | None,
    QueryParameter(
        name="integration",
        required=False,
        description="Id or name of an integration. Required if there are several.",
    ),
]


Time = Annotated[str | None, QueryParameter(required=False, description="RFC 3339.")]


def parse_time(given: str | None, field: str = "") -> str | None:
    """Parse a time from a query parameter, `field`; raise InvalidError."""
    if given is None:
        return None
    try:
        # An unescaped plus sign arrives as a space.
        return normalize_rfc3339(given.replace(" ", "+"))
    except ValueError as error:
        raise InvalidError(
            f"“{given}” is not a valid time. Example: 2026-11-24T21:00:00Z", field=field
        ) from error


def parse_choice(
    name: str,
    given: str | None,
    known: Collection[_Choice],
    label: Callable[[_Choice], str] = str,
    noun: str = "",
) -> _Choice | None:
    """Return the value of a fixed list that a parameter names in any case; None if it is empty.

    Raise InvalidError, which lists the labels of the values; `noun` is the label of the parameter.
    """
    if not given:
        return None
    value = next((each for each in known if each.casefold() == given.casefold()), None)
    if value is None:
        labels = list(map(label, known))
        hint = did_you_mean(given, labels) or f" Use one of: {listed(labels)}."
        raise InvalidError(f"“{given}” is not a valid {noun or name}.{hint}", field=name)
    return value


def parse_period(since: str | None, until: str | None) -> tuple[str | None, str | None]:
    """Return the times of the parameters since and until; raise InvalidError."""
    start, end = _parse_moment("since", since), _parse_moment("until", until, end=True)
    if start and end and end < start:
        raise InvalidError("Until is before From. Enter a later time.", field="until")
    return start, end


def _parse_moment(name: str, given: str | None, *, end: bool = False) -> str | None:
    """Return the time of a parameter as RFC 3339; without a zone, it is in UTC; None if empty.

    A date is the start of the day, or its end for the `end` of a range. Raise InvalidError.
    """
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
        is_day = len(given) == len("2026-11-24")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return format_rfc3339(moment + timedelta(days=1) if end and is_day else moment)
    except (ValueError, OverflowError) as error:
        raise InvalidError(f"“{given}” is not a valid time. {TIME_EXAMPLES}", field=name) from error


def integrations_page(connection: Connection, cursor: str | None, size: int) -> Page[Integration]:
    """Return a page of the integrations in the order they were added; raise InvalidError."""
    found = integrations.list_page(connection, number(cursor) or 0, size + 1)
    return page_of(found, size, lambda one: one.id)


def required_integration(connection: Connection, name: str | None) -> int:
    """Return the id of an integration by name, or of the only one.

    Raise NotFoundError or IntegrationRequiredError.
    """
    if name:
        return find_integration(connection, name).id
    choices = integration_choices(connection)
    if len(choices) > 1:
        raise IntegrationRequiredError(choices)
    return choices[0][0]


def in_integration(
    connection: Connection,
    name: str | None,
    query: Callable[Concatenate[Connection, int, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Return the result of a query for the id of an integration; raise as `required_integration`."""
    return query(connection, required_integration(connection, name), *args, **kwargs)


def integration_choices(connection: Connection) -> list[tuple[int, str]]:
    """Return the id and name of each integration that a request may mean.

    Those being deleted count only if there are no others. Raise NotFoundError without integrations.
    """
    known = tables_integrations.integrations.c
    rows = connection.execute(select(known.id, known.name, known.removed).order_by(known.id)).all()
    if not rows:
        raise NotFoundError("No integration exists yet. Create one first.")
    return [(row.id, row.name) for row in rows if not row.removed] or [
        (row.id, row.name) for row in rows
    ]


def optional_integration(connection: Connection, name: str | None) -> int | None:
    """Return the id of an integration by name; None without a name."""
    return find_integration(connection, name).id if name else None


def find_integration(connection: Connection, name: str) -> Integration:
    """Return the integration that a parameter names; raise NotFoundError for the parameter."""
    try:
        return integrations.find(connection, name)
    except NotFoundError as error:
        raise NotFoundError(error.explanation, field="integration") from error


@cache
def query_parameters(handler: BaseRouteHandler) -> frozenset[str]:
    """Return the names of the query parameters of a route and of its dependencies."""
    own = handler.parsed_fn_signature.parameters
    given = handler.resolve_dependencies()
    signatures = [
        own,
        *(given[name].parsed_fn_signature.parameters for name in own if name in given),
    ]
    return frozenset(handler.opt.get(EXTRA_PARAMETERS, ())).union(
        field.kwarg_definition.name or name
        for parameters in signatures
        for name, field in parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    )


def reject_unknown_parameters(request: Request[Any, Any, State]) -> None:
    """Raise InvalidError for a query parameter that the route does not have."""
    handler = cast("BaseRouteHandler", request.route_handler)
    if not handler.opt.get(REJECT_UNKNOWN):
        return
    known = query_parameters(handler)
    unknown = next((name for name in request.query_params if name not in known), None)
    if unknown is not None:
        near = did_you_mean(unknown, sorted(known))
        known_names = f" Parameters: {', '.join(sorted(known))}." if known and not near else ""
        example = next((_BY_FIELD[name] for name in _BY_FIELD if name in known), "")
        raise UnknownParameterError(
            f"“{unknown}” is not a parameter of this URL.{near or known_names}"
            f"{example.format(unknown) if unknown.isidentifier() else ''}",
            field=unknown,
        )


class UnknownParameterError(InvalidError):
    """This URL does not have this query parameter."""


class IntegrationRequiredError(InvalidError):
    """Several integrations exist and the request does not select one."""

    def __init__(self, choices: Sequence[tuple[int, str]], *, ask: bool = False) -> None:
        """Name the possible integrations; `ask` says that a page always asks people which one."""
        self.choices = choices
        self.ask = ask
        named = ", ".join(f"{id_} ({name})" for id_, name in choices[:_MAX_NAMED])
        more = f" and {len(choices) - _MAX_NAMED} more" if len(choices) > _MAX_NAMED else ""
        super().__init__(
            f"Several integrations exist. Set `integration` to an id or a name: {named}{more}.",
            field="integration",
        )
