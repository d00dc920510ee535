"""File attachments and assets: what is known of a file, and the address to put its bytes to."""

import mimetypes
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.mutations.associations import touch_entity
from ultraviolet.local_ion.rules.hooks import refuse_unless
from ultraviolet.local_ion.rules.validation import require
from ultraviolet.local_ion.store.store import Transaction

BUCKET = "local-ion"
Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]


def _create(table: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        name, entity = values.get("filename"), values.get("entityId")
        if entity is not None:
            require(tx, "entities", int(entity))
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
        return {"fileAttachment": key, "uploadUrl": tx.store.files.upload_url(key)}

    return handle


def _delete(table: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        key, entity = int(args["input"]["fileAttachmentId"]), int(args["input"]["entityId"])
        require(tx, "file_attachments", key)
        taken = tx.delete_where(table, entity_id=entity, file_attachment_id=key)
        refuse_unless(taken, "This file is not attached there.")
        tied = sum(
            len(tx.find(t, file_attachment_id=key)) for t in ("entity_file_attachments", "entity_assets")
        )
        if not tied:
            tx.delete("file_attachments", key)
            tx.after_commit.append(lambda: tx.store.files.remove(key))
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
