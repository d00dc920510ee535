"""The HTTP application: tokens, GraphQL, query runner, home page and control API."""

import asyncio
import hmac
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, FileSystemLoader
from litestar import Litestar, MediaType, Request, Response, get, post, route
from litestar.datastructures import Cookie

from ultraviolet.asgi import static_files
from ultraviolet.codecs import prepare_codecs
from ultraviolet.errors import UltravioletError
from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.oauth import (
    TOKEN_PATH,
    Claims,
    Tokens,
    parse_token_request,
    token_response,
)
from ultraviolet.local_ion.auth.viewers import QUERY_RUNNER, Viewer, load_viewer
from ultraviolet.local_ion.control.api import ControlState, create_control_router
from ultraviolet.local_ion.faults.auth import AuthFaults
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.http import graphql_http
from ultraviolet.local_ion.http.files import create_files_router
from ultraviolet.local_ion.http.graphql_http import GraphQLRequest, MethodNotAllowedError, Operation

FOLDER = Path(__file__).parent
SESSION_COOKIE = "local_ion_session"
HOME_QUERY = """query Home {
  me { organization { name } }
  suppliers(first: 1) { pageInfo { totalCount } } parts(first: 1) { pageInfo { totalCount } }
  purchaseOrders(first: 1) { pageInfo { totalCount } }
  purchaseOrderLines(first: 1) { pageInfo { totalCount } }
  receipts(first: 1) { pageInfo { totalCount } }
  partInventories(first: 1) { pageInfo { totalCount } }
  runs(first: 1) { pageInfo { totalCount } } issues(first: 1) { pageInfo { totalCount } }
}"""
HOME_TITLES = {
    "suppliers": "Suppliers",
    "parts": "Parts",
    "purchaseOrders": "Purchase orders",
    "purchaseOrderLines": "Order lines",
    "receipts": "Receipts",
    "partInventories": "Inventory",
    "runs": "Runs",
    "issues": "Issues",
}


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
        self._threads = threads

    def authenticate(self, request: Request[Any, Any, Any]) -> Claims:
        """Return the claims of a token or of the query runner's cookie.

        Raise UnauthenticatedError.
        """
        if "authorization" not in request.headers:
            cookie = request.cookies.get(SESSION_COOKIE, "")
            origin = urlsplit(request.headers.get("origin", "")).netloc
            if origin == request.headers.get("host", "") and hmac.compare_digest(
                cookie.encode(), self.session.encode()
            ):
                return QUERY_RUNNER
        claims = self.tokens.read(request.headers.get("authorization"))
        self.auth_faults.check_token(claims)
        return claims

    async def run_in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a blocking function on a GraphQL thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def execute(self, operations: Sequence[Operation], claims: Claims) -> list[dict[str, Any]]:
        """Execute operations in order, as ION does; raise UnauthenticatedError."""
        viewer = load_viewer(self.ion.store, claims)
        return [self._execute_one(operation, viewer) for operation in operations]

    def _execute_one(self, operation: Operation, viewer: Viewer) -> dict[str, Any]:
        viewer = self.auth_faults.restrict(viewer, operation.query)

        def execute(query: str, variables: Any, name: str | None) -> dict[str, Any]:
            return self.ion.execute(query, variables, name, viewer, as_json=True)

        return self.control.schema_faults.execute(
            operation.query, operation.variables, operation.operationName, execute
        )

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
        return 200, token_response(self.tokens.issue(claims, lifetime), lifetime)


def _oauth_error(error: str, description: str) -> dict[str, object]:
    return {"error": error, "error_description": description}


def create_app(state: AppState, *, lifespan: Sequence[Callable[[Litestar], Any]] = ()) -> Litestar:
    """Create the ASGI application of a local ION."""
    templates = Environment(loader=FileSystemLoader(FOLDER / "templates"), autoescape=True)
    cookie = Cookie(
        key=SESSION_COOKIE, value=state.session, httponly=True, samesite="strict", path="/"
    )

    @post([TOKEN_PATH, f"/auth{TOKEN_PATH}"], status_code=200)
    async def token(request: Request[Any, Any, Any]) -> Response[dict[str, object]]:
        body = await request.body()
        status, content = await state.run_in_thread(state.issue_token, body, request.headers)
        return Response(content, status_code=status)

    @route("/graphql", http_method=["GET", "POST"], status_code=200)
    async def graphql(request: Request[Any, Any, Any]) -> Response[bytes]:
        media_type = graphql_http.choose_media_type(request.headers.get("accept", ""))
        headers = {"content-type": f"{media_type}; charset=utf-8"}
        try:
            claims = state.authenticate(request)
            if request.method == "GET":
                operations = graphql_http.parse_get(dict(request.query_params))
            else:
                content_type = request.headers.get("content-type", "")
                operations = graphql_http.parse_post(content_type, await request.body())
            status, body = await state.run_in_thread(state.respond, operations, claims, media_type)
        except UltravioletError as error:
            status = error.status
            body = msgspec.json.encode(graphql_http.error_response(str(error)))
            if isinstance(error, MethodNotAllowedError):
                headers["allow"] = "POST"
        return Response(body, status_code=status, media_type=media_type, headers=headers)

    @get("/", media_type=MediaType.HTML, sync_to_thread=False)
    def query_runner() -> Response[str]:
        return Response(templates.get_template("runner.html").render(), cookies=[cookie])

    @get("/home", media_type=MediaType.HTML)
    async def home() -> Response[str]:
        operations = [Operation(HOME_QUERY)]
        (result,) = await state.run_in_thread(state.execute, operations, QUERY_RUNNER)
        data = result["data"]
        page = templates.get_template("home.html").render(
            organization=data["me"]["organization"]["name"],
            counts=[
                (title, data[name]["pageInfo"]["totalCount"]) for name, title in HOME_TITLES.items()
            ],
        )
        return Response(page, cookies=[cookie])

    store = state.ion.store
    application = Litestar(
        [
            token,
            graphql,
            create_control_router(state.control),
            create_files_router(store.files, store.file_description),
            query_runner,
            home,
            static_files("/static", FOLDER / "static"),
        ],
        lifespan=[*lifespan],
        openapi_config=None,
        logging_config=None,
    )
    prepare_codecs()  # of the types that the framework derived from the routes
    return application
