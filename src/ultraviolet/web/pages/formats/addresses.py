"""Addresses of static files, next pages and the query runner."""

import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ultraviolet.asgi import DESIGN
from ultraviolet.outgoing import is_loopback

STATIC = Path(__file__).parents[2] / "static"


def asset(root: str, name: str) -> str:
    """Return the path of a static file, which changes with its content, so that browsers may keep it."""
    file = next(file for folder in (STATIC, DESIGN) if (file := folder / name).exists())
    return f"{root}/static/{name}?v={hashlib.sha256(file.read_bytes()).hexdigest()[:10]}"


def with_cursor(query: dict[str, Any], cursor: str) -> str:
    """Write the query of the next page."""
    return urlencode({**query, "cursor": cursor})


def runner(api_url: str, query: str, variables: dict[str, Any]) -> str:
    """Return the address that opens the query runner with a text; nothing where its place is not known.

    Only a local ION's is: it stands at the root of its API. Where ION keeps its own is not documented.
    """
    if not is_loopback(urlsplit(api_url).hostname or ""):
        return ""
    # A fragment stays in the browser, so its length is not limited by a server.
    text = urlencode({"query": query, "variables": json.dumps(variables)}, quote_via=quote)
    return f"{api_url}/#{text}"
