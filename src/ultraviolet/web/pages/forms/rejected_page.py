"""Answer a rejected form with its page: request the page again, and write the error into it."""

import asyncio
from typing import Any, cast
from urllib.parse import unquote, urlsplit

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
_STATE = "ultraviolet_rejected_form"
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


def check_page(request: AnyRequest) -> None:
    """Raise NotFoundError for a repeated request of anything but a page."""
    handler = cast("BaseRouteHandler", request.route_handler)
    if request.scope["state"].get(_STATE) and not handler.opt.get(IS_PAGE):
        raise NotFoundError


class RejectedPage(Response[str]):
    """The page of a rejected form; the error page if the form's page is unknown or gone."""

    def __init__(
        self, error: UltravioletError, problem: Problem, root: str, error_page: Response[str]
    ) -> None:
        super().__init__("", status_code=problem.status)
        self._error = error
        self._root = root
        self._error_page = error_page

    def to_asgi_response(  # pyright: ignore[reportUnknownParameterType]
        self, *given: Any, **options: Any
    ) -> Any:
        """Return an application that sends the page."""
        request = cast("AnyRequest", options["request"])
        error_page = cast("Any", self._error_page).to_asgi_response(*given, **options)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            form = await request.form()
            address = str(form.get(PAGE_FIELD, ""))
            values = {name: [str(one) for one in form.getall(name)] for name in form}
            found = await _request_page(cast("Asgi", request.app), scope, address)
            if found is None:
                await error_page(scope, receive, send)
                return
            start, html = found
            rejected = RejectedForm(
                self._root + str(scope["path"]), values, self._error.explanation, self._error.field
            )
            # Parsing a long page takes long enough to delay deliveries.
            body = (await asyncio.to_thread(with_errors, html, rejected)).encode()
            headers = [
                *((n, v) for n, v in start["headers"] if n.lower() != b"content-length"),
                (b"content-length", str(len(body)).encode()),
                *((n.lower().encode(), v.encode()) for n, v in self._error.headers.items()),
            ]
            await send({**start, "status": self.status_code, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return answer


async def _request_page(
    application: Asgi, scope: Scope, address: str
) -> tuple[Message, str] | None:
    """Return the response to a GET of a page of this hub with its HTML; None if it has none."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or not parts.path.startswith("/"):
        return None
    page_scope: Scope = {
        **{name: scope[name] for name in _COPIED if name in scope},
        "method": "GET",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "headers": [(n, v) for n, v in scope["headers"] if n.lower() not in _BODY_HEADERS],
        "state": {_STATE: True},
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def collect(message: Message) -> None:
        sent.append(message)

    await application(page_scope, receive, collect)
    start, *rest = sent
    content_type: bytes = dict(start["headers"]).get(b"content-type", b"")
    if start["status"] != 200 or not content_type.startswith(b"text/html"):  # noqa: PLR2004
        return None
    return start, b"".join(message.get("body", b"") for message in rest).decode()
