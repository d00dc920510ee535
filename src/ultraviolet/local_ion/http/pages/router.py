"""The routes of the pages: home, lists, objects, forms, deliveries and query runner."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import FromPath, FromQuery, Parameter
from litestar.response import Redirect

from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.ion.labels import resource_label
from ultraviolet.local_ion.graphql.filters import encode_cursor
from ultraviolet.local_ion.http.pages.api_keys import api_key_handlers
from ultraviolet.local_ion.http.pages.changes import Changes, FormError
from ultraviolet.local_ion.http.pages.deliveries import (
    RESOURCE_TYPE,
    delivery_statuses,
    read_deliveries,
)
from ultraviolet.local_ion.http.pages.documents import MAX_ID_DIGITS, PAGE_SIZE
from ultraviolet.local_ion.http.pages.examples import load_examples
from ultraviolet.local_ion.http.pages.forms import (
    MAX_FORM_BYTES,
    FormField,
    control_value,
    field_groups,
    form_fields,
    form_values,
)
from ultraviolet.local_ion.http.pages.parameters import (
    CHECKED_BY_HANDLER,
    READ_BY_SCRIPT,
    check_parameters,
    reject_unknown_parameters,
)
from ultraviolet.local_ion.http.pages.reader import MAX_PAGE, PageReader
from ultraviolet.local_ion.http.pages.templating import PROMINENT, RUNNER_HEADERS, Renderer
from ultraviolet.local_ion.http.pages.values import address, is_shown, link_of
from ultraviolet.local_ion.http.state import AppState
from ultraviolet.local_ion.webhooks.outbox import delivered_resources

AnyRequest = Request[Any, Any, Any]
MAX_SEARCH_CHARACTERS = 200
HOME_ORDERS = 5
CREATABLE = (*PROMINENT, "purchase_order_lines")
"""The resources with a form for new objects."""
PageNumber = Annotated[int, Parameter(ge=1, le=MAX_PAGE)]
Text = Annotated[str, Parameter(max_length=MAX_SEARCH_CHARACTERS)]
Transaction = Annotated[int | None, Parameter(ge=0, le=10**MAX_ID_DIGITS)]


class Pages:
    """Renders the pages; every method runs in a thread."""

    def __init__(self, state: AppState) -> None:
        self.state = state
        self.reader = PageReader(state)
        self.changes = Changes(state, self.reader)
        self._render = Renderer(state).page

    def home(self) -> Response[str]:
        """Return the home page."""
        organization = self.reader.execute("{ me { organization { name } } }", {})
        orders = self.reader.catalog.resources["purchase_orders"]
        return self._render(
            "home.html",
            "/home",
            organization=organization["me"]["organization"]["name"],
            counts=self.reader.counts(PROMINENT),
            orders=self.reader.table(orders, size=HOME_ORDERS),
        )

    def resources(self) -> Response[str]:
        """Return the page of all resources."""
        groups: dict[str, list[str]] = {}
        shown = [r.name for r in self.reader.catalog.resources.values() if is_shown(r)]
        for name in sorted(shown, key=lambda name: resource_label(name).plural):
            groups.setdefault(resource_label(name).group, []).append(name)
        descriptions = {name: resource_label(name).description for name in shown}
        return self._render(
            "resources.html",
            "/resources",
            groups=sorted(groups.items()),
            counts=self.reader.counts(tuple(shown)),
            descriptions=descriptions,
        )

    def list(self, name: str, text: str, number: int, link: str, linked_id: str) -> Response[str]:
        """Return a list."""
        resource = self.reader.find_resource(name)
        table = self.reader.table(
            resource, text=text, link=link, linked_id=linked_id, number=number
        )
        linked, found = None, link_of(resource, link)
        if found and linked_id:  # the title and address of the object to which the list is limited
            label = resource_label(found.resource).singular
            linked = (f"{label} {linked_id}", address(found.resource, linked_id))
        return self._render(
            "list.html",
            f"/resources/{name}",
            table=table,
            description=resource_label(name).description,
            text=text,
            link=link,
            linked_id=linked_id,
            linked=linked,
            searchable=self.reader.searchable(resource),
            creatable=name in CREATABLE,
        )

    def record(
        self,
        name: str,
        id_: str,
        *,
        edit: str = "",
        raw: str | None = None,
        error: str = "",
        status: int = 200,
        saved: str = "",
        transaction: int | None = None,
    ) -> Response[str]:
        """Return an object's page, with the form of one field if it is edited."""
        resource = self.reader.find_resource(name)
        record = self.reader.record(resource, id_)
        fields = {f.name: f for f in form_fields(self.reader.catalog, resource, resource.update)}
        editable = set(fields)
        fields |= {each.field.name: each.field for each in record.attributes}
        form = fields.get(edit)
        values = {each.name: each.value for each in record.fields}
        values |= {each.field.name: each.value for each in record.attributes}
        value = values.get(edit)
        deliveries = None
        if transaction is not None:
            row = self.changes.row_of(resource, id_, saved)
            deliveries = self.changes.deliveries_of(*row, transaction)
        label = resource_label(name).singular
        done = f"{fields[saved].label} saved" if saved in fields else f"{label} created"
        return self._render(
            "object.html",
            f"/resources/{name}",
            status=status,
            record=record,
            editable=editable,
            form=form,
            raw=raw if raw is not None or form is None else control_value(form, value),
            choices=self.reader.link_choices([form] if form else []),
            error=error,
            done=done,
            transaction=transaction,
            deliveries=deliveries,
            creatable=CREATABLE,
            single=resource.single,
            update=resource.update,
        )

    def creatable_fields(self, name: str) -> dict[str, FormField]:
        """Return the fields of the form of a new object; raise NotFoundError."""
        resource = self.reader.find_resource(name)
        if name not in CREATABLE:
            raise NotFoundError("Objects of this resource cannot be created here.")
        fields = form_fields(self.reader.catalog, resource, resource.create)
        return {field.name: field for field in fields}

    def form(
        self,
        name: str,
        values: Mapping[str, str],
        messages: Mapping[str, str],
        status: int | None = None,
    ) -> Response[str]:
        """Return the form of a new object."""
        fields = [*self.creatable_fields(name).values()]
        groups = field_groups(self.reader.find_resource(name), fields)
        return self._render(
            "new.html",
            f"/resources/{name}",
            status=status or (422 if messages else 200),
            name=name,
            groups=groups,
            fields=fields,
            values=values,
            choices=self.reader.link_choices(fields),
            messages=messages,
        )

    def deliveries(
        self, number: int, transaction: int | None, resource: str, status: str
    ) -> Response[str]:
        """Return the page of webhook deliveries; raise InvalidError for an unknown filter."""
        statuses = delivery_statuses(self.reader)
        if status and status not in dict(statuses):
            raise InvalidError("This is not a status of deliveries.", field="status")
        names = {each.lower() for each in self.reader.catalog.types()[RESOURCE_TYPE]}
        if resource and resource not in names:
            raise InvalidError("No resource with deliveries has this name.", field="resource")
        with self.state.ion.store.read() as connection:
            resources = delivered_resources(connection)
        if resource:
            resources.add(resource)  # so that the form shows it
        after = encode_cursor((number - 1) * PAGE_SIZE - 1) if number > 1 else None
        rows, total = read_deliveries(self.reader, transaction, resource, status, after)
        counts = self.reader.counts(("webhook_receivers", "webhook_subscriptions"))
        return self._render(
            "deliveries.html",
            "/deliveries",
            rows=rows,
            total=total,
            number=number,
            size=PAGE_SIZE,
            transaction=transaction,
            resource=resource,
            resources=sorted(resources, key=lambda name: resource_label(name).plural),
            chosen=status,
            statuses=statuses,
            counts=counts,
        )

    def runner(self) -> Response[str]:
        """Return the query runner with its examples."""
        examples = msgspec.to_builtins(load_examples(self.reader))
        return self._render("runner.html", "/", headers=RUNNER_HEADERS, examples=examples)


def create_pages_router(state: AppState) -> Router:
    """Create the routes of the pages."""
    pages = Pages(state)
    run = state.run_in_thread

    @get("/", opt={READ_BY_SCRIPT: ("example", "query", "variables")})
    async def query_runner() -> Response[str]:
        return await run(pages.runner)

    @get("/home")
    async def home() -> Response[str]:
        return await run(pages.home)

    @get("/resources")
    async def resources() -> Response[str]:
        return await run(pages.resources)

    @get("/resources/{resource:str}")
    async def show_list(
        resource: FromPath[str],
        q: FromQuery[Text] = "",
        page: FromQuery[PageNumber] = 1,
        link: FromQuery[Text] = "",
        id: FromQuery[Text] = "",  # noqa: A002  the name in the address
    ) -> Response[str]:
        return await run(pages.list, resource, q.strip(), page, link, id)

    @get("/resources/{resource:str}/{object_id:str}")
    async def show_object(
        resource: FromPath[str],
        object_id: FromPath[str],
        edit: FromQuery[Text] = "",
        saved: FromQuery[Text] = "",
        transaction: FromQuery[Transaction] = None,
    ) -> Response[str]:
        def show() -> Response[str]:
            return pages.record(
                resource, object_id, edit=edit, saved=saved, transaction=transaction
            )

        return await run(show)

    @get("/deliveries")
    async def deliveries(
        page: FromQuery[PageNumber] = 1,
        transaction: FromQuery[Transaction] = None,
        resource: FromQuery[Text] = "",
        status: FromQuery[Text] = "",
    ) -> Response[str]:
        return await run(pages.deliveries, page, transaction, resource, status)

    return Router(
        "/",
        route_handlers=[
            query_runner,
            home,
            resources,
            show_list,
            show_object,
            deliveries,
            *_form_handlers(state, pages),
            *api_key_handlers(state, pages.reader),
        ],
        before_request=reject_unknown_parameters,
    )


def _form_handlers(state: AppState, pages: Pages) -> list[Any]:
    """Return the routes of forms; only pages of this local ION can send them."""
    run = state.run_in_thread

    @get("/resources/{resource:str}/new", opt={CHECKED_BY_HANDLER: True})
    async def show_form(request: AnyRequest, resource: FromPath[str]) -> Response[str]:
        check_parameters(request, await run(pages.creatable_fields, resource))
        values = {
            name: value[:MAX_SEARCH_CHARACTERS] for name, value in request.query_params.items()
        }
        return await run(pages.form, resource, values, {})

    @post("/resources/{resource:str}/new", request_max_body_size=MAX_FORM_BYTES)
    async def create(request: AnyRequest, resource: FromPath[str]) -> Response[Any]:
        stale = state.check_session(request)
        values = await form_values(request)
        found = pages.reader.find_resource(resource)
        if stale or resource not in CREATABLE:
            return await run(pages.form, resource, values, {"": stale}, 401)
        try:
            change = await run(pages.changes.create, found, values)
        except FormError as error:
            return await run(pages.form, resource, values, error.messages)
        await pages.changes.wait_until_published(change)
        page = address(resource, change.object_id)
        return Redirect(f"{page}?transaction={change.transaction_id}#saved", status_code=303)

    @post("/resources/{resource:str}/{object_id:str}", request_max_body_size=MAX_FORM_BYTES)
    async def update(
        request: AnyRequest, resource: FromPath[str], object_id: FromPath[str]
    ) -> Response[Any]:
        stale = state.check_session(request)
        values = await form_values(request)
        name, raw, etag = (values.get(each, "") for each in ("field", "value", "etag"))
        found = pages.reader.find_resource(resource)
        await run(pages.reader.record, found, object_id)

        def rejected(message: str, status: int) -> Response[str]:
            return pages.record(
                resource, object_id, edit=name, raw=raw, error=message, status=status
            )

        if stale:
            return await run(rejected, stale, 401)
        try:
            _, change = await run(pages.changes.update, found, object_id, name, raw, etag)
        except FormError as error:
            return await run(rejected, str(error), 422)
        await pages.changes.wait_until_published(change)
        page = address(resource, object_id)
        query = urlencode({"saved": name, "transaction": change.transaction_id})
        return Redirect(f"{page}?{query}#saved", status_code=303)

    return [show_form, create, update]
