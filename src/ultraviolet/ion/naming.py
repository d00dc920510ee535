"""How ION writes a name: as a column, as a constant, in the plural, as a GraphQL field."""

import re
from functools import lru_cache


def constant(name: str) -> str:
    """Write a field's name as ION's sort enums do: `shipToLocationId` is SHIP_TO_LOCATION_ID."""
    return snake(name).upper()


def snake(name: str) -> str:
    """Write a GraphQL name as ION's columns are written; `mBom` and `aBom` are one word each."""
    plain = (
        name.replace("MBom", "Mbom")
        .replace("ABom", "Abom")
        .replace("MRP", "Mrp")
        .replace("API", "Api")
    )
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain).lower()


def plural(name: str) -> str:
    """Form the plural the way ION's derived types do."""
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith(("s", "h")) else f"{name}s"


def camel(column: str) -> str:
    """Write a column's name as GraphQL fields are written."""
    head, *tail = column.split("_")
    return head + "".join(t.capitalize() for t in tail)


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """Leave nothing of a name but lower-case letters and digits, so that it is the same in any style."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
