"""Contents of files: signed addresses to put them to and get them from, and where the bytes lie."""

import hmac
import os
import secrets
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, Router, get, put
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, FromQuery
from litestar.response import File

Verb = str
PLAIN = "application/octet-stream"
LARGEST = 1 << 30
"""Bytes of one file at most (assumed)."""


class FileStore:
    """The bytes of file attachments, one file each in a directory; who holds an address may use it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.base = "http://127.0.0.1:8100"
        """The address of the local ION, as its clients reach it."""
        self._key = _key(folder / "key")

    def upload_url(self, file_id: int) -> str:
        """Give the address to put a file's bytes to."""
        return self._url("PUT", file_id)

    def download_url(self, file_id: int) -> str:
        """Give the address to get a file's bytes from."""
        return self._url("GET", file_id)

    def allows(self, verb: Verb, file_id: int, signature: str) -> bool:
        """Tell whether an address is one of ours."""
        return hmac.compare_digest(self._signature(verb, file_id).encode(), signature.encode())

    def path(self, file_id: int) -> Path:
        """Say where a file's bytes lie."""
        return self.folder / str(file_id)

    async def put(self, file_id: int, chunks: AsyncIterator[bytes]) -> str:
        """Keep a file's bytes, all of them or none; gives their hash."""
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
        """Forget a file's bytes."""
        self.path(file_id).unlink(missing_ok=True)

    def _url(self, verb: Verb, file_id: int) -> str:
        return f"{self.base}/files/{file_id}?signature={self._signature(verb, file_id)}"

    def _signature(self, verb: Verb, file_id: int) -> str:
        return hmac.new(self._key, f"{verb} {file_id}".encode(), sha256).hexdigest()


def _key(path: Path) -> bytes:
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
    return path.read_bytes()


Described = Callable[[int], tuple[str | None, str | None] | None]
"""Gives a file's name and content type; None where there is no such file."""


def files_router(files: FileStore, describe: Described) -> Router:
    """Build the routes: PUT and GET of a file's bytes, as ION's storage has them."""

    @put("/{file_id:int}", status_code=200, request_max_body_size=LARGEST)
    async def upload(
        request: Request[Any, Any, Any], file_id: FromPath[int], signature: FromQuery[str] = ""
    ) -> Response[None]:
        _known(files, "PUT", file_id, signature, describe)
        etag = await files.put(file_id, request.stream())
        return Response(None, headers={"etag": f'"{etag}"'})

    @get("/{file_id:int}", sync_to_thread=False)
    def download(file_id: FromPath[int], signature: FromQuery[str] = "") -> File:
        name, kind = _known(files, "GET", file_id, signature, describe)
        path = files.path(file_id)
        if not path.exists():
            raise NotFoundException("Nothing was put here yet.")
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name or str(file_id))}",
            "x-content-type-options": "nosniff",
        }
        return File(path, media_type=kind or PLAIN, headers=headers)

    return Router("/files", route_handlers=[upload, download])


def _known(
    files: FileStore, verb: Verb, file_id: int, signature: str, describe: Described
) -> tuple[str | None, str | None]:
    if not files.allows(verb, file_id, signature):
        raise PermissionDeniedException("This address is not signed for this.")
    found = describe(file_id)
    if found is None:
        raise NotFoundException("There is no such file.")
    return found
