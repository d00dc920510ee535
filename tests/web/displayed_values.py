"""Parts with unusual values of every type, and readers of the views and exports that show them."""

import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import text
from tests.web.conftest import Edge

from ultraviolet import clock
from ultraviolet.hub.sync import invalid_values
from ultraviolet.mirror.apply import apply
from ultraviolet.mirror.observation import Observation, Origin

AT = "2026-01-01T00:00:00.000000+00:00"
FIELDS = {
    "integer": ("leadTime", "lead_time"),
    "real": ("cost", "cost"),
    "boolean": ("exportControlled", "export_controlled"),
    "time": ("_created", "_created"),
    "text": ("description", "description"),
    "id": ("revisedFromId", "revised_from_id"),
    "json": ("attributes", "attributes"),
}
"""A field of parts of each kind, and its column."""

CASES: list[tuple[str, Any, Any]] = [
    ("integer", 12, 12),
    ("integer", 0, 0),
    ("integer", -(2**63), -(2**63)),
    ("integer", 2**63 - 1, 2**63 - 1),
    ("integer", 2**63, None),
    ("integer", 2**70, None),
    ("integer", 12.0, None),
    ("integer", "12", None),
    ("integer", "12 weeks", None),
    ("integer", True, None),
    ("integer", "", None),
    ("integer", [12], None),
    ("integer", {"value": 12}, None),
    ("real", 0.1, 0.1),
    ("real", 12, 12.0),
    ("real", -0.0, -0.0),
    ("real", 1e22, 1e22),
    ("real", 1.7976931348623157e308, 1.7976931348623157e308),
    ("real", 2**53, float(2**53)),
    ("real", 2**53 + 1, None),
    ("real", 10**400, None),
    ("real", "1,234.50", None),
    ("real", "NaN", None),
    ("real", "Infinity", None),
    ("real", False, None),
    ("boolean", True, True),
    ("boolean", False, False),
    ("boolean", "maybe", None),
    ("boolean", "true", None),
    ("boolean", 1, None),
    ("boolean", 0.0, None),
    ("time", "2026-11-23T23:40:50.123456+00:00", "2026-11-23T23:40:50.123456+00:00"),
    ("time", "2026-11-23T23:40:50+00:00", "2026-11-23T23:40:50.000000+00:00"),
    ("time", "2026-11-23T23:40:50Z", "2026-11-23T23:40:50.000000+00:00"),
    ("time", "2026-11-23 23:40:50.5", "2026-11-23T23:40:50.500000+00:00"),
    ("time", "2026-11-23T23:40:50", "2026-11-23T23:40:50.000000+00:00"),
    ("time", "2026-11-23T23:40:50.1+02:30", "2026-11-23T21:10:50.100000+00:00"),
    ("time", "2026-11-23T23:40:50-01:30", "2026-11-24T01:10:50.000000+00:00"),
    ("time", "2026-11-23 23:40:50+02", "2026-11-23T21:40:50.000000+00:00"),
    ("time", "2026-11-23", "2026-11-23T00:00:00.000000+00:00"),
    ("time", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000+00:00"),
    ("time", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
    ("time", "2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000000+00:00"),
    ("time", "2026-02-29T12:00:00Z", None),
    ("time", "0000-00-00 00:00:00", None),
    ("time", "0001-01-01T00:00:00+02:00", None),
    ("time", "9999-12-31T23:59:59-02:00", None),
    ("time", "10000-01-01T00:00:00Z", None),
    ("time", "2026-11-23T23:40:50+15:00", None),
    ("time", "2026-11-23T23:40:50+99:99", None),
    ("time", "2026-11-23T23:59:60Z", None),
    ("time", "2026-11-23T24:00:00Z", None),
    ("time", "2026-W48-1T00:00:00.000000+00:00", None),
    ("time", "2026-11-23T23:40:50.1234567Z", None),
    ("time", "2026-11-23T23:40:50-0130", None),
    ("time", "next tuesday", None),
    ("time", "now", None),
    ("time", "infinity", None),
    ("time", "", None),
    ("time", 1764000000, None),
    ("text", "", ""),
    ("text", "plain", "plain"),
    ("text", "null", "null"),
    ("text", ' line\r\nbreak, "quote" ', ' line\r\nbreak, "quote" '),
    ("text", "=1+1", "=1+1"),
    ("text", "𝒳 ünï \u202e \x07", "𝒳 ünï \u202e \x07"),
    ("text", 12, None),
    ("text", False, None),
    ("text", ["a"], None),
    ("id", 7, "7"),
    ("id", "7", "7"),
    ("id", -1, "-1"),
    ("id", 2**63 - 1, str(2**63 - 1)),
    ("id", 2**63, None),
    ("id", "abc", None),
    ("id", "7.0", None),
    ("id", "", None),
    ("id", 7.5, None),
    ("id", True, None),
    ("id", {"id": 7}, None),
    ("json", "plain text", "plain text"),
    ("json", "", ""),
    ("json", 3.5, 3.5),
    ("json", 2**70, 2**70),
    ("json", False, False),
    ("json", [], []),
    ("json", {"a": [None, {"b": 1e300}]}, {"a": [None, {"b": 1e300}]}),
]
"""A kind, a value of a document, and the value that every view and export shows."""

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
TIMES = st.from_regex(
    r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]([T ][0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]{1,7})?(Z|[+-][01][0-9](:?[0-6][0-9])?)?)?\Z"
)
NUMBERS_IN_WORDS = st.sampled_from(
    ["12 weeks", "1,234.50", "0x1F", "1e5", "١٢", "-", "+5", "NaN", " 7", "7 "]
)
VALUES = (
    JSON | TIMES | NUMBERS_IN_WORDS | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
)


def replace_parts(edge: Edge, *docs: dict[str, Any]) -> None:
    """Replace all parts by these, as full reads of ION would."""
    now = clock.now_rfc3339()
    wanted = {str(doc["id"]) for doc in docs}

    def work(connection: Any) -> None:
        known = (
            connection.execute(text("SELECT id FROM objects WHERE deleted_at IS NULL"))
            .scalars()
            .all()
        )
        seen = [
            Observation("parts", str(doc["id"]), "full", doc, now, Origin("fetch", "1"), None, now)
            for doc in docs
        ]
        gone = [
            Observation("parts", id_, "absent", {}, now, Origin("fetch", "1"), None, now)
            for id_ in known
            if id_ not in wanted
        ]
        applied = apply(connection, edge.hub.catalog, 1, [*seen, *gone])
        invalid_values.report(connection, edge.hub.catalog, 1, applied.refitted)

    edge.hub.database.write_now(work)


def export_parts(edge: Edge, query: str) -> bytes:
    answer = edge.api("GET", f"/exports/parts?{query}")
    assert answer.status_code == 200, answer.text
    return answer.content


def read_csv(content: str) -> list[dict[str, str | None]]:
    """Read CSV; an empty cell without quotes is None, one with quotes is an empty text."""
    head, *rows = list(_csv_rows(content))
    return [dict(zip([name or "" for name in head], row, strict=True)) for row in rows]


def _csv_rows(content: str) -> Iterator[list[str | None]]:
    row: list[str | None] = []
    cell, quoted, inside, place = "", False, False, 0
    while place < len(content):
        letter = content[place]
        if inside:
            if letter == '"' and content[place + 1 : place + 2] == '"':
                cell, place = cell + '"', place + 1
            elif letter == '"':
                inside = False
            else:
                cell += letter
        elif letter == '"':
            quoted = inside = True
        elif letter in ",\r":
            row.append(cell if cell or quoted else None)
            cell, quoted = "", False
            if letter == "\r":
                place += 1
                yield row
                row = []
        else:
            cell += letter
        place += 1


def parse_csv_cell(kind: str, cell: str | None) -> Any:
    """Return the value of a CSV cell by the kind of its column; JSON texts have no quotes."""
    if cell is None:
        return None
    match kind:
        case "integer":
            return int(cell)
        case "real":
            return float(cell)
        case "boolean":
            return {"true": True, "false": False}[cell]
        case _:
            return cell


def is_same_json(cell: str | None, value: Any) -> bool:
    """Return whether a CSV cell of a JSON column shows a value."""
    if value is None or isinstance(value, str):
        return cell == value
    return cell is not None and json.loads(cell) == value


def read_view(edge: Edge) -> list[dict[str, Any]]:
    """Read the view of parts with SQL only."""
    sql = text("SELECT * FROM ion_parts ORDER BY length(id), id")
    rows = edge.hub.database.read_now(lambda c: c.execute(sql).mappings().all())
    return [dict(row) for row in rows]


def parse_view_cell(kind: str, cell: Any) -> Any:
    if cell is None:
        return None
    if kind == "boolean":
        assert cell in (0, 1)
        return bool(cell)
    if kind == "json":
        return json.loads(cell)
    return clock.format_rfc3339(cell) if isinstance(cell, datetime) else cell


def is_same(one: Any, other: Any) -> bool:
    """Compare values; SQLite may lose the last binary digit of a number when it reads it."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-15, abs_tol=2.3e-308)
    return type(one) is type(other) and one == other
