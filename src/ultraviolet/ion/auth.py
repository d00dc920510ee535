"""Authentication with ION: an access token from client credentials, renewed before it expires."""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import msgspec

from ultraviolet.connection_errors import connection_problem
from ultraviolet.errors import InvalidError
from ultraviolet.ion import answers
from ultraviolet.ion.errors import (
    IonInterceptedError,
    IonRateLimitedError,
    IonUnauthorizedError,
    IonUnreachableError,
)
from ultraviolet.outgoing import MAX_SMALL_ANSWER_BYTES, AnswerTooLargeError, get_proxy, read_body

_PATH = "/realms/api-keys/protocol/openid-connect/token"
_LOCAL_ADDRESS = re.compile(r"^(localhost|127\.|\[::1\])")
_RENEW_EARLY_SECONDS = 30.0
_TIMEOUT = aiohttp.ClientTimeout(total=30, connect=10)
_WRONG_PATH_STATUSES = (404, 405)
_DEFAULT_LIFETIME_SECONDS = 60.0
"""Lifetime of a token without a plausible one."""
_MAX_LIFETIME_SECONDS = 86400.0


class _Grant(msgspec.Struct):
    access_token: str
    expires_in: float


def with_scheme(address: str) -> str:
    """Return an address with scheme: `https` unless it is this machine."""
    bare = address.strip().rstrip("/")
    if not bare or re.search(r"\s", bare):
        raise InvalidError(f"{address!r} is not an address such as https://api.buildwithion.com")
    if "://" in bare:
        return bare
    return f"{'http' if _LOCAL_ADDRESS.match(bare) else 'https'}://{bare}"


def token_urls(auth_url: str) -> Sequence[str]:
    """Return the possible token URLs of a host, base or complete URL, the most likely one first.

    ION's environments and documents differ in whether `/auth` precedes `/realms`.
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
        """Return a valid token. Raise an IonError if none can be obtained."""
        async with self._lock:
            if time.monotonic() < self._renew_at:
                return self._token
            for url in self._urls:
                status, body = await self._post(url)
                if status in _WRONG_PATH_STATUSES:
                    continue
                self._urls = (url,)
                grant = _grant(url, status, body)
                self._token = grant.access_token
                early = min(_RENEW_EARLY_SECONDS, grant.expires_in / 4)
                self._renew_at = time.monotonic() + grant.expires_in - early
                return self._token
        message = f"No sign-in at {self._urls[0]}; check the auth address"
        raise IonUnauthorizedError(message, setting="auth_url")

    def forget(self, token: str) -> None:
        """Discard a token that ION no longer accepts."""
        if token == self._token:
            self._renew_at = 0.0

    async def _post(self, url: str) -> tuple[int, bytes]:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
        }
        try:
            async with self._session.post(
                url, data=form, allow_redirects=False, timeout=_TIMEOUT, proxy=get_proxy(url)
            ) as response:
                body = await read_body(response, MAX_SMALL_ANSWER_BYTES)
                if response.status == 429:  # noqa: PLR2004
                    raise IonRateLimitedError(f"ION's sign-in at {url} asks to slow down (429)")
                other = intercepted(url, response.status, response.headers.get("location"), body)
                if other:
                    other.setting = "auth_url"
                    raise other
                return response.status, body
        except AnswerTooLargeError as error:
            message = f"{url}: {error}; check the auth address"
            raise IonUnauthorizedError(message, setting="auth_url") from error
        except (aiohttp.ClientError, InvalidError, TimeoutError, ValueError) as error:
            raise IonUnreachableError(
                f"ION's sign-in at {url} does not respond: {connection_problem(error)}",
                setting="auth_url",
            ) from error


def intercepted(
    url: str, status: int, location: str | None, body: bytes
) -> IonInterceptedError | None:
    """Return an error if the response is from a proxy, login page or maintenance page."""
    if 300 <= status < 400:  # noqa: PLR2004
        where = urlsplit(location or "").hostname
        answer = f"{status}, a redirect{f' to {where}' if where else ''},"
    elif status < 500 and status not in _WRONG_PATH_STATUSES and body.lstrip()[:1] == b"<":  # noqa: PLR2004
        answer = f"{status} with a web page"
    else:
        return None
    return IonInterceptedError(
        f"{url} answered {answer} instead of ION's API; check that this is the address of ION's API"
    )


def _grant(url: str, status: int, body: bytes) -> _Grant:
    if status >= 500:  # noqa: PLR2004
        message = f"ION's sign-in at {url} answered {status}; try again later"
        raise IonUnreachableError(message, setting="auth_url")
    try:
        decoded: Any = answers.decode(body).value
    except ValueError:
        decoded = None
    fields = cast("dict[str, Any]", decoded) if isinstance(decoded, dict) else {}
    token, seconds = fields.get("access_token"), fields.get("expires_in")
    if not isinstance(token, str) or not token:
        why = fields.get("error_description") or fields.get("error")
        raise IonUnauthorizedError(
            f"ION does not accept this client id and secret: {str(why)[:200]}"
            if why
            else f"{url} answered {status} and no token; check the auth address",
            setting="client_secret" if why else "auth_url",
        )
    if not isinstance(seconds, int | float) or not 0 <= seconds <= _MAX_LIFETIME_SECONDS:
        seconds = _DEFAULT_LIFETIME_SECONDS
    return _Grant(token, seconds)
