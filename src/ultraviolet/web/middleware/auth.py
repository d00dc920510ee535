"""Authentication by API key or session, role guards, and protection against CSRF."""

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
from ultraviolet.hub.accounts import users
from ultraviolet.hub.accounts.sessions import SESSION_LIFETIME
from ultraviolet.hub.accounts.users import Actor, Role
from ultraviolet.hub.hub import Hub

COOKIE = "ultraviolet_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller; forms of a session must send its CSRF token."""

    actor: Actor
    csrf: str | None = None

    @property
    def name(self) -> str:
        """The name in the audit log."""
        return self.actor.name


GivenHub = NamedDependency[Hub]
"""The hub, injected into handlers."""
GivenCaller = NamedDependency[Caller]
"""The caller, injected into handlers that require authentication."""
AnyRequest = Request[Caller | None, None, State]
FindActor = Callable[[Any, Literal["key", "session"], str], Awaitable[Actor | None]]
"""Find the actor of a request's scope and its key or session."""


def auth_middleware(find: FindActor) -> type[AbstractAuthenticationMiddleware]:
    """Return the middleware that identifies the caller; guards check the role."""

    class AuthMiddleware(AbstractAuthenticationMiddleware):
        def __init__(self, app: ASGIApp) -> None:
            super().__init__(app, exclude=["^/static/"])

        async def authenticate_request(
            self, connection: ASGIConnection[Any, Any, Any, Any]
        ) -> AuthenticationResult:
            caller: Caller | None = None
            scheme, _, key = connection.headers.get("authorization", "").partition(" ")
            if scheme.lower() == "bearer":  # other schemes are for a proxy in front of the hub
                actor = await find(connection.scope, "key", key.strip())
                if actor is None:
                    raise UnauthenticatedError(
                        "Invalid API key. It may be mistyped, revoked or expired;"
                        " an administrator can create another on the page Settings."
                    )
                caller = Caller(actor)
            else:
                caller = await session_caller(connection, find)
            return AuthenticationResult(user=caller, auth=None)

    return AuthMiddleware


async def session_caller(
    connection: ASGIConnection[Any, Any, Any, Any], find: FindActor
) -> Caller | None:
    """Return the caller of the session in the cookie, if it is valid."""
    session = connection.cookies.get(COOKIE)
    actor = await find(connection.scope, "session", session) if session else None
    return Caller(actor, csrf_token(session)) if session and actor else None


def caller_of(request: AnyRequest) -> Caller:
    """Return the caller; raise UnauthenticatedError."""
    if request.user is None:
        raise UnauthenticatedError
    return request.user


def known_caller(connection: ASGIConnection[Any, Any, Any, Any]) -> Caller | None:
    """Return the caller, or None without authentication or before it has run."""
    scope = cast("dict[str, Any]", connection.scope)
    return scope.get("user")


class require_role:  # noqa: N801  used like a function
    """A guard that requires a minimum role."""

    def __init__(self, role: Role) -> None:
        self.role: Role = role

    def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
    ) -> None:
        """Raise UnauthenticatedError without a caller, ForbiddenError for a lower role."""
        caller = known_caller(connection)
        if caller is None:
            raise UnauthenticatedError
        users.require_role(caller.actor, self.role)


VIEWER, OPERATOR, ADMIN = ([require_role(role)] for role in users.ROLES)
"""The guards of routes, by the role that they require."""


async def csrf_check(request: AnyRequest) -> None:
    """Raise ForbiddenError for a request that another site made a signed-in browser send."""
    if request.method in _SAFE_METHODS:
        return
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise ForbiddenError(
            "Cross-site request rejected. Open the page on this site and try again."
        )
    caller = known_caller(request)
    if caller is None or caller.csrf is None:
        return
    sent = request.headers.get(CSRF_HEADER, "")
    if not sent and "form" in request.headers.get("content-type", ""):
        sent = str((await request.form()).get(CSRF_FIELD, ""))
    if not hmac.compare_digest(sent.encode(), caller.csrf.encode()):
        raise ForbiddenError(
            "This form belongs to an earlier session. Reload the page and try again."
        )


def csrf_token(session: str) -> str:
    """Derive the CSRF token of a session, from which the session cannot be recovered."""
    return hashlib.sha256(b"ultraviolet form " + session.encode()).hexdigest()


def is_secure(request: AnyRequest, public_url: str) -> bool:
    """Return whether the client uses TLS, also if a proxy terminates it."""
    public = urlsplit(public_url)
    through_proxy = (
        public.scheme == "https"
        and request.headers.get("host", "").lower() == public.netloc.lower()
    )
    return request.url.scheme == "https" or through_proxy


def session_cookie(session: str, *, secure: bool) -> Cookie:
    """Return the session cookie, which scripts and other sites cannot use."""
    return Cookie(
        key=COOKIE,
        value=session,
        httponly=True,
        samesite="lax",
        secure=secure,
        path="/",
        max_age=int(SESSION_LIFETIME.total_seconds()),
    )
