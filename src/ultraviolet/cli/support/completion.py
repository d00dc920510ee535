"""Completion of names in a shell; no error may disturb the line that is being typed."""

from contextlib import suppress

import typer

from ultraviolet.cli.support import connection, contexts
from ultraviolet.errors import UltravioletError

_TIMEOUT_SECONDS = 2.0


def complete_context(incomplete: str) -> list[str]:
    """Return the contexts that start with the typed letters."""
    with suppress(UltravioletError, OSError):
        return [name for name in contexts.load().contexts if name.startswith(incomplete)]
    return []


def complete_resource(incomplete: str) -> list[str]:
    """Return the resources that start with the typed letters."""
    from ultraviolet.ion.catalog import load_catalog

    names = (resource.name for resource in load_catalog().mirrored)
    return [name for name in names if name.startswith(incomplete)]


def complete_integration(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the integrations of the running hub that start with the typed letters."""
    from ultraviolet.client import Client

    given = ctx.params
    with suppress(UltravioletError, OSError):
        address = connection.resolve(given.get("url"), given.get("key"), given.get("data"))
        url, key = connection.find_url_and_key(address)
        if url and key:
            with Client(url, key, attempts=1, read_timeout_seconds=_TIMEOUT_SECONDS) as client:
                names = [integration.name for integration in client.list_integrations()]
            return [name for name in names if name.startswith(incomplete)]
    return []
