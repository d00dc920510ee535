"""Secrets that a page shows after their creation, kept encrypted in the browser that created them.

The page is a GET after a redirect, so that reloading it never creates another secret.
"""

import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from litestar import post
from litestar.datastructures import Cookie
from litestar.response import Redirect

from ultraviolet.errors import UltravioletError
from ultraviolet.hub.hub import Hub
from ultraviolet.web.middleware.auth import AnyRequest, is_secure, require_role
from ultraviolet.web.pages.theme import referring_path

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
    value = urlsafe_b64encode(hub.secrets.encrypt(msgspec.json.encode(sealed).decode())).decode()
    cookie = Cookie(
        key=ONE_TIME_COOKIE,
        value=value,
        path="/",
        max_age=LIFETIME_SECONDS,
        httponly=True,
        samesite="strict",
        secure=is_secure(request, hub.public_url),
    )
    return Redirect(address, status_code=303, cookies=[cookie])


def find_secret(request: AnyRequest, hub: Hub, caller: str, kind: str) -> OneTimeSecret | None:
    """Return the caller's secret of this kind, if one was created in the last 15 minutes."""
    try:
        encrypted = urlsafe_b64decode(request.cookies.get(ONE_TIME_COOKIE, ""))
        sealed = msgspec.json.decode(hub.secrets.decrypt(encrypted), type=_Sealed)
    except (ValueError, UltravioletError, msgspec.MsgspecError):
        return None
    valid = sealed.caller == caller and sealed.expires > time.time()
    return sealed.secret if valid and sealed.secret.kind == kind else None


@post("/one-time-secret/hide", guards=[require_role("viewer")], include_in_schema=False)
async def hide(request: AnyRequest) -> Redirect:
    """Remove the secret from this browser, and go back to the page."""
    response = Redirect(referring_path(request) or "/", status_code=303)
    response.delete_cookie(ONE_TIME_COOKIE, path="/")
    return response


HANDLERS = [hide]
