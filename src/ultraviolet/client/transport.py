"""How the client speaks to a hub: one request at a time, tried again where that is safe, problems as exceptions."""

import os
import uuid
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar, cast

import httpx
import msgspec
import stamina

from ultraviolet.codecs import prepare_codecs
from ultraviolet.errors import HubUnreachableError, InvalidError, NoHubError, UltravioletError
from ultraviolet.outgoing import MAX_HUB_ANSWER_BYTES, AnswerTooLargeError, get_proxy

T = TypeVar("T")

ROOT = "/api/v1"
_PAGE = 1000
_ATTEMPTS = 6
_WITHIN = 60.0
_PIECE_BYTES = 65536
_NOT_NOW = (429, 503)
_PATIENCE = httpx.Timeout(10, read=120)
_ALL_PATIENCE = httpx.Timeout(10, read=None)
"""For what answers only when it is done, which may take hours."""


class FieldProblem(msgspec.Struct, frozen=True):
    """One value that the hub did not take."""

    field: str
    message: str
    source: str = "body"


class ProblemError(UltravioletError):
    """The hub refused; `kind`, `detail` and `errors` say why, and `request_id` finds it in the hub's log."""

    kind = "problem"

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Read what the hub answered."""
        try:
            read = msgspec.json.decode(body, type=_Problem)
        except msgspec.DecodeError:
            read = _Problem(detail=f"The hub answered {status} with something that is no problem.")
        super().__init__(read.detail or read.title)
        self.status = status
        self.kind = read.type.rsplit("/", 1)[-1]
        self.detail = read.detail
        self.errors = read.errors
        self.request_id = headers.get("x-request-id", "")
        self.retry_after = _seconds(headers.get("retry-after") or "0")


class _Problem(msgspec.Struct):
    type: str = "error"
    title: str = ""
    detail: str = ""
    errors: list[FieldProblem] = []


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next: str | None = None


class Transport:
    """A connection to one hub, to be closed, best by `with`. Not to be shared between threads."""

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Name the hub and an API key of it, else ULTRAVIOLET_URL and ULTRAVIOLET_KEY do.

        Raises InvalidError where neither does.
        """
        url, key = (
            url or os.environ.get("ULTRAVIOLET_URL"),
            key or os.environ.get("ULTRAVIOLET_KEY"),
        )
        if not url or not key:
            raise InvalidError(
                "Give the hub's address and an API key, or set ULTRAVIOLET_URL and ULTRAVIOLET_KEY."
            )
        prepare_codecs()
        headers = {"authorization": f"Bearer {key}", "accept": "application/json"}
        self._http = httpx.Client(
            base_url=url.rstrip("/") + ROOT,
            headers=headers,
            timeout=_PATIENCE,
            transport=transport or httpx.HTTPTransport(proxy=get_proxy(url)),
        )
        self.etag: str | None = None
        """The ETag of the last answer, to be given as `if_match`."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
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
        """Send a request, again where it did no harm; raises ProblemError, or HubUnreachableError without an answer."""
        sent = _headers(method, headers)
        content = body if isinstance(body, bytes) or body is None else _body(body)
        safe = method in ("GET", "POST")  # a POST has its Idempotency-Key
        asked = self._http.build_request(
            method,
            path,
            params=_query(query),
            content=content,
            headers=sent,
            timeout=_patience(query),
        )
        for attempt in stamina.retry_context(
            on=_again(safe), attempts=_ATTEMPTS, timeout=_WITHIN, wait_max=5
        ):
            with attempt, self._answering():
                answer = read_bounded(self._http.send(asked, stream=True))
                expect_success(answer)
                self.etag = answer.headers.get("etag")
                return answer
        raise AssertionError

    def _tell(self, method: str, path: str, **more: Any) -> None:
        """Send a request that is answered with nothing."""
        answer = self._do(method, path, **more)
        if answer.status_code != httpx.codes.NO_CONTENT.value:
            raise no_hub(answer)

    def _ask(self, method: str, path: str, answers: tuple[type[T], ...], **more: Any) -> T:
        """Send a request and read the answer, which is one of several kinds."""
        answer = self._do(method, path, **more)
        return _read(answer, answer.content, answers)

    def _ask_or_none(
        self, method: str, path: str, answers: tuple[type[T], ...], **more: Any
    ) -> T | None:
        """Send a request and read the answer, if there is one."""
        answer = self._do(method, path, **more)
        return None if answer.content == b"null" else _read(answer, answer.content, answers)

    def _items(
        self, path: str, kinds: tuple[type[T], ...], limit: int | None, query: Mapping[str, Any]
    ) -> Iterator[T]:
        """Go through a list, page after page, to its end or until so many items were given."""
        cursor: str | None = None
        left = limit
        while left is None or left > 0:
            asked = {
                **query,
                "limit": _PAGE if left is None else min(left, _PAGE),
                "cursor": cursor,
            }
            answer = self._do("GET", path, query=asked)
            page = _read(answer, answer.content, (_Page,))
            for raw in page.items[:left]:
                yield _read(answer, bytes(raw), kinds)
                left = None if left is None else left - 1
            cursor = page.next
            if cursor is None:
                return

    def _download(self, path: str, query: Mapping[str, Any]) -> Iterator[bytes]:
        """Read a file piece by piece."""
        with self._answering(), self._http.stream("GET", path, params=_query(query)) as answer:
            expect_success(answer)
            if media_type(answer) == "text/html":
                raise no_hub(answer)
            yield from answer.iter_bytes()

    @contextmanager
    def _answering(self) -> Generator[None]:
        """Make the client's own error of what the connection raises."""
        try:
            yield
        except (httpx.RequestError, AnswerTooLargeError) as error:
            message = f"The hub at {self._http.base_url.copy_with(path='/')} does not answer: {error or type(error).__name__}"
            raise HubUnreachableError(message) from error


def read_bounded(answer: httpx.Response) -> httpx.Response:
    """Read an answer into memory; raises AnswerTooLargeError for one without end, or compressed more than once."""
    try:
        if "," in answer.headers.get("content-encoding", ""):
            raise AnswerTooLargeError(MAX_HUB_ANSWER_BYTES)
        content = bytearray()
        for piece in answer.iter_bytes(_PIECE_BYTES):
            content += piece
            if len(content) > MAX_HUB_ANSWER_BYTES:
                raise AnswerTooLargeError(MAX_HUB_ANSWER_BYTES)
    finally:
        answer.close()
    headers = [
        (n, v)
        for n, v in answer.headers.multi_items()
        if n not in ("content-encoding", "content-length")
    ]
    return httpx.Response(
        answer.status_code, headers=headers, content=bytes(content), request=answer.request
    )


def expect_success(answer: httpx.Response) -> None:
    """Raise ProblemError where the hub refused, NoHubError where something else did."""
    if answer.is_error:
        body = answer.content if answer.is_closed else read_bounded(answer).content
        raise ProblemError(answer.status_code, body, answer.headers)
    if not answer.is_success:
        raise no_hub(answer)


def no_hub(answer: httpx.Response) -> NoHubError:
    """Make the error of an answer that no hub gives."""
    return NoHubError(answer.status_code, media_type(answer), answer.headers.get("location", ""))


def media_type(answer: httpx.Response) -> str:
    """Tell what an answer is."""
    return answer.headers.get("content-type", "").partition(";")[0]


def _again(safe: bool) -> Any:
    def again(error: Exception) -> bool | float:
        """Return whether, or after how many seconds, a request is to be tried again."""
        if isinstance(error, ProblemError):
            waits = error.status in _NOT_NOW or error.kind == "in-progress"
            return (error.retry_after or True) if waits else False
        cause = error.__cause__
        return isinstance(cause, httpx.ConnectError) or (
            safe and isinstance(cause, httpx.TransportError)
        )

    return again


def _read(answer: httpx.Response, content: bytes, kinds: tuple[type[T], ...]) -> T:
    """Read an answer, or a part of it, as the first of these kinds that it is; raises NoHubError where it is none."""
    problem: msgspec.DecodeError | None = None
    for kind in kinds:
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.DecodeError as error:
            problem = error
    raise no_hub(answer) from problem


def _patience(query: Mapping[str, Any] | None) -> httpx.Timeout:
    """Wait as long as it takes where the answer comes at the end; an operation that takes `wait` waits by default."""
    return _PATIENCE if (query or {}).get("wait", False) is False else _ALL_PATIENCE


def _seconds(retry_after: str) -> float:
    """Read how long to wait; a date, as a proxy may send, says nothing without its clock."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        return 0.0


def _headers(method: str, more: Mapping[str, Any] | None) -> dict[str, str]:
    given = {name: str(value) for name, value in (more or {}).items() if value is not None}
    if method == "POST":
        given["idempotency-key"] = uuid.uuid4().hex
    if method != "GET":
        given["content-type"] = "application/json"
    return given


def _body(given: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(
        {name: value for name, value in given.items() if value is not msgspec.UNSET}
    )


def _query(given: Mapping[str, Any] | None) -> httpx.QueryParams:
    found: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in (given or {}).items():
        values = cast("Sequence[Any]", value) if isinstance(value, list | tuple) else [value]
        found += [(name, _text(one)) for one in values if one is not None]
    return httpx.QueryParams(found)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
