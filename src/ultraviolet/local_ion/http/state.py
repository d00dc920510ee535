"""The objects that the routes share: sign-in, execution of operations, tokens."""

import asyncio
import hmac
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import msgspec
from litestar import Request
from litestar.datastructures import Cookie

from ultraviolet.errors import UnauthenticatedError
from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.oauth import Claims, Tokens, parse_token_request, token_response
from ultraviolet.local_ion.auth.viewers import QUERY_RUNNER, load_viewer
from ultraviolet.local_ion.control.api import ControlState
from ultraviolet.local_ion.faults.auth import AuthFaults
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.http import graphql_http
from ultraviolet.local_ion.http.graphql_http import GraphQLRequest, Operation

SESSION_COOKIE = "local_ion_session"


class AppState:
    """The objects that the routes share."""

    def __init__(
        self, ion: LocalIon, tokens: Tokens, threads: Executor, control: ControlState
    ) -> None:
        self.ion = ion
        self.tokens = tokens
        self.control = control
        self.auth_faults = AuthFaults(control.faults, ion.catalog)
        self.session = secrets.token_urlsafe(32)
        self.key_uses: dict[str, str] = {}
        """The time of the last use of each API key since the start, by client id."""
        self._threads = threads

    def authenticate(self, request: Request[Any, Any, Any]) -> Claims:
        """Return the claims of a token or of the query runner's cookie.

        Raise UnauthenticatedError.
        """
        if "authorization" not in request.headers and self._has_session(request):
            return QUERY_RUNNER
        claims = self.tokens.read(request.headers.get("authorization"))
        self.auth_faults.check_token(claims)
        return claims

    def check_session(self, request: Request[Any, Any, Any]) -> str:
        """Return why a form cannot be saved: empty, or the message for the page with the form.

        Raise UnauthenticatedError if another site sent it.
        """
        if not _is_from_here(request):
            raise UnauthenticatedError(
                "Another site sent this form. Nothing was changed."
                " Open the page of the local ION and repeat the change."
            )
        if self._has_session(request):
            return ""
        return "The local ION was restarted. Nothing was changed. Save again."

    def _has_session(self, request: Request[Any, Any, Any]) -> bool:
        """Return whether a request has the cookie of the pages and comes from one of them."""
        cookie = request.cookies.get(SESSION_COOKIE, "").encode()
        return _is_from_here(request) and hmac.compare_digest(cookie, self.session.encode())

    @property
    def cookie(self) -> Cookie:
        """The cookie with which the pages act as the administrator."""
        return Cookie(
            key=SESSION_COOKIE, value=self.session, httponly=True, samesite="strict", path="/"
        )

    async def run_in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a blocking function on a GraphQL thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def execute(self, operations: Sequence[Operation], claims: Claims) -> list[dict[str, Any]]:
        """Execute operations in order, as ION does; raise UnauthenticatedError."""
        viewer = load_viewer(self.ion.store, claims)
        if claims != QUERY_RUNNER:
            self.key_uses[claims.client_id] = self.ion.store.clock()
        results: list[dict[str, Any]] = []
        for each in operations:
            allowed = self.auth_faults.restrict(viewer, each.query)
            execute = partial(self.ion.execute, viewer=allowed, as_json=True)
            results.append(
                self.control.schema_faults.execute(
                    each.query, each.variables, each.operationName, execute
                )
            )
        return results

    def respond(
        self, request: GraphQLRequest, claims: Claims, media_type: str
    ) -> tuple[int, bytes]:
        """Return the status and body of a response; raise UnauthenticatedError."""
        is_batch = isinstance(request, list)
        results = self.execute(request if is_batch else [request], claims)
        response = results if is_batch else results[0]
        status = graphql_http.response_status(response, media_type)
        return status, msgspec.json.encode(response)

    def issue_token(self, body: bytes, headers: Any) -> tuple[int, dict[str, object]]:
        """Return the status and body of a token response."""
        wanted = parse_token_request(headers, body)
        if wanted.grant_type != "client_credentials":
            return 400, _oauth_error("unsupported_grant_type", "Unsupported grant_type")
        claims = api_keys.authenticate(self.ion.store, wanted.client_id, wanted.client_secret)
        default_seconds = self.tokens.lifetime_seconds
        lifetime = self.auth_faults.token_lifetime(wanted.client_id, default_seconds)
        if claims is None or lifetime is None:
            reason = "Invalid client or Invalid client credentials"
            return 401, _oauth_error("invalid_client", reason)
        self.key_uses[claims.client_id] = self.ion.store.clock()
        return 200, token_response(self.tokens.issue(claims, lifetime), lifetime)


def _is_from_here(request: Request[Any, Any, Any]) -> bool:
    """Return whether a page of this address sent a request."""
    host = request.headers.get("host", "")
    return request.headers.get("origin", "") in (f"http://{host}", f"https://{host}")


def _oauth_error(error: str, description: str) -> dict[str, object]:
    return {"error": error, "error_description": description}
