"""Paths of this site to which a browser returns; never those of another site."""

from typing import Any
from urllib.parse import urlsplit

from litestar import Request


def local_path_or_root(goal: str) -> str:
    """Return a path of this site; `/` for any other target."""
    path = (
        goal.startswith("/")
        and not goal.startswith("//")
        and "\\" not in goal
        and goal.isprintable()
    )
    return goal if path else "/"


def referring_path(request: Request[Any, Any, Any]) -> str:
    """Return the path of the referring page if it belongs to this site."""
    page = urlsplit(request.headers.get("referer", ""))
    return local_path_or_root(page.path) if page.netloc == request.url.netloc else ""
