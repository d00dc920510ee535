"""Signing in to ION: an access token by client credentials, kept until shortly before it ends."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import msgspec

from ultraviolet.errors import InvalidError
from ultraviolet.ion import answers
from ultraviolet.ion.errors import (
    IonError,
    IonInterceptedError,
    IonRateLimitedError,
    IonUnauthorizedError,
    IonUnreachableError,
)
from ultraviolet.outgoing import MAX_SMALL_ANSWER_BYTES, AnswerTooLargeError, get_proxy, read_body

_PATH = "/realms/api-keys/protocol/openid-connect/token"
_ON_THIS_MACHINE = re.compile(r"^(localhost|127\.|\[::1\])")
_EARLY = 30.0
_TIME_OUT = aiohttp.ClientTimeout(total=30, connect=10)
_NOT_HERE = (404, 405)
_USUAL_SECONDS = 60.0
"""Lifetime of a token whose sign-in does not say a plausible one."""
_LONGEST_SECONDS = 86400.0


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float


def with_scheme(address: str) -> str:
    """Complete an address a person typed: `https` unless it is this machine."""
    bare = address.strip().rstrip("/")
    if not bare or re.search(r"\s", bare):
        raise InvalidError(f"{address!r} is not an address such as https://api.buildwithion.com")
    if "://" in bare:
        return bare
    return f"{'http' if _ON_THIS_MACHINE.match(bare) else 'https'}://{bare}"


def token_urls(auth_url: str) -> Sequence[str]:
    """Return the token addresses that a host, a base or a whole address can mean, likeliest first.

    ION's environments differ in whether `/auth` stands before `/realms`, and its documents do not agree.
    """
    base = with_scheme(auth_url)
    if base.endswith("/token"):
        return (base,)
    base = base.split("/realms/")[0]
    plain = base.removesuffix("/auth")
    urls = (plain + _PATH, f"{plain}/auth{_PATH}")
    return urls if base == plain else urls[::-1]


class TokenProvider:
    """The access token of one API key."""

    def __init__(
        self, auth_url: str, client_id: str, client_secret: str, session: aiohttp.ClientSession
    ) -> None:
        self._urls = token_urls(auth_url)
        self._client_id = client_id
        self._client_secret = client_secret
        self._session = session
        self._token = ""
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """Return a token that is good for a while; raises an IonError when there is none to get."""
        async with self._lock:
            if time.monotonic() >= self._renew_at:
                self._keep(await self._request())
            return self._token

    def forget(self, token: str) -> None:
        """Take note that ION no longer accepts this token."""
        if token == self._token:
            self._renew_at = 0.0

    def _keep(self, grant: _Grant) -> None:
        self._token = grant.access_token
        self._renew_at = time.monotonic() + grant.expires_in - min(_EARLY, grant.expires_in / 4)

    async def _request(self) -> _Grant:
        for url in self._urls:
            status, body = await self._post(url)
            if status in _NOT_HERE:
                continue
            self._urls = (url,)
            return _grant(url, status, body)
        raise IonUnauthorizedError(
            f"There is no sign-in at {self._urls[0]}; check the auth address"
        )

    async def _post(self, url: str) -> tuple[int, bytes]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        try:
            async with self._session.post(
                url, data=form, allow_redirects=False, timeout=_TIME_OUT, proxy=get_proxy(url)
            ) as response:
                body = await read_body(response, MAX_SMALL_ANSWER_BYTES)
                if response.status == 429:  # noqa: PLR2004
                    raise IonRateLimitedError(f"ION's sign-in at {url} asks to slow down (429)")
                if other := intercepted(
                    url, response.status, response.headers.get("location"), body
                ):
                    raise other
                return response.status, body
        except AnswerTooLargeError as error:
            raise IonUnauthorizedError(f"{url}: {error}; check the auth address") from error
        except (aiohttp.ClientError, InvalidError, TimeoutError, ValueError) as error:
            raise IonUnreachableError(
                f"ION's sign-in at {url} does not answer: {reason(error)}"
            ) from error


def intercepted(
    url: str, status: int, location: str | None, body: bytes
) -> IonInterceptedError | None:
    """Return the error for an answer of a login page, a proxy or a maintenance page, which ION does not give."""
    if 300 <= status < 400:  # noqa: PLR2004
        where = urlsplit(location or "").hostname
        answer = f"{status}, a redirect{f' to {where}' if where else ''},"
    elif status < 500 and status not in _NOT_HERE and body.lstrip()[:1] == b"<":  # noqa: PLR2004
        answer = f"{status} with a web page"
    else:
        return None
    return IonInterceptedError(
        f"{url} answered {answer} instead of ION's API; check that this is the address of ION's API"
    )


def reason(error: BaseException) -> str:
    """Say in a few words what an exception was."""
    return str(error) or type(error).__name__


def _grant(url: str, status: int, body: bytes) -> _Grant:
    if status >= 500:  # noqa: PLR2004
        raise IonUnreachableError(f"ION's sign-in at {url} answered {status}; try again later")
    try:
        told: Any = answers.decode(body).value
    except ValueError:
        told = None
    fields = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    token, seconds = fields.get("access_token"), fields.get("expires_in")
    if not isinstance(token, str) or not token:
        raise _denied(url, status, fields)
    if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST_SECONDS:
        seconds = _USUAL_SECONDS
    return _Grant(token, seconds)


def _denied(url: str, status: int, fields: dict[str, Any]) -> IonError:
    why = fields.get("error_description") or fields.get("error")
    if not why:
        return IonUnauthorizedError(f"{url} answered {status} and no token; check the auth address")
    return IonUnauthorizedError(f"ION does not accept this client id and secret: {str(why)[:200]}")
