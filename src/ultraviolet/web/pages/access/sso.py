"""Pages: sign in with a single sign-on provider, there and back."""

import structlog
from litestar import Response, get
from litestar.params import FromQuery
from litestar.response import Redirect

from ultraviolet.errors import NotFoundError, UltravioletError
from ultraviolet.hub.accounts import sso
from ultraviolet.hub.accounts.oidc import (
    ATTEMPT_LIFETIME_SECONDS,
    Provider,
    SignInAttempt,
    SignInRefusedError,
)
from ultraviolet.hub.hub import Hub
from ultraviolet.web.http.params import REJECT_UNKNOWN
from ultraviolet.web.middleware.auth import AnyRequest, GivenHub
from ultraviolet.web.middleware.throttle import GivenSignInGuard
from ultraviolet.web.pages.access.sign_in import place_of, sign_in_page, signed_in
from ultraviolet.web.pages.sealed_cookies import open_cookie, sealed_cookie
from ultraviolet.web.pages.templating import GivenRenderer

COOKIE = "ultraviolet_attempt"
BACK = "/sign-in/provider/back"
"""Where the provider sends people back to, under the public address."""

log = structlog.get_logger()


@get("/sign-in/provider")
async def go(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, next_page: FromQuery[str] = "/"
) -> Response[str] | Redirect:
    """Redirect to the provider."""
    provider = _provider(hub)
    try:
        address, attempt = await provider.begin(hub.public_url + BACK, next_page)
    except UltravioletError as error:
        log.warning("sign_in.failed", way="provider", error=error.explanation)
        return sign_in_page(request, hub, render, error.explanation, error.status, next_page)
    cookie = sealed_cookie(
        request,
        hub,
        COOKIE,
        attempt,
        path="/sign-in/provider",
        max_age=ATTEMPT_LIFETIME_SECONDS,
        samesite="lax",
    )
    return Redirect(address, status_code=303, cookies=[cookie])


@get(BACK, opt={REJECT_UNKNOWN: False})  # providers add parameters
async def back(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, sign_ins: GivenSignInGuard
) -> Response[str] | Redirect:
    """Sign in a user who returns from the provider, or show the reason for the refusal."""
    provider, attempt = _provider(hub), open_cookie(request, hub, COOKIE, SignInAttempt)
    goal = attempt.next_page if attempt else "/"
    place = place_of(request, sign_ins)
    try:
        identity = await provider.finish(hub.public_url + BACK, attempt, dict(request.query_params))
        admitted = await hub.database.write(
            sso.sign_in_from_provider, hub.provider_rules, identity, place
        )
        if admitted.session is None:
            raise SignInRefusedError(admitted.refused)
    except UltravioletError as error:
        log.warning("sign_in.refused", way="provider", source=place.source, error=error.explanation)
        answer: Response[str] | Redirect = sign_in_page(
            request, hub, render, error.explanation, error.status, goal
        )
    else:
        answer = await signed_in(request, hub, admitted.session, goal)
    answer.delete_cookie(COOKIE, path="/sign-in/provider")
    return answer


def _provider(hub: Hub) -> Provider:
    if hub.provider is None:
        raise NotFoundError(
            "Single sign-on is not configured. Set ULTRAVIOLET_OIDC_ISSUER and restart the hub."
        )
    return hub.provider
