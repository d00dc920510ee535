"""Routes that upload and download file contents, as ION's storage service does."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, Router, get, put
from litestar.exceptions import NotFoundException, PermissionDeniedException
from litestar.params import FromPath, FromQuery
from litestar.response import File

from ultraviolet.local_ion.store.files import FileStore, Verb

DEFAULT_CONTENT_TYPE = "application/octet-stream"
MAX_FILE_BYTES = 1 << 30
"""The largest accepted file (assumed)."""
NAMED = "/{file_id:int}/{_name:str}"
FileDescription = tuple[str | None, str | None]
DescribeFile = Callable[[int], FileDescription | None]
"""Return a file's name and content type, or None for an unknown file."""


def create_files_router(files: FileStore, describe: DescribeFile) -> Router:
    """Create the routes that PUT and GET the content of a file."""

    def load_description(verb: Verb, file_id: int, signature: str) -> FileDescription:
        if not files.is_signed(verb, file_id, signature):
            raise PermissionDeniedException("Invalid signature for this URL.")
        description = describe(file_id)
        if description is None:
            raise NotFoundException("Unknown file.")
        return description

    @put(["/{file_id:int}", NAMED], status_code=200, request_max_body_size=MAX_FILE_BYTES)
    async def upload(
        request: Request[Any, Any, Any], file_id: FromPath[int], signature: FromQuery[str] = ""
    ) -> Response[None]:
        load_description("PUT", file_id, signature)
        etag = await files.put(file_id, request.stream())
        return Response(None, headers={"etag": f'"{etag}"'})

    @get(["/{file_id:int}", NAMED], sync_to_thread=False)
    def download(file_id: FromPath[int], signature: FromQuery[str] = "") -> File:
        name, content_type = load_description("GET", file_id, signature)
        path = files.path(file_id)
        if not path.exists():
            raise NotFoundException("This file has no content yet.")
        headers = {
            "content-disposition": f"attachment; filename*=UTF-8''{quote(name or str(file_id))}",
            "x-content-type-options": "nosniff",
        }
        return File(path, media_type=content_type or DEFAULT_CONTENT_TYPE, headers=headers)

    return Router("/files", route_handlers=[upload, download])
