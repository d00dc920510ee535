"""Mutations of file attachments and assets; a payload has the upload URL."""

import functools
import mimetypes
from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.mutations.associations import touch_entity
from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.validation import require_row
from ultraviolet.local_ion.store.transaction import Transaction

BUCKET = "local-ion"
_ATTACHMENT_TABLES = ("entity_file_attachments", "entity_assets")


def _create_handler(table: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        name, entity = values.get("filename"), values.get("entityId")
        if entity is not None:
            require_row(tx, "entities", int(entity))
        key: int = tx.insert(
            "file_attachments",
            {
                "filename": name,
                "content_type": mimetypes.guess_type(name or "")[0],
                "integration_id": values.get("integrationId"),
                "integration_fetch_url": values.get("integrationFetchUrl"),
                "entity_id": None if entity is None else int(entity),
                "s3_bucket": BUCKET,
            },
        )
        tx.update("file_attachments", key, {"s3_key": f"{key}/{name or key}"})
        if entity is not None:
            tx.insert(table, {"entity_id": int(entity), "file_attachment_id": key})
            touch_entity(tx, int(entity))
        return {"fileAttachment": key, "uploadUrl": tx.files.upload_url(key)}

    return handle


def _delete_handler(table: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        key, entity = int(args["input"]["fileAttachmentId"]), int(args["input"]["entityId"])
        require_row(tx, "file_attachments", key)
        removed = tx.delete_where(table, entity_id=entity, file_attachment_id=key)
        ensure(removed, "This file is not attached there.")
        if not any(tx.find(t, file_attachment_id=key) for t in _ATTACHMENT_TABLES):
            tx.delete("file_attachments", key)
            tx.after_commit.append(functools.partial(tx.files.remove, key))
        touch_entity(tx, entity)
        return {"fileAttachmentId": key, "entityId": entity}

    return handle


MUTATIONS: Mapping[str, Handler] = {
    "createFileAttachment": _create_handler("entity_file_attachments"),
    "deleteFileAttachment": _delete_handler("entity_file_attachments"),
    "createAsset": _create_handler("entity_assets"),
    "deleteAsset": _delete_handler("entity_assets"),
}
"""Handlers by mutation name."""
