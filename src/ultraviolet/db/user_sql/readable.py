"""The names that SQL statements of any user of the hub may read."""

from collections.abc import Mapping

TABLES: Mapping[str, frozenset[str] | None] = {
    "objects": None,
    "versions": None,
    "link_kinds": None,
    "links": None,
    "attributes": None,
    "view_columns": None,
    "events": None,
    "stale": None,
    "drift": None,
    "fetches": None,
    "fetch_steps": None,
    "watermarks": None,
    "verifications": None,
    "integrations": frozenset(("id", "name", "")),
}
"""Readable tables besides the views of the resources; None means all columns, "" the count of rows.

The others contain secrets, hashes of secrets, or the activity of people.
"""
VIEWS = "SELECT DISTINCT view FROM view_columns"
"""Query of the readable views."""
NOT_READABLE = "Readable are the views in view_columns and the tables " + ", ".join(TABLES) + "."
"""What to read instead of another table."""
