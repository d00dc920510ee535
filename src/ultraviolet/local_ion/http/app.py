"""The HTTP application: tokens, GraphQL, pages, files and control API."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get, post, route

from ultraviolet.asgi import DESIGN, Application, static_files
from ultraviolet.codecs import prepare_codecs
from ultraviolet.errors import UltravioletError
from ultraviolet.local_ion.auth.oauth import CERTS_PATH, DISCOVERY_PATH, OLD_TOKEN_PATH, TOKEN_PATH
from ultraviolet.local_ion.control.api import create_control_router
from ultraviolet.local_ion.http import graphql_http
from ultraviolet.local_ion.http.files import create_files_router
from ultraviolet.local_ion.http.graphql_http import MethodNotAllowedError
from ultraviolet.local_ion.http.pages.errors import create_error_handler, is_browser
from ultraviolet.local_ion.http.pages.router import create_pages_router
from ultraviolet.local_ion.http.state import AppState

STATIC = Path(__file__).parent / "static"


def create_app(state: AppState, *, lifespan: Sequence[Callable[[Litestar], Any]] = ()) -> Litestar:
    """Create the ASGI application of a local ION."""
    show_error = create_error_handler(state)

    @post([TOKEN_PATH, f"/auth{TOKEN_PATH}", OLD_TOKEN_PATH], status_code=200)
    async def token(request: Request[Any, Any, Any]) -> Response[dict[str, object]]:
        body = await request.body()
        status, content = await state.run_in_thread(state.issue_token, body, request.headers)
        return Response(content, status_code=status)

    @get([DISCOVERY_PATH, f"/auth{DISCOVERY_PATH}"], sync_to_thread=False)
    def discovery() -> dict[str, object]:
        return state.tokens.discovery()

    @get([CERTS_PATH, f"/auth{CERTS_PATH}"], sync_to_thread=False)
    def certs() -> dict[str, object]:
        return state.tokens.public_keys()

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
            if request.method == "GET" and is_browser(request):
                raise
            status = error.status
            body = msgspec.json.encode(graphql_http.error_response(str(error)))
            if isinstance(error, MethodNotAllowedError):
                headers["allow"] = "POST"
        return Response(body, status_code=status, media_type=media_type, headers=headers)

    store = state.ion.store
    application = Application(
        [
            token,
            discovery,
            certs,
            graphql,
            create_control_router(state.control),
            create_files_router(store.files, store.file_description),
            create_pages_router(state),
            static_files("/static", STATIC, DESIGN),
        ],
        lifespan=[*lifespan],
        exception_handlers={Exception: show_error},
        openapi_config=None,
        logging_config=None,
    )
    prepare_codecs()  # of the types that the framework derived from the routes
    return application
