"""Routes of the documentation, which ships with the package."""

from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import File

from ultraviolet.errors import NotFoundError
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest
from ultraviolet.web.pages.documentation import documents
from ultraviolet.web.pages.templating import GivenRenderer


@get("/docs", guards=VIEWER, sync_to_thread=True)
def show_index(request: AnyRequest, render: GivenRenderer, q: FromQuery[str] = "") -> Response[str]:
    """Show the list of documents, or the sections with the searched words."""
    if not q.strip():
        return _document(request, render, documents.INDEX)
    return render.page(
        request,
        "documentation_search.html",
        groups=documents.groups(),
        name="",
        words=q.strip(),
        results=documents.search(q),
        limit=documents.MAX_RESULTS,
    )


@get("/docs/reference/errors", sync_to_thread=True)
def show_errors(request: AnyRequest, render: GivenRenderer) -> Response[str]:
    """Show the types of problems, also without sign-in: each is an address of this page."""
    return _document(request, render, "reference/errors")


@get("/docs/{path:path}", guards=VIEWER, sync_to_thread=True)
def show(request: AnyRequest, render: GivenRenderer, path: FromPath[str]) -> Response[str] | File:
    """Show one document or image of the documentation."""
    name = path.strip("/")
    if name in documents.names():
        return _document(request, render, name)
    file = documents.image(name)
    if file is None:
        raise NotFoundError(f"The documentation has no page “{name}”. Search it, or see the list.")
    return File(
        file, media_type=documents.IMAGE_TYPES[file.suffix], content_disposition_type="inline"
    )


def _document(request: AnyRequest, render: GivenRenderer, name: str) -> Response[str]:
    before, after = documents.neighbours(name)
    return render.page(
        request,
        "documentation.html",
        groups=documents.groups(),
        name=name,
        words="",
        document=documents.document(name, render.root),
        before=before,
        after=after,
    )
