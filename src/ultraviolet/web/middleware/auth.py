"""The gate: who is asking, whether they may, and whether a form is one of ours."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp

from ultraviolet.errors import ForbiddenError, UnauthenticatedError
from ultraviolet.hub.accounts.users import SESSION_LIFETIME, Actor, Role, require
from ultraviolet.hub.hub import Hub

COOKIE = "ultraviolet_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Caller(msgspec.Struct, frozen=True):
    """One who was let in, and how: a session carries a token that its forms must repeat."""

    actor: Actor
    csrf: str | None = None

    @property
    def name(self) -> str:
        """The name that goes into the audit log."""
        return self.actor.name


GivenHub = NamedDependency[Hub]
"""The hub, as a route asks for it."""
GivenCaller = NamedDependency[Caller]
"""The one who asks, as a route asks for them; who is nobody is refused before."""
AnyRequest = Request[Caller | None, None, State]
FindActor = Callable[[Literal["key", "session"], str], Awaitable[Actor | None]]


def auth_middleware(find: FindActor) -> type[AbstractAuthenticationMiddleware]:
    """Make the middleware that finds out who is asking; whether they may is for the guards."""

    class Gate(AbstractAuthenticationMiddleware):
        def __init__(self, app: ASGIApp) -> None:
            super().__init__(app, exclude=["^/static/"])

        async def authenticate_request(
            self, connection: ASGIConnection[Any, Any, Any, Any]
        ) -> AuthenticationResult:
            return AuthenticationResult(user=await _authenticate(connection, find), auth=None)

    return Gate


def caller_of(request: AnyRequest) -> Caller:
    """Return the one who asks, where a guard has let them in."""
    if request.user is None:
        raise UnauthenticatedError
    return request.user


def known_caller(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller | None:
    """Return the one who asks, or None where nobody signed in, or the gate was not even reached."""
    scope = cast("dict[str, Any]", connection.scope)
    return scope.get("user")


async def _authenticate(
    connection: ASGIConnection[Any, Any, Any, Any], find: FindActor
) -> Caller | None:
    scheme, _, key = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":  # another is for a proxy in front of the hub
        actor = await find("key", key.strip())
        if actor is None:
            raise UnauthenticatedError(
                "This API key is not valid here: it may be mistyped, revoked or expired."
            )
        return Caller(actor)
    session = connection.cookies.get(COOKIE)
    actor = await find("session", session) if session else None
    if session is None or actor is None:
        return None
    return Caller(actor, csrf_token(session))


class require_role:  # noqa: N801  it reads as a word where a route names its guard
    """A guard that lets in this role and those above it."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
    ) -> None:
        """Refuse who is nobody, or less."""
        caller = known_caller(connection)
        if caller is None:
            raise UnauthenticatedError
        require(caller.actor, self.role)


async def csrf_check(request: AnyRequest) -> None:
    """Refuse what another site made a signed-in browser send."""
    if request.method in _SAFE_METHODS:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError(
            "This came from another site and was refused; open the page here and try again."
        )
    caller = known_caller(request)
    if caller is None or caller.csrf is None:
        return
    sent = request.headers.get(CSRF_HEADER) or await _form_token(request)
    if not hmac.compare_digest(sent.encode(), caller.csrf.encode()):
        raise ForbiddenError(
            "This form is from an earlier session; load the page again and repeat."
        )


def csrf_token(session: str) -> str:
    """Derive what a session's forms repeat; who knows it cannot get back to the session."""
    return hashlib.sha256(b"ultraviolet form " + session.encode()).hexdigest()


def is_secure(request: AnyRequest, public_url: str) -> bool:
    """Return whether a client speaks to this hub over TLS, also if a proxy ends it."""
    public = urlsplit(public_url)
    through_proxy = (
        public.scheme == "https"
        and request.headers.get("host", "").lower() == public.netloc.lower()
    )
    return request.url.scheme == "https" or through_proxy


def session_cookie(session: str, *, secure: bool) -> Cookie:
    """Make the cookie that keeps someone signed in; scripts and other sites cannot use it."""
    return Cookie(
        key=COOKIE,
        value=session,
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/",
        max_age=int(SESSION_LIFETIME.total_seconds()),
    )


async def _form_token(request: AnyRequest) -> str:
    if "form" not in request.headers.get("content-type", ""):
        return ""
    return str((await request.form()).get(CSRF_FIELD, ""))
