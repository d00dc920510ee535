"""File attachments and assets: what is known of a file; the local ION keeps no contents, so there is no upload address."""

import mimetypes
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.checks import require
from ultraviolet.local_ion.store import Transaction
from ultraviolet.local_ion.ties import touch_entity

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]


def _create(table: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        name, entity = values.get("filename"), values.get("entityId")
        key = tx.insert(
            "file_attachments",
            {
                "filename": name,
                "content_type": mimetypes.guess_type(name or "")[0],
                "integration_id": values.get("integrationId"),
                "integration_fetch_url": values.get("integrationFetchUrl"),
                "entity_id": None if entity is None else int(entity),
            },
        )
        if entity is not None:
            tx.insert(table, {"entity_id": int(entity), "file_attachment_id": key})
            touch_entity(tx, int(entity))
        return {"fileAttachment": key, "uploadUrl": None}

    return handle


def _delete(table: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        key, entity = int(args["input"]["fileAttachmentId"]), int(args["input"]["entityId"])
        require(tx, "file_attachments", key)
        tx.delete_where(table, entity_id=entity, file_attachment_id=key)
        tied = sum(
            len(tx.find(t, file_attachment_id=key)) for t in ("entity_file_attachments", "entity_assets")
        )
        if not tied:
            tx.delete("file_attachments", key)
        touch_entity(tx, entity)
        return {"fileAttachmentId": key, "entityId": entity}

    return handle


MUTATIONS: Mapping[str, Handler] = {
    "createFileAttachment": _create("entity_file_attachments"),
    "deleteFileAttachment": _delete("entity_file_attachments"),
    "createAsset": _create("entity_assets"),
    "deleteAsset": _delete("entity_assets"),
}
"""By name."""
