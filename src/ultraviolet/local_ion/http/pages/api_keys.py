"""The pages of API keys: their list, a new key with its secret, and revocation."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from ultraviolet.errors import NotFoundError
from ultraviolet.local_ion.auth.api_keys import ApiKey, list_keys
from ultraviolet.local_ion.http.pages.forms import MAX_FORM_BYTES, form_values
from ultraviolet.local_ion.http.pages.reader import PageReader, RejectedOperationError
from ultraviolet.local_ion.http.pages.templating import Renderer
from ultraviolet.local_ion.http.pages.values import Cell, address, time_cell
from ultraviolet.local_ion.http.state import AppState

AnyRequest = Request[Any, Any, Any]
ADDRESS = "/api-keys"
MAX_NAME_CHARACTERS = 100
CREATE = "mutation { createApiKey { apikey { clientId clientSecret } } }"
RENAME = "mutation($input: UpdateUserInput!) { updateUser(input: $input) { user { id } } }"
REVOKE = "mutation($input: APIKeyInput!) { updateApiKey(input: $input) { apikey { id } } }"
USER = "query($id: ID!) { user(id: $id) { _etag } }"


class ShownKey(msgspec.Struct, frozen=True):
    """An API key as the page shows it."""

    name: str
    client_id: str
    etag: str
    user: Cell
    created: Cell
    created_by: str
    last_used: Cell | None
    state: Cell
    is_active: bool


class ApiKeyPages:
    """Renders the pages of API keys; every method runs in a thread."""

    def __init__(self, state: AppState, reader: PageReader) -> None:
        self._state = state
        self._reader = reader
        self._render = Renderer(state).page

    def show(
        self,
        *,
        name: str = "",
        error: str = "",
        status: int = 200,
        created: Mapping[str, str] | None = None,
        revoked: str = "",
    ) -> Response[str]:
        """Return the list, also with the form as it was rejected, or with a new key's secret."""
        keys = [self._shown(key) for key in list_keys(self._state.ion.store)]
        return self._render(
            "api_keys.html",
            ADDRESS,
            status=status,
            keys=keys,
            named=self._state.ion.quirks.has("service_users"),
            max_characters=MAX_NAME_CHARACTERS,
            name=name,
            error=error,
            created=created,
            revoked=next((key for key in keys if key.client_id == revoked), None),
        )

    def create(self, name: str, host: str) -> Response[str]:
        """Create a key; return the page with its secret, which is shown only there.

        The name of a key is that of its service user (assumed), because ION's keys have none.
        `host` is the address of this local ION, which a hub needs with the key.
        """
        if len(name) > MAX_NAME_CHARACTERS:
            error = f"Enter at most {MAX_NAME_CHARACTERS} characters."
            return self.show(name=name, error=error, status=422)
        made = self._reader.execute(CREATE, {})["createApiKey"]["apikey"]
        key = self._find(made["clientId"])
        if name and key.has_service_user:
            etag = self._reader.execute(USER, {"id": key.user_id})["user"]["_etag"]
            values = {"id": key.user_id, "name": name, "etag": etag}
            self._reader.execute(RENAME, {"input": values})
        return self.show(created={**made, "address": host})

    def confirm(self, client_id: str, *, error: str = "", status: int = 200) -> Response[str]:
        """Return the page that asks whether to revoke a key; raise NotFoundError."""
        key = self._shown(self._find(client_id))
        return self._render("revoke_key.html", ADDRESS, status=status, key=key, error=error)

    def revoke(self, client_id: str, etag: str) -> None:
        """Disable a key, as ION does when its user is deactivated; raise NotFoundError."""
        values = {"clientId": client_id, "_etag": etag, "enabled": False}
        self._reader.execute(REVOKE, {"input": values})

    def _find(self, client_id: str) -> ApiKey:
        keys = list_keys(self._state.ion.store)
        found = next((key for key in keys if key.client_id == client_id), None)
        if found is None:
            raise NotFoundError("No API key has this client ID.")
        return found

    def _shown(self, key: ApiKey) -> ShownKey:
        used = self._state.key_uses.get(key.client_id)
        is_active = key.enabled and key.user_active
        off = "User deactivated" if key.enabled else "Revoked"
        return ShownKey(
            key.user_name if key.has_service_user else "",
            key.client_id,
            key.etag,
            Cell(key.user_name, "link", address("users", key.user_id)),
            time_cell(key.created, "time"),
            key.created_by,
            time_cell(used, "time") if used else None,
            Cell("Active", "state", tone="good") if is_active else Cell(off, "state", tone="bad"),
            is_active,
        )


def api_key_handlers(state: AppState, reader: PageReader) -> list[Any]:
    """Return the routes of API keys; only pages of this local ION can send the forms."""
    pages = ApiKeyPages(state, reader)
    run = state.run_in_thread

    @get(ADDRESS)
    async def show_keys(revoked: FromQuery[str] = "") -> Response[str]:
        return await run(partial(pages.show, revoked=revoked))

    @post(ADDRESS, request_max_body_size=MAX_FORM_BYTES, status_code=200)
    async def create_key(request: AnyRequest) -> Response[str]:
        error = state.check_session(request)
        name = (await form_values(request)).get("name", "").strip()
        if error:
            return await run(partial(pages.show, name=name, error=error, status=401))
        return await run(pages.create, name, str(request.base_url).rstrip("/"))

    @get(f"{ADDRESS}/{{client_id:str}}/revoke")
    async def confirm(client_id: FromPath[str]) -> Response[str]:
        return await run(pages.confirm, client_id)

    @post(f"{ADDRESS}/{{client_id:str}}/revoke", request_max_body_size=MAX_FORM_BYTES)
    async def revoke(request: AnyRequest, client_id: FromPath[str]) -> Response[Any]:
        error, status = state.check_session(request), 401
        if not error:
            try:
                etag = (await form_values(request)).get("etag", "")
                await run(pages.revoke, client_id, etag)
            except RejectedOperationError as rejected:
                error, status = str(rejected), 422
        if error:
            return await run(partial(pages.confirm, client_id, error=error, status=status))
        return Redirect(f"{ADDRESS}?{urlencode({'revoked': client_id})}", status_code=303)

    return [show_keys, create_key, confirm, revoke]
