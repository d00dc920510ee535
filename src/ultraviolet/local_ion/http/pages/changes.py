"""Changes by the pages: mutations as an API client sends them, and the deliveries they cause."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec

from ultraviolet.errors import InvalidError
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.http.pages.deliveries import count_deliveries
from ultraviolet.local_ion.http.pages.documents import mutation_document, mutation_input
from ultraviolet.local_ion.http.pages.forms import ATTRIBUTE, FormField, form_fields, parse_value
from ultraviolet.local_ion.http.pages.reader import PageReader, RejectedOperationError
from ultraviolet.local_ion.http.state import AppState
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.webhooks.outbox import published_action_id

PUBLISH_TIMEOUT_SECONDS = 1.0
_POLL_INTERVAL_SECONDS = 0.02


class SavedChange(msgspec.Struct, frozen=True):
    """A change that was saved; `transaction_id` is 0 if it did not write the object's own row."""

    object_id: str
    transaction_id: int
    last_action_id: int


class FormError(InvalidError):
    """The local ION rejected the values of a form. Nothing was changed."""

    def __init__(self, messages: Mapping[str, str]) -> None:
        """Set the message of each field; that of the whole form has an empty name."""
        super().__init__(next(iter(messages.values()), ""))
        self.messages = messages


class Changes:
    """Saves the forms of the pages."""

    def __init__(self, state: AppState, reader: PageReader) -> None:
        self._state = state
        self._reader = reader
        self._catalog = state.ion.catalog

    def update(
        self, resource: Resource, id_: str, name: str, raw: str, etag: str
    ) -> tuple[FormField, SavedChange]:
        """Update one field or custom attribute of an object with its etag; raise FormError."""
        changed, row_id = self.row_of(resource, id_, name)
        mutation = str(changed.update)
        if changed is resource:
            fields = form_fields(self._catalog, resource, resource.update)
        else:
            fields = [each.field for each in self._reader.record(resource, id_).attributes]
        field = next((each for each in fields if each.name == name), None)
        found = mutation_input(self._catalog, mutation) if field else None
        if field is None or found is None:
            raise InvalidError("This field cannot be edited.")
        try:
            value = parse_value(field, raw)
        except InvalidError as error:
            raise FormError({name: str(error)}) from error
        argument, kind = found
        id_value = int(id_) if resource.numbered else id_
        values = {"id": id_value, name: value}
        if changed is not resource:
            values = {str(changed.owner_key): id_value, "key": field.label, "value": value}
        if "etag" in kind.fields:
            values["etag"] = etag
        document = mutation_document(self._catalog, mutation, "Update")
        return field, self._save(changed, document, {argument: values}, name, row_id)

    def row_of(self, resource: Resource, id_: str, name: str) -> tuple[Resource, str]:
        """Return resource and id of the row that has a field of an object.

        The rows of custom attributes are not objects of their own.
        """
        if not name.startswith(ATTRIBUTE) or resource.attributes is None:
            return resource, id_
        key = name.removeprefix(ATTRIBUTE)
        return self._catalog.resources[resource.attributes], f"{id_}-{key}"

    def create(self, resource: Resource, given: Mapping[str, str]) -> SavedChange:
        """Create an object from a form; empty fields are omitted; raise FormError."""
        mutation = str(resource.create)
        fields = form_fields(self._catalog, resource, resource.create)
        found = mutation_input(self._catalog, mutation)
        if found is None:
            raise InvalidError("Objects of this resource cannot be created here.")
        values: dict[str, Any] = {}
        messages: dict[str, str] = {}
        for field in fields:
            try:
                value = parse_value(field, given.get(field.name, ""))
            except InvalidError as error:
                messages[field.name] = str(error)
            else:
                if value is not None:
                    values[field.name] = value
        if messages:
            raise FormError(messages)
        document = mutation_document(self._catalog, mutation, "Create")
        try:
            return self._save(resource, document, {found[0]: values}, "", None)
        except FormError as error:
            text = str(error).lower()
            named = [f.name for f in fields if f.name.lower() in text or f.label.lower() in text]
            raise FormError({named[0] if len(named) == 1 else "": str(error)}) from error

    def _save(
        self,
        resource: Resource,
        document: str,
        variables: dict[str, Any],
        field: str,
        id_: str | None,
    ) -> SavedChange:
        store = self._state.ion.store
        with store.read() as connection:
            before = audit_log.last_action_id(connection)
        try:
            data = self._reader.execute(document, variables)
        except RejectedOperationError as error:
            raise FormError({field: str(error)}) from error
        payload = next(iter(data.values()))
        created = (member["id"] for member in payload.values() if member and "id" in member)
        object_id = id_ or str(next(created))
        with store.read() as connection:
            actions = audit_log.actions_of_row(connection, resource.name, object_id)
            last = audit_log.last_action_id(connection)
        # the etag ensures that the first later change of the object is this one
        own = next((action for action in reversed(actions) if action.action_id > before), None)
        return SavedChange(object_id, own.transaction_id if own else 0, last)

    async def wait_until_published(self, change: SavedChange) -> None:
        """Wait briefly until the deliveries of a change are recorded; they follow its commit."""

        def published_id() -> int:
            with self._state.ion.store.read() as connection:
                return published_action_id(connection)

        deadline = asyncio.get_running_loop().time() + PUBLISH_TIMEOUT_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            if await self._state.run_in_thread(published_id) >= change.last_action_id:
                return
            await asyncio.sleep(_POLL_INTERVAL_SECONDS)

    def deliveries_of(self, resource: Resource, id_: str, transaction_id: int) -> int | None:
        """Return the number of deliveries of an object's change; None for another transaction."""
        with self._state.ion.store.read() as connection:
            actions = audit_log.actions_of_row(connection, resource.name, id_)
        if all(action.transaction_id != transaction_id for action in actions):
            return None
        return count_deliveries(self._reader, transaction_id)
