"""The client's requests to a hub: retries where safe, problems as exceptions."""

import os
import re
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar, cast

import httpx
import msgspec
import stamina

from ultraviolet.codecs import prepare_codecs
from ultraviolet.connection_errors import connection_problem
from ultraviolet.errors import HubUnreachableError, InvalidError, NoHubError, UltravioletError
from ultraviolet.outgoing import MAX_HUB_ANSWER_BYTES, AnswerTooLargeError, get_proxy

T = TypeVar("T")

ROOT = "/api/v1"
PROBLEM = "application/problem+json"
"""The media type of all errors of a hub."""
_PAGE_SIZE = 1000
_MAX_ATTEMPTS = 6
_RETRY_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 65536
_RETRY_STATUSES = (429, 503)
_CONNECT_TIMEOUT_SECONDS = 10.0
_READ_TIMEOUT_SECONDS = 120.0
_EXIT_CODES = {
    400: 2,
    401: 3,
    403: 3,
    404: 4,
    409: 5,
    410: 4,
    412: 5,
    422: 2,
    429: 6,
    502: 7,
    503: 6,
}
"""The exit codes of the command line for statuses of a response."""


class FieldProblem(msgspec.Struct, frozen=True):
    """An invalid value in a request."""

    field: str
    message: str
    source: str = "body"


class ProblemError(UltravioletError):
    """The hub rejected a request.

    `kind`, `detail` and `errors` have the reason; `request_id` identifies it in the hub's log.
    """

    kind = "problem"

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Decode the problem document of a response."""
        try:
            problem = msgspec.json.decode(body, type=_Problem)
        except msgspec.DecodeError:
            problem = _Problem(detail=f"The hub responded with status {status} and no details.")
        super().__init__(problem.detail or problem.title)
        self.status = status
        self.kind = re.split("[/#]", problem.type)[-1]
        self.errors = problem.errors
        self.request_id = headers.get("x-request-id", "")
        self.exit_code = _EXIT_CODES.get(status, 1)
        self.retry_after = 0.0
        with suppress(ValueError):  # a date, which depends on the clock of the sender
            self.retry_after = max(0.0, float(headers.get("retry-after") or "0"))


class _Problem(msgspec.Struct):
    type: str = "error"
    title: str = ""
    detail: str = ""
    errors: list[FieldProblem] = []


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next: str | None = None


class Transport:
    """A connection to one hub. Close it, best by `with`; do not share it between threads."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
        attempts: int = _MAX_ATTEMPTS,
        read_timeout_seconds: float = _READ_TIMEOUT_SECONDS,
    ) -> None:
        """Connect to a hub, by default from ULTRAVIOLET_URL with ULTRAVIOLET_KEY.

        Send a request that may be repeated up to `attempts` times. Raise InvalidError without an
        address or a key.
        """
        url = url or os.environ.get("ULTRAVIOLET_URL")
        key = key or os.environ.get("ULTRAVIOLET_KEY")
        if not url or not key:
            raise InvalidError(
                "Pass the hub's address and an API key, or set ULTRAVIOLET_URL and ULTRAVIOLET_KEY."
            )
        prepare_codecs()
        headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        self._http = httpx.Client(
            base_url=url.rstrip("/") + ROOT,
            headers=headers,
            timeout=httpx.Timeout(_CONNECT_TIMEOUT_SECONDS, read=read_timeout_seconds),
            transport=transport or httpx.HTTPTransport(proxy=get_proxy(url)),
        )
        self._attempts = attempts
        self.etag: str | None = None
        """The ETag of the last response, for `if_match`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _do(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        """Send a request, with retries where they are safe.

        Raise ProblemError, or HubUnreachableError without a response.
        """
        request_headers = {
            name: str(value) for name, value in (headers or {}).items() if value is not None
        }
        if method == "POST":
            request_headers["idempotency-key"] = uuid.uuid4().hex
        if method != "GET":
            request_headers["content-type"] = "application/json"
        if isinstance(body, Mapping):
            body = {name: value for name, value in body.items() if value is not msgspec.UNSET}
            body = msgspec.json.encode(body)
        can_repeat = method in ("GET", "POST")  # a POST has an Idempotency-Key
        request = self._http.build_request(
            method,
            path,
            params=_query(query),
            content=body,
            headers=request_headers,
        )
        if (query or {}).get("wait", False) is not False:
            # The response is sent when the operation has finished, possibly after hours.
            request.extensions["timeout"]["read"] = None
        for attempt in stamina.retry_context(
            on=_should_retry(can_repeat),
            attempts=self._attempts,
            timeout=_RETRY_TIMEOUT_SECONDS,
            wait_max=5,
        ):
            with attempt, self._translate_errors():
                response = read_bounded(self._http.send(request, stream=True))
                expect_success(response)
                self.etag = response.headers.get("etag")
                return response
        raise AssertionError

    def _tell(self, method: str, path: str, **more: Any) -> None:
        """Send a request whose response has no content."""
        response = self._do(method, path, **more)
        if response.status_code != httpx.codes.NO_CONTENT.value:
            raise no_hub(response)

    def _ask(self, method: str, path: str, types: tuple[type[T], ...], **more: Any) -> T:
        """Send a request and decode the response as the first matching type."""
        response = self._do(method, path, **more)
        return decode(response, response.content, types)

    def _items(
        self,
        path: str,
        types: tuple[type[T], ...],
        limit: int | None,
        query: Mapping[str, Any],
    ) -> Iterator[T]:
        """Return the items of a list page by page, up to `limit`."""
        cursor: str | None = None
        remaining = limit
        while remaining is None or remaining > 0:
            size = _PAGE_SIZE if remaining is None else min(remaining, _PAGE_SIZE)
            response = self._do("GET", path, query={**query, "limit": size, "cursor": cursor})
            page = decode(response, response.content, (_Page,))
            for raw in page.items[:remaining]:
                yield decode(response, bytes(raw), types)
                remaining = None if remaining is None else remaining - 1
            cursor = page.next
            if cursor is None:
                return

    def _download(
        self, path: str, query: Mapping[str, Any], body: Mapping[str, Any] | None = None
    ) -> Iterator[bytes]:
        """Return the chunks of a file; with a body, send POST."""
        method, params = "POST" if body else "GET", _query(query)
        with (
            self._translate_errors(),
            self._http.stream(method, path, params=params, json=body) as response,
        ):
            expect_success(response)
            if media_type(response) == "text/html":
                raise no_hub(response)
            yield from response.iter_bytes()

    @contextmanager
    def _translate_errors(self) -> Generator[None]:
        """Raise HubUnreachableError for connection errors."""
        try:
            yield
        except (httpx.RequestError, AnswerTooLargeError) as error:
            url = self._http.base_url.copy_with(path="/")
            reason = connection_problem(error)
            if isinstance(error, httpx.ReadError | httpx.RemoteProtocolError):
                message = f"The connection to the hub at {url} was lost: {reason}. Try again."
            else:
                message = (
                    f"The hub at {url} does not respond: {reason}."
                    " Start it with `ultraviolet serve`, or check the address."
                )
            raise HubUnreachableError(message) from error


def read_bounded(response: httpx.Response) -> httpx.Response:
    """Read a response into memory.

    Raise AnswerTooLargeError if it is too large or compressed more than once.
    """
    try:
        if "," in response.headers.get("content-encoding", ""):
            raise AnswerTooLargeError(MAX_HUB_ANSWER_BYTES)
        content = bytearray()
        for chunk in response.iter_bytes(_CHUNK_BYTES):
            content += chunk
            if len(content) > MAX_HUB_ANSWER_BYTES:
                raise AnswerTooLargeError(MAX_HUB_ANSWER_BYTES)
    finally:
        response.close()
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name not in ("content-encoding", "content-length")
    ]
    return httpx.Response(
        response.status_code, headers=headers, content=bytes(content), request=response.request
    )


def expect_success(response: httpx.Response) -> None:
    """Raise ProblemError for an error status, NoHubError for another status than 2xx."""
    if response.is_error:
        body = response.content if response.is_closed else read_bounded(response).content
        if response.status_code == httpx.codes.NOT_FOUND.value and media_type(response) != PROBLEM:
            raise no_hub(response)
        raise ProblemError(response.status_code, body, response.headers)
    if not response.is_success:
        raise no_hub(response)


def no_hub(response: httpx.Response) -> NoHubError:
    """Return the error for a response that is not from a hub."""
    location = response.headers.get("location", "")
    return NoHubError(response.status_code, media_type(response), location)


def media_type(response: httpx.Response) -> str:
    """Return the media type without parameters."""
    return response.headers.get("content-type", "").partition(";")[0]


def _should_retry(can_repeat: bool) -> Any:
    def should_retry(error: Exception) -> bool | float:
        """Return whether to retry a request, or the seconds to wait first."""
        if isinstance(error, ProblemError):
            temporary = error.status in _RETRY_STATUSES or error.kind == "in-progress"
            return (error.retry_after or True) if temporary else False
        cause = error.__cause__
        return isinstance(cause, httpx.ConnectError) or (
            can_repeat and isinstance(cause, httpx.TransportError)
        )

    return should_retry


def decode(response: httpx.Response, content: bytes, types: tuple[type[T], ...]) -> T:
    """Decode a response, or a part of it, as the first matching type. Raise NoHubError."""
    problem: msgspec.DecodeError | None = None
    for type_ in types:
        try:
            return msgspec.json.decode(content, type=type_)
        except msgspec.DecodeError as error:
            problem = error
    raise no_hub(response) from problem


def _query(query: Mapping[str, Any] | None) -> httpx.QueryParams:
    params: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in (query or {}).items():
        values = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value]
        for item in values:
            if isinstance(item, bool):
                params.append((name, "true" if item else "false"))
            elif item is not None:
                text = msgspec.json.encode(item).decode() if isinstance(item, dict) else str(item)
                params.append((name, text))
    return httpx.QueryParams(params)
