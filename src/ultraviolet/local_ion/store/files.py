"""File contents on disk and the signed URLs to upload and download them."""

import hmac
import os
import secrets
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import quote

Verb = Literal["GET", "PUT"]


class FileStore:
    """The contents of file attachments; anyone with a signed URL may use it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.base_url = "http://127.0.0.1:8100"
        """The URL of the local ION as its clients reach it."""
        key_file = folder / "key"
        if not key_file.exists():
            with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
        self._key = key_file.read_bytes()

    def upload_url(self, file_id: int) -> str:
        """Return the URL to upload a file to."""
        return self._url("PUT", file_id)

    def download_url(self, file_id: int, name: str | None) -> str:
        """Return the URL to download a file from; its path ends in the file's name (seen)."""
        last = quote((name or "").replace("\\", "/").rpartition("/")[2], safe="")
        if last in {".", ".."}:  # clients take them out of a path
            last = ""
        return self._url("GET", file_id, f"/{last}" if last else "")

    def is_signed(self, verb: Verb, file_id: int, signature: str) -> bool:
        """Return whether a signature is valid for a verb and file."""
        return hmac.compare_digest(self._signature(verb, file_id).encode(), signature.encode())

    def path(self, file_id: int) -> Path:
        """Return the path of a file's content."""
        return self.folder / str(file_id)

    async def put(self, file_id: int, chunks: AsyncIterator[bytes]) -> str:
        """Replace a file's content atomically and return its hash."""
        part, digest = self.folder / f"{file_id}.{secrets.token_hex(4)}.part", sha256()
        try:
            with part.open("wb") as file:
                async for chunk in chunks:
                    digest.update(chunk)
                    file.write(chunk)
            part.replace(self.path(file_id))
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest()

    def remove(self, file_id: int) -> None:
        """Delete a file's content."""
        self.path(file_id).unlink(missing_ok=True)

    def _url(self, verb: Verb, file_id: int, name: str = "") -> str:
        signature = self._signature(verb, file_id)
        return f"{self.base_url}/files/{file_id}{name}?signature={signature}"

    def _signature(self, verb: Verb, file_id: int) -> str:
        return hmac.new(self._key, f"{verb} {file_id}".encode(), sha256).hexdigest()
