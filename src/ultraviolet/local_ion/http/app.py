"""The HTTP edge of the local ION: token, GraphQL, readiness, query runner and home page."""

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
from litestar.static_files import create_static_files_router  # pyright: ignore[reportUnknownVariableType]

from ultraviolet.errors import UltravioletError
from ultraviolet.local_ion.auth import api_keys
from ultraviolet.local_ion.auth.oauth import TOKEN_PATH, Claims, Tokens, token_answer, token_request
from ultraviolet.local_ion.auth.viewers import QUERY_RUNNER, Doorkeeper, viewer_of
from ultraviolet.local_ion.control.api import local_api
from ultraviolet.local_ion.control.snapshots import Snapshots
from ultraviolet.local_ion.faults.registry import Faults
from ultraviolet.local_ion.faults.schema import Drift
from ultraviolet.local_ion.graphql.executor import LocalIon, Viewer
from ultraviolet.local_ion.http import graphql_http
from ultraviolet.local_ion.http.graphql_http import NotByGetError, Operation
from ultraviolet.local_ion.plant.simulator import Works
from ultraviolet.local_ion.store.files import files_router
from ultraviolet.local_ion.webhooks.sender import Deliveries

HERE = Path(__file__).parent
COOKIE = "local_ion_session"
NOT_BY_GET = NotByGetError.status
HOME = """query Home {
  me { organization { name } }
  suppliers(first: 1) { pageInfo { totalCount } } parts(first: 1) { pageInfo { totalCount } }
  purchaseOrders(first: 1) { pageInfo { totalCount } } purchaseOrderLines(first: 1) { pageInfo { totalCount } }
  receipts(first: 1) { pageInfo { totalCount } } partInventories(first: 1) { pageInfo { totalCount } }
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


class Edge:
    """What the routes share: the ION behind them, who may call it, and whether it is ready."""

    def __init__(
        self,
        ion: LocalIon,
        tokens: Tokens,
        threads: Executor,
        works: Works,
        faults: Faults,
        deliveries: Deliveries,
        snapshots: Snapshots,
    ) -> None:
        self.ion = ion
        self.tokens = tokens
        self.works = works
        self.faults = faults
        self.deliveries = deliveries
        self.snapshots = snapshots
        self.drift = Drift(ion.schema, faults)
        self.doorkeeper = Doorkeeper(faults, ion.catalog)
        self.ready = False
        self.session = secrets.token_urlsafe(32)
        self._threads = threads

    def claims(self, request: Request[Any, Any, Any]) -> Claims:
        """Tell who calls: the page's own cookie from the same origin, or a token. Raises UnauthenticatedError."""
        if "authorization" not in request.headers and self._is_own_page(request):
            return QUERY_RUNNER
        claims = self.tokens.read(request.headers.get("authorization"))
        self.doorkeeper.admit(claims)
        return claims

    def _is_own_page(self, request: Request[Any, Any, Any]) -> bool:
        cookie = request.cookies.get(COOKIE, "")
        origin = urlsplit(request.headers.get("origin", "")).netloc
        same = origin == request.headers.get("host", "")
        return same and hmac.compare_digest(cookie.encode(), self.session.encode())

    async def in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Run what blocks on the GraphQL threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def execute(self, operations: Sequence[Operation], claims: Claims) -> list[dict[str, Any]]:
        """Run operations one after the other, as ION does with a batch; raises UnauthenticatedError."""
        viewer = viewer_of(self.ion.store, claims)
        return [self._execute(operation, viewer) for operation in operations]

    def respond(self, asked: graphql_http.Asked, claims: Claims, media: str) -> tuple[int, bytes]:
        """Give the status and body of an answer; raises UnauthenticatedError."""
        many = isinstance(asked, list)
        answers = self.execute(asked if many else [asked], claims)
        answer = answers if many else answers[0]
        return graphql_http.status(answer, media), msgspec.json.encode(answer)

    def _execute(self, operation: Operation, viewer: Viewer) -> dict[str, Any]:
        viewer = self.doorkeeper.restricted(viewer, operation.query)
        return self.drift.execute(
            operation.query,
            operation.variables,
            operation.operationName,
            lambda query, variables, name: self.ion.execute(query, variables, name, viewer, for_wire=True),
        )

    def claims_of_key(self, client_id: str, client_secret: str) -> Claims | None:
        """Tell whose credentials these are."""
        key = api_keys.authenticate(self.ion.store, client_id, client_secret)
        return None if key is None else Claims(client_id=key.client_id, user_id=key.user_id)


def create_app(edge: Edge, *, lifespan: Sequence[Callable[[Litestar], Any]] = ()) -> Litestar:
    """Build the ASGI application over a local ION."""
    pages = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True)
    signed_in = Cookie(key=COOKIE, value=edge.session, httponly=True, samesite="strict", path="/")

    @post([TOKEN_PATH, f"/auth{TOKEN_PATH}"], status_code=200)
    async def token(request: Request[Any, Any, Any]) -> Response[dict[str, object]]:
        wanted = token_request(request.headers, await request.body())
        if wanted.grant_type != "client_credentials":
            return _oauth_error(400, "unsupported_grant_type", "Unsupported grant_type")
        claims = await edge.in_thread(edge.claims_of_key, wanted.client_id, wanted.client_secret)
        lifetime = edge.doorkeeper.lifetime(wanted.client_id, edge.tokens.lifetime)
        if claims is None or lifetime is None:
            return _oauth_error(401, "invalid_client", "Invalid client or Invalid client credentials")
        return Response(token_answer(edge.tokens.issue(claims, lifetime), lifetime))

    @route("/graphql", http_method=["GET", "POST"], status_code=200)
    async def graphql(request: Request[Any, Any, Any]) -> Response[bytes]:
        media = graphql_http.media_type(request.headers.get("accept", ""))
        try:
            claims = edge.claims(request)
            status, answer = await edge.in_thread(edge.respond, await _asked(request), claims, media)
        except UltravioletError as error:
            status, answer = error.status, msgspec.json.encode(graphql_http.failure(str(error)))
        headers = {"content-type": f"{media}; charset=utf-8"} | (
            {"allow": "POST"} if status == NOT_BY_GET else {}
        )
        return Response(answer, status_code=status, media_type=media, headers=headers)

    @get("/", media_type=MediaType.HTML, sync_to_thread=False)
    def runner() -> Response[str]:
        return Response(pages.get_template("runner.html").render(), cookies=[signed_in])

    @get("/home", media_type=MediaType.HTML)
    async def home() -> Response[str]:
        (answer,) = await edge.in_thread(edge.execute, [Operation(HOME)], QUERY_RUNNER)
        page = pages.get_template("home.html").render(**_home(answer["data"]))
        return Response(page, cookies=[signed_in])

    static = create_static_files_router("/static", [HERE / "static"])
    return Litestar(
        [
            token,
            graphql,
            local_api(edge),
            files_router(edge.ion.store.files, edge.ion.store.file),
            runner,
            home,
            static,
        ],
        lifespan=[*lifespan],
        openapi_config=None,
        logging_config=None,
    )


async def _asked(request: Request[Any, Any, Any]) -> graphql_http.Asked:
    if request.method == "GET":
        return graphql_http.queried(dict(request.query_params))
    return graphql_http.posted(request.headers.get("content-type", ""), await request.body())


def _home(data: dict[str, Any]) -> dict[str, Any]:
    counts = [(title, data[name]["pageInfo"]["totalCount"]) for name, title in HOME_TITLES.items()]
    return {"organization": data["me"]["organization"]["name"], "counts": counts}


def _oauth_error(status: int, error: str, description: str) -> Response[dict[str, object]]:
    return Response({"error": error, "error_description": description}, status_code=status)
