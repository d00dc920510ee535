"""Secrets that a page shows after their creation, kept encrypted in the browser that created them.

The page is a GET after a redirect, so that reloading it never creates another secret.
"""

import time

import msgspec
from litestar import post
from litestar.response import Redirect

from ultraviolet.hub.hub import Hub
from ultraviolet.web.http.return_paths import referring_path
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest
from ultraviolet.web.pages.sealed_cookies import open_cookie, sealed_cookie

LIFETIME_SECONDS = 900
ONE_TIME_COOKIE = "ultraviolet_one_time"


class OneTimeSecret(msgspec.Struct, frozen=True):
    """A secret with its title; `subject_id` is the webhook URL, key, user or destination."""

    kind: str
    title: str
    text: str
    subject_id: int
    detail: str = ""


class _Sealed(msgspec.Struct, frozen=True):
    secret: OneTimeSecret
    caller: str
    expires: float


def redirect_with_secret(
    request: AnyRequest, hub: Hub, caller: str, address: str, secret: OneTimeSecret
) -> Redirect:
    """Redirect to a page that shows the secret to this caller for 15 minutes."""
    sealed = _Sealed(secret, caller, time.time() + LIFETIME_SECONDS)
    cookie = sealed_cookie(
        request,
        hub,
        ONE_TIME_COOKIE,
        sealed,
        path="/",
        max_age=LIFETIME_SECONDS,
        samesite="strict",
    )
    return Redirect(address, status_code=303, cookies=[cookie])


def find_secret(request: AnyRequest, hub: Hub, caller: str, kind: str) -> OneTimeSecret | None:
    """Return the caller's secret of this kind, if one was created in the last 15 minutes."""
    sealed = open_cookie(request, hub, ONE_TIME_COOKIE, _Sealed)
    if sealed is None:
        return None
    valid = sealed.caller == caller and sealed.expires > time.time()
    return sealed.secret if valid and sealed.secret.kind == kind else None


@post("/one-time-secret/hide", guards=VIEWER)
async def hide(request: AnyRequest) -> Redirect:
    """Remove the secret from this browser, and go back to the page."""
    response = Redirect(referring_path(request) or "/", status_code=303)
    response.delete_cookie(ONE_TIME_COOKIE, path="/")
    return response
