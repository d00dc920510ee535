"""The resource that an argument or option names."""

from typing import TYPE_CHECKING

from ultraviolet.errors import NotFoundError
from ultraviolet.text import did_you_mean

if TYPE_CHECKING:
    from ultraviolet.ion.model import Resource


def find_resource(name: str) -> "Resource":
    """Return a resource by any of its names. Raise NotFoundError."""
    from ultraviolet.ion.catalog import load_catalog

    catalog = load_catalog()
    if (found := catalog.resolve(name)) is None:
        hint = did_you_mean(name, [resource.name for resource in catalog.mirrored])
        raise NotFoundError(
            f"ION has no resource “{name}”.{hint} List all with `ultraviolet object list`."
        )
    return found


def resource_name(name: str | None) -> str | None:
    """Return the name of a resource in the API, None for None. Raise NotFoundError."""
    return None if name is None else find_resource(name).name
