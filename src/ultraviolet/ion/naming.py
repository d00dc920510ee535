"""Convert names between ION's styles: column, constant, plural and GraphQL field."""

import re
from functools import lru_cache


def constant(name: str) -> str:
    """Return a field name in the style of sort enums: `shipToLocationId` is SHIP_TO_LOCATION_ID."""
    return snake(name).upper()


def snake(name: str) -> str:
    """Return a GraphQL name in the style of columns; `mBom` and `aBom` are one word each."""
    plain = (
        name.replace("MBom", "Mbom")
        .replace("ABom", "Abom")
        .replace("MRP", "Mrp")
        .replace("API", "Api")
    )
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()


def plural(name: str) -> str:
    """Return the plural as in ION's derived types."""
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "h")) else f"{name}s"


def camel(column: str) -> str:
    """Return a column name in the style of GraphQL fields."""
    head, *tail = column.split("_")
    return head + "".join(t.capitalize() for t in tail)


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Return only the lower-case letters and digits of a name, the same in any style."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
