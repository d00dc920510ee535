"""ION's GraphQL API: requests with authentication, batches, retries and a rate limit."""

import datetime as dt
import time
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, cast

import aiohttp
import msgspec
import stamina

from ultraviolet.connection_errors import connection_problem
from ultraviolet.errors import InvalidError
from ultraviolet.ion import answers
from ultraviolet.ion.auth import TokenProvider, intercepted, with_scheme
from ultraviolet.ion.errors import (
    IonInterceptedError,
    IonRateLimitedError,
    IonRefusedError,
    IonUnauthorizedError,
    IonUnreachableError,
    IonUnreadableError,
)
from ultraviolet.ion.queries import INTROSPECTION, OfferedSchema
from ultraviolet.ion.rate_limiter import AdaptiveRateLimiter
from ultraviolet.outgoing import AnswerTooLargeError, get_proxy, read_body

_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10, sock_read=35)
"""ION itself times out after 30 s."""
_TOO_MANY = 429
_TOKEN_MESSAGES = frozenset(
    {
        "Please provide proper credentials",
        "Unable to parse authentication token",
        "Unable to find appropriate RSA key",
        "Token is expired.",
    }
)
_MAX_MESSAGE_CHARACTERS = 1000
Variables = dict[str, Any]


class RetryPolicy(msgspec.Struct, frozen=True):
    """Number and time of retries, in seconds."""

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 20.0
    whole_time: float = 120.0


ALIVE_QUERY = "query Alive { __typename }"
"""A query without cost for ION."""
PROMPT_RETRIES = RetryPolicy(attempts=3, first_wait=0.3, whole_time=5.0)
"""Retries while a user waits: a few seconds, or one timeout."""


class Result(msgspec.Struct, frozen=True):
    """The result of a GraphQL operation: data and error messages."""

    data: dict[str, Any] | None
    errors: tuple[str, ...] = ()
    repaired: bool = False
    """Whether the response was invalid JSON that was repaired; see `ion/answers.py`."""

    def must(self) -> dict[str, Any]:
        """Return the data. Raise IonRefusedError if there are errors."""
        if self.errors or self.data is None:
            raise IonRefusedError("; ".join(self.errors) or "ION answered without data")
        return self.data


class IonClient:
    """A client of one ION environment with one API key."""

    def __init__(
        self,
        api_url: str,
        auth_url: str,
        client_id: str,
        client_secret: str,
        *,
        budget: AdaptiveRateLimiter,
        session: aiohttp.ClientSession,
        retries: RetryPolicy | None = None,
    ) -> None:
        self.url = graphql_url(api_url)
        self.sign_in = TokenProvider(auth_url, client_id, client_secret, session)
        self._budget = budget
        self._session = session
        self._retries = retries or RetryPolicy()
        self._batches = True
        self.limited_at = float("-inf")
        """Monotonic time of the last response 429."""
        self.ahead: float | None = None
        """Seconds by which ION's clock is ahead, to a second; None if unknown."""

    async def look(self) -> None:
        """Check that ION responds. Raise an IonError soon if not."""
        with suppress(IonRateLimitedError):
            await self.execute(ALIVE_QUERY, retries=PROMPT_RETRIES)

    async def execute(
        self,
        document: str,
        variables: Variables | None = None,
        *,
        repeatable: bool = True,
        retries: RetryPolicy | None = None,
    ) -> Result:
        """Run one operation. The result contains GraphQL errors; other errors are raised.

        An operation that is not `repeatable`, such as a creation, is sent again only if it cannot
        have arrived. `retries` replaces the usual policy.
        """
        answer = await self._send(
            _operation(document, variables), repeatable=repeatable, retries=retries
        )
        return _result(answer.value, repaired=answer.repaired)

    async def execute_batch(
        self, operations: Sequence[tuple[str, Variables | None]], *, repeatable: bool = True
    ) -> list[Result]:
        """Run operations in one request; one by one if ION does not support batches."""
        if len(operations) > 1 and self._batches:
            body = [_operation(document, variables) for document, variables in operations]
            answer = await self._send(body, repeatable=repeatable)
            listed = cast("list[Any]", answer.value) if isinstance(answer.value, list) else []
            if len(listed) == len(operations):
                return [_result(each, repaired=answer.repaired) for each in listed]
            self._batches = False
        return [
            await self.execute(document, variables, repeatable=repeatable)
            for document, variables in operations
        ]

    async def introspect(self) -> OfferedSchema:
        """Return what this ION offers, with its root types under the names Query and Mutation."""
        data = (await self.execute(INTROSPECTION)).must()
        try:
            schema: dict[str, Any] = data["__schema"]
            names = {schema["queryType"]["name"]: "Query"}
            if schema.get("mutationType"):
                names[schema["mutationType"]["name"]] = "Mutation"
            offered = OfferedSchema.from_introspection(data).types
            return OfferedSchema(
                {names.get(name, name): members for name, members in offered.items()}
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise IonUnreadableError("ION's description of its schema cannot be read") from error

    async def _send(
        self, body: Any, *, repeatable: bool, retries: RetryPolicy | None = None
    ) -> answers.Decoded:
        """Send a request within the rate limit and the retry policy."""
        encoded = msgspec.json.encode(body)
        policy = retries or self._retries

        def should_retry(error: Exception) -> bool | dt.timedelta:
            if isinstance(error, _BusyError):
                return True if error.wait is None else dt.timedelta(seconds=error.wait)
            return isinstance(error, IonUnreachableError if repeatable else _NotSentError)

        async for attempt in stamina.retry_context(
            on=should_retry,
            attempts=policy.attempts,
            timeout=policy.whole_time,
            wait_initial=policy.first_wait,
            wait_max=policy.longest_wait,
            wait_jitter=policy.first_wait,
        ):
            with attempt:
                token = await self.sign_in.token()
                try:
                    return await self._post(encoded, token)
                except IonUnauthorizedError:
                    self.sign_in.forget(token)
                return await self._post(encoded, await self.sign_in.token())
        raise AssertionError("stamina either returns or raises")

    async def _post(self, body: bytes, token: str) -> answers.Decoded:
        await self._budget.take()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        began = time.monotonic()
        try:
            async with self._session.post(
                self.url,
                data=body,
                headers=headers,
                timeout=_TIMEOUT,
                allow_redirects=False,
                proxy=get_proxy(self.url),
            ) as response:
                answer = await read_body(response)
                self.ahead = None
                with suppress(KeyError, ValueError):
                    # The header is rounded down to seconds.
                    sent = parsedate_to_datetime(response.headers["date"]).timestamp() + 0.5
                    self.ahead = sent - time.time()
                if response.status == _TOO_MANY:
                    self.limited_at = time.monotonic()
                    self._budget.refused(_retry_after_seconds(response.headers.get("retry-after")))
                else:
                    self._budget.answered(time.monotonic() - began)
                return _decode_response(self.url, response, answer)
        except AnswerTooLargeError as error:
            raise IonUnreadableError(f"ION at {self.url}: {error}") from error
        except (aiohttp.ClientConnectorError, InvalidError) as error:
            message = f"ION at {self.url} does not respond: {connection_problem(error)}"
            raise _NotSentError(message, setting="api_url") from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if isinstance(error, TimeoutError):
                self._budget.refused(None)
            raise IonUnreachableError(
                f"ION at {self.url} does not respond: {connection_problem(error)}",
                setting="api_url",
            ) from error


def graphql_url(api_url: str) -> str:
    """Return the GraphQL URL of a host, base or complete URL."""
    base = with_scheme(api_url)
    return base if base.endswith("/graphql") else f"{base}/graphql"


class _NotSentError(IonUnreachableError):
    """The request was not sent, so nothing changed in ION."""


class _BusyError(IonRateLimitedError):
    """ION limits the rate, and may have sent the time to wait."""

    def __init__(self, message: str, wait: float | None) -> None:
        super().__init__(message)
        self.wait = wait


def _operation(document: str, variables: Variables | None) -> dict[str, Any]:
    return {"query": document, "variables": variables or {}}


def _decode_response(url: str, response: aiohttp.ClientResponse, body: bytes) -> answers.Decoded:
    """Return the decoded JSON of a response. Raise an error for any other response."""
    status, headers = response.status, response.headers
    if status == _TOO_MANY:
        raise _BusyError(
            f"ION at {url} asks to slow down (429)",
            _retry_after_seconds(headers.get("retry-after")),
        )
    if other := intercepted(url, status, headers.get("location"), body):
        other.setting = "api_url"
        raise other
    if status == 401:  # noqa: PLR2004
        message = f"ION at {url} does not accept the access token"
        raise IonUnauthorizedError(message, setting="api_url")
    if status >= 500:  # noqa: PLR2004
        message = f"ION at {url} answered {status}; try again later"
        raise IonUnreachableError(message, setting="api_url")
    try:
        answer = answers.decode(body)
    except ValueError as error:
        if body.lstrip().startswith((b"{", b"[")):
            raise IonUnreadableError(
                f"The JSON that {url} answered cannot be read: {error}"
            ) from error
        answer = answers.Decoded(None)
    value: Any = answer.value
    if not isinstance(value, dict | list):
        raise IonInterceptedError(
            f"{url} answered {status} without JSON instead of ION's API;"
            " check that this is the address of ION's API",
            setting="api_url",
        )
    if isinstance(value, dict):
        messages = _messages(cast("dict[str, Any]", value))
        if _TOKEN_MESSAGES.intersection(messages):
            message = f"ION at {url} does not accept the access token"
            raise IonUnauthorizedError(message, setting="api_url")
    return answer


def _result(answer: Any, *, repaired: bool) -> Result:
    if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
        raise IonInterceptedError(
            "The response is not GraphQL and instead of ION's API another server answered;"
            " check that this is the address of ION's API",
            setting="api_url",
        )
    fields = cast("dict[str, Any]", answer)
    data: Any = fields.get("data")
    if not isinstance(data, dict | None):
        raise IonUnreadableError("The data in ION's answer is not an object")
    return Result(cast("dict[str, Any] | None", data), _messages(fields), repaired)


def _messages(answer: dict[str, Any]) -> tuple[str, ...]:
    errors: Any = answer.get("errors") or ()
    listed = cast("list[Any]", errors) if isinstance(errors, list) else [errors] if errors else []
    messages: list[str] = []
    for each in listed:
        has_message = isinstance(each, dict)
        found = cast("dict[str, Any]", each).get("message", each) if has_message else each
        text = found if isinstance(found, str) else msgspec.json.encode(found).decode()
        messages.append(text[:_MAX_MESSAGE_CHARACTERS])
    return tuple(messages)


def _retry_after_seconds(retry_after: str | None) -> float | None:
    try:
        return None if retry_after is None else min(max(float(retry_after), 0.0), 60.0)
    except ValueError:
        return None
