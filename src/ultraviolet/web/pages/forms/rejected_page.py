"""Answer a rejected form or address with its page: request it again, and write the errors into it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from litestar import Response
from litestar.handlers import BaseRouteHandler

from ultraviolet.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    PreconditionFailedError,
    UltravioletError,
)
from ultraviolet.ion.errors import IonError
from ultraviolet.web.http.asgi import HUB_STATE, Asgi, Message, Receive, Scope, Send
from ultraviolet.web.http.params import UnknownParameterError
from ultraviolet.web.http.problem_details import Problem
from ultraviolet.web.middleware.auth import AnyRequest
from ultraviolet.web.middleware.throttle import TooManyTriesError
from ultraviolet.web.pages.forms.form_errors import RejectedForm, with_errors

PAGE_FIELD = "page"
"""The hidden field of each form with the address of its page."""
IS_PAGE = "is_page"
"""Option of a route: whether it is a page that can be shown again."""
_STATE = "ultraviolet_rejected"
"""The state of a repeated request: the errors of the parameters in its address."""
_MAX_REPEATS = 12
"""Limit for the requests for one page: it may redirect, or have more invalid parameters."""
_COPIED = ("type", "asgi", "http_version", "scheme", "server", "client", "root_path", HUB_STATE)
_BODY_HEADERS = (b"content-length", b"content-type", b"transfer-encoding", b"origin")
_MISTAKES = (InvalidError, ConflictError, PreconditionFailedError, IonError, TooManyTriesError)


def is_mistake(request: AnyRequest, error: Exception) -> bool:
    """Return whether the error is one of a submitted form, not of its address or of the hub."""
    return (
        request.method == "POST"
        and isinstance(error, _MISTAKES)
        and not isinstance(error, UnknownParameterError)
    )


def page_with_errors(
    request: AnyRequest,
    error: Exception,
    problem: Problem,
    root: str,
    error_page: Callable[[], Response[str]],
) -> Response[str] | None:
    """Return the page of a rejected form or address with its errors; None for other errors.

    It is the error page if the page cannot be shown.
    """
    if is_mistake(request, error):
        return RejectedPage(cast("UltravioletError", error), problem.status, root, error_page())
    if errors := _invalid_parameters(request, problem):
        return RejectedAddress(errors, problem.status, root, error_page())
    return None


def _invalid_parameters(request: AnyRequest, problem: Problem) -> dict[str, str]:
    """Return the errors of the parameters in the address of a page, by parameter."""
    if request.method != "GET":
        return {}
    found = {
        one.field: f"{one.field} {one.message}" if one.message.startswith("must ") else one.message
        for one in problem.errors
        if one.source == "query" and one.field in request.query_params
    }
    request.scope["state"].get(_STATE, {}).update(found)
    return found


def check_page(request: AnyRequest) -> None:
    """Raise NotFoundError for a repeated request of anything but a page."""
    handler = cast("BaseRouteHandler", request.route_handler)
    if _STATE in request.scope["state"] and not handler.opt.get(IS_PAGE):
        raise NotFoundError


class _Rejected(Response[str]):
    """The response to a rejected request: a page with its errors, else an error page."""

    def __init__(self, status: int, root: str, error_page: Response[str]) -> None:
        super().__init__("", status_code=status)
        self._status = status
        self._root = root
        self._error_page = error_page

    def to_asgi_response(  # pyright: ignore[reportUnknownParameterType]
        self, *given: Any, **options: Any
    ) -> Any:
        """Return an application that sends the page."""
        request = cast("AnyRequest", options["request"])
        error_page = cast("Any", self._error_page).to_asgi_response(*given, **options)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            found = await self._request_page(request, scope)
            if found is None:
                await error_page(scope, receive, send)
                return
            start, html, rejected = found
            await _send_page(send, start, self._status, html, rejected, self._added_headers())

        return answer

    async def _request_page(
        self, request: AnyRequest, scope: Scope
    ) -> tuple[Message, str, RejectedForm] | None:
        """Return the response with the page, its text, and the errors to write into it.

        Return None if there is no such page.
        """
        raise NotImplementedError

    def _added_headers(self) -> Mapping[str, str]:
        return {}


class RejectedPage(_Rejected):
    """The page of a rejected form; the error page if the form's page is unknown or gone."""

    def __init__(
        self, error: UltravioletError, status: int, root: str, error_page: Response[str]
    ) -> None:
        super().__init__(status, root, error_page)
        self._error = error

    async def _request_page(
        self, request: AnyRequest, scope: Scope
    ) -> tuple[Message, str, RejectedForm] | None:
        form = await request.form()
        address = str(form.get(PAGE_FIELD, ""))
        values = {name: [str(one) for one in form.getall(name)] for name in form}
        start, html = await _request(cast("Asgi", request.app), scope, address, {})
        if not _is_shown(start, html):
            return None
        errors = {self._error.field: self._error.explanation}
        return start, html, RejectedForm(self._root + str(scope["path"]), values, errors)

    def _added_headers(self) -> Mapping[str, str]:
        return {name.lower(): text for name, text in self._error.headers.items()}


class RejectedAddress(_Rejected):
    """The page of an address without its invalid parameters; the error page if it has none."""

    def __init__(
        self, errors: Mapping[str, str], status: int, root: str, error_page: Response[str]
    ) -> None:
        super().__init__(status, root, error_page)
        self._errors = errors

    async def _request_page(
        self, request: AnyRequest, scope: Scope
    ) -> tuple[Message, str, RejectedForm] | None:
        application, errors = cast("Asgi", request.app), dict(self._errors)
        address = _without(f"{quote(str(scope['path']))}?{request.url.query}", errors)
        start, html = await _request(application, scope, address, errors)
        for _ in range(_MAX_REPEATS):
            goal: bytes = dict(start["headers"]).get(b"location", b"")
            before, address = address, goal.decode() or _without(address, errors)
            if _is_shown(start, html) or address == before:
                break
            start, html = await _request(application, scope, address, errors)
        if not _is_shown(start, html):
            return None
        values = {name: request.query_params.getall(name) for name in errors}
        action = self._root + unquote(urlsplit(address).path)
        return start, html, RejectedForm(action, values, errors, "get")


def _without(address: str, names: Mapping[str, str]) -> str:
    """Return the address without some parameters."""
    path, _, query = address.partition("?")
    kept = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in names]
    return f"{path}?{urlencode(kept)}" if kept else path


async def _send_page(
    send: Send,
    start: Message,
    status: int,
    html: str,
    rejected: RejectedForm,
    added: Mapping[str, str],
) -> None:
    """Send a page with the errors of a form or address, and with additional headers."""
    # Parsing a long page takes long enough to delay deliveries.
    body = (await asyncio.to_thread(with_errors, html, rejected)).encode()
    headers = [
        *((name, text) for name, text in start["headers"] if name.lower() != b"content-length"),
        (b"content-length", str(len(body)).encode()),
        *((name.encode(), text.encode()) for name, text in added.items()),
    ]
    await send({**start, "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _is_shown(start: Message, html: str) -> bool:
    """Return whether a response is a page that can have errors."""
    content_type: bytes = dict(start["headers"]).get(b"content-type", b"")
    is_html = content_type.startswith(b"text/html")
    return start["status"] == 200 and is_html and "<main" in html  # noqa: PLR2004


async def _request(
    application: Asgi, scope: Scope, address: str, errors: dict[str, str]
) -> tuple[Message, str]:
    """Return the response to a GET of a page of this hub, and its text.

    Errors of the parameters of its address are added to `errors`. An address outside of this hub
    has the status 404.
    """
    nothing: Message = {"type": "http.response.start", "status": 404, "headers": []}
    try:
        parts = urlsplit(address)
    except ValueError:
        return nothing, ""
    if parts.scheme or parts.netloc or not parts.path.startswith("/"):
        return nothing, ""
    page_scope: Scope = {
        **{name: scope[name] for name in _COPIED if name in scope},
        "method": "GET",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(n, v) for n, v in scope["headers"] if n.lower() not in _BODY_HEADERS],
        "state": {_STATE: errors},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def collect(message: Message) -> None:
        sent.append(message)

    await application(page_scope, receive, collect)
    start, *rest = sent
    text = b"".join(message.get("body", b"") for message in rest)
    return start, text.decode(errors="replace")
