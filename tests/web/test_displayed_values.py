"""Views, exports, lists and filters show the stored values, for unusual values of every type."""

import csv
import io
import json
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from sqlalchemy import text
from tests.web.conftest import ADMIN_KEY, NEW, Edge

from ultraviolet import clock
from ultraviolet.db import sql_views
from ultraviolet.hub.accounts import api_keys, sessions, users
from ultraviolet.hub.core.egress import LOOPBACK
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.sync import apply_events, invalid_values
from ultraviolet.mirror import field_indexes
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
"""A kind, a value of a document, and what every display of it shows."""

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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shown(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Edge]:
    """A hub with an integration, for all tests of a database."""
    folder: Path = tmp_path_factory.mktemp("shown")
    url = f"sqlite:///{folder / 'hub.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    given_ = {"data": folder, "database_url": url, "public_url": "http://hub.test"}
    hub = Hub.open(Settings(**{**given_, "allowed_targets": LOOPBACK}))
    hub.database.write_now(api_keys.set_key, "test", "admin", ADMIN_KEY)
    made = Edge(hub)
    assert made.api("POST", "/integrations", NEW).status_code == 201
    yield made
    made.close()


def keep(edge: Edge, *docs: dict[str, Any]) -> None:
    """Replace all parts by these, as whole reads of ION would."""
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


def exported(edge: Edge, query: str) -> bytes:
    answer = edge.api("GET", f"/exports/parts?{query}")
    assert answer.status_code == 200, answer.text
    return answer.content


def read_csv(content: str) -> list[dict[str, str | None]]:
    """Read CSV so that an empty cell with quotes and one without are told apart."""
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


def of_csv(kind: str, cell: str | None) -> Any:
    """Read a cell of CSV by the kind of its column; of JSON, a text stands without its quotes."""
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


def same_json(cell: str | None, value: Any) -> bool:
    """Compare a cell of a JSON column in CSV with the value."""
    if value is None or isinstance(value, str):
        return cell == value
    return cell is not None and json.loads(cell) == value


def view(edge: Edge) -> list[dict[str, Any]]:
    """Read the view of parts past everything that reads it otherwise."""
    sql = text("SELECT * FROM ion_parts ORDER BY length(id), id")
    rows = edge.hub.database.read_now(lambda c: c.execute(sql).mappings().all())
    return [dict(row) for row in rows]


def cell_of_view(kind: str, cell: Any) -> Any:
    if cell is None:
        return None
    if kind == "boolean":
        assert cell in (0, 1)
        return bool(cell)
    if kind == "json":
        return json.loads(cell)
    return clock.format_rfc3339(cell) if isinstance(cell, datetime) else cell


def same(one: Any, other: Any) -> bool:
    """Compare; SQLite itself may miss the last binary digit of a number when it reads it."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-15, abs_tol=2.3e-308)
    return type(one) is type(other) and one == other


def test_every_display_shows_the_same_of_every_value(shown: Edge) -> None:
    keep(
        shown,
        *({"id": n, FIELDS[kind][0]: value} for n, (kind, value, _) in enumerate(CASES, start=1)),
    )

    in_view = view(shown)
    in_csv = read_csv(exported(shown, "format=csv").decode())
    in_json = [json.loads(line) for line in exported(shown, "format=jsonl").splitlines()]
    in_parquet = parquet.read_table(io.BytesIO(exported(shown, "format=parquet"))).to_pylist()
    listed = {one["id"]: one for one in shown.get("/objects/parts?limit=1000")["items"]}

    assert [len(CASES)] * 4 == [len(in_view), len(in_csv), len(in_json), len(in_parquet)]
    for n, (kind, value, expected) in enumerate(CASES):
        field, column = FIELDS[kind]
        case = (kind, value)
        assert (case, True) == (case, same(expected, cell_of_view(kind, in_view[n][column])))
        if kind == "json":
            assert (case, True) == (case, same_json(in_csv[n][column], expected))
        else:
            assert (case, expected) == (case, of_csv(kind, in_csv[n][column]))
        assert (case, expected) == (case, in_json[n][column])
        cell = in_parquet[n][column]
        cell = clock.format_rfc3339(cell) if isinstance(cell, datetime) else cell
        assert (case, expected) == (
            case,
            json.loads(cell) if kind == "json" and cell is not None else cell,
        )
        one = listed[str(n + 1)]
        assert (case, value) == (case, one["fields"][field])
        invalid = [field] if expected is None else []
        assert (case, invalid) == (case, one["invalid_fields"])
        raw = {field: value} if invalid else None
        assert (case, raw) == (case, cell_of_view("json", in_view[n]["mirror_invalid_values"]))
        assert (case, raw) == (case, in_json[n]["mirror_invalid_values"])


@pytest.mark.parametrize("kind", [kind for kind in FIELDS if kind != "json"])
def test_filters_and_order_take_what_does_not_fit_for_null(shown: Edge, kind: str) -> None:
    field = FIELDS[kind][0]
    cases = [
        (value, expected) for case, value, expected in CASES if case == kind and value != -(2**63)
    ]
    keep(shown, *({"id": n, field: value} for n, (value, _) in enumerate(cases, start=1)))

    def ids(wanted: Any, sort: str = "id") -> list[str]:
        answer = shown.api(
            "GET",
            f"/objects/parts?limit=1000&sort={sort}&filter={quote(json.dumps({field: wanted}))}",
        )
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json()["items"]]

    absent = [str(n) for n, (_, expected) in enumerate(cases, start=1) if expected is None]
    assert absent == ids({"isnull": True})
    for n, (_, expected) in enumerate(cases, start=1):
        if (
            expected is not None and expected == expected.strip()
            if isinstance(expected, str)
            else expected is not None
        ):
            assert str(n) in ids({"eq": expected}), (kind, expected)
            assert not set(absent) & set(ids({"neq": expected}))
    in_order = ids({"isnull": False}, sort=field)
    keys = [cases[int(id_) - 1][1] for id_ in in_order]
    if kind == "id":
        keys = [int(key) for key in keys]
    assert sorted(keys, key=lambda key: key.lower() if isinstance(key, str) else key) == keys
    first = [str(n) for n, (_, expected) in enumerate(cases, start=1) if expected in (None, "")]
    assert first == sorted(ids({}, sort=field)[: len(first)], key=int)
    table = shown.api("GET", f"/objects/parts?limit=7&sort=-{field}").json()
    seen = [one["id"] for one in table["items"]]
    while table["next"]:
        table = shown.api(
            "GET", f"/objects/parts?limit=7&sort=-{field}&cursor={table['next']}"
        ).json()
        seen += [one["id"] for one in table["items"]]
    assert sorted(seen, key=int) == [str(n) for n in range(1, len(cases) + 1)]


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(
        st.fixed_dictionaries({field: VALUES for field, _ in FIELDS.values()}),
        min_size=1,
        max_size=5,
    )
)
@example([{field: "12 weeks" for field, _ in FIELDS.values()}])
def test_views_and_exports_agree_with_documents_of_any_content(
    shown: Edge, docs: list[dict[str, Any]]
) -> None:
    kept = [{"id": n, **doc} for n, doc in enumerate(docs, start=1)]
    keep(shown, *kept)

    in_view = view(shown)
    in_csv = read_csv(exported(shown, "format=csv").decode())
    in_json = [json.loads(line) for line in exported(shown, "format=jsonl").splitlines()]
    in_parquet = parquet.read_table(io.BytesIO(exported(shown, "format=parquet"))).to_pylist()
    listed = {one["id"]: one for one in shown.get("/objects/parts?limit=1000")["items"]}
    parts = shown.hub.catalog.resources["parts"]
    comparison = sql_views.Comparison(shown.hub.catalog, parts)
    seen = shown.hub.database.read_now(comparison.read, 1, [str(doc["id"]) for doc in kept])

    assert [{}] * len(kept) == [comparison.differing(doc, seen[str(doc["id"])]) for doc in kept]
    for n, doc in enumerate(kept):
        raw = in_json[n]["mirror_invalid_values"] or {}
        assert doc == listed[str(n + 1)]["fields"]
        assert sorted(raw) == listed[str(n + 1)]["invalid_fields"]
        for kind, (field, column) in FIELDS.items():
            cell = in_json[n][column]
            assert same(cell, cell_of_view(kind, in_view[n][column]))
            text_ = in_csv[n][column]
            assert same_json(text_, cell) if kind == "json" else of_csv(kind, text_) == cell
            binary = in_parquet[n][column]
            binary = clock.format_rfc3339(binary) if isinstance(binary, datetime) else binary
            assert cell == (json.loads(binary) if kind == "json" and binary is not None else binary)
            if cell is None:
                assert doc[field] is None or raw[field] == doc[field]
            elif kind == "time":
                assert datetime.fromisoformat(cell) == _as_utc(doc[field])
            elif kind == "id":
                assert cell == str(doc[field])
            else:
                assert cell == doc[field]


def _as_utc(written: str) -> datetime:
    moment = datetime.fromisoformat(written)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def test_a_value_that_does_not_fit_is_reported_until_it_is_corrected(shown: Edge) -> None:
    keep(
        shown,
        {"id": 5, "leadTime": "12 weeks"},
        {"id": 17, "leadTime": "soon"},
        {"id": 6, "leadTime": 3},
    )

    (found,) = shown.get("/integrations/plant/findings?open=true")["items"]
    assert ("invalid_value", "parts.leadTime") == (found["kind"], found["subject"])
    assert (
        "2 of parts have a leadTime that is not a whole number, such as parts 5" in found["message"]
    )
    assert "'12 weeks'" in found["message"]
    assert "ultraviolet object show parts 5" in found["next_step"]
    causes = shown.get("/integrations/plant/freshness")["findings"]
    assert ["warning"] == [one["severity"] for one in causes if one["kind"] == "invalid_value"]

    keep(shown, {"id": 5, "leadTime": 12}, {"id": 6, "leadTime": 3})
    assert [] == shown.get("/integrations/plant/findings?open=true")["items"]


def test_an_index_of_a_field_holds_no_write_up(shown: Edge) -> None:
    keep(shown, {"id": 1, "leadTime": 1})
    parts = shown.hub.catalog.resources["parts"]
    names = [(field, kind) for kind, (field, _) in FIELDS.items()]

    def index(connection: Any) -> list[Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(field_indexes, "MIN_OBJECTS", 0)
            return field_indexes.missing_indexes(connection, 1, parts, names)

    made = shown.hub.database.read_now(index)
    assert len(FIELDS) == len(made)
    for one in made:
        shown.hub.database.write_now(
            lambda c, one=one: (
                c.exec_driver_sql(f"CREATE INDEX {one.name} {one.definition}".replace("%", "%%"))
                if c.dialect.name == "postgresql"
                else c.exec_driver_sql(f"CREATE INDEX {one.name} {one.definition}")
            )
        )
    test_every_display_shows_the_same_of_every_value(shown)
    test_filters_and_order_take_what_does_not_fit_for_null(shown, "time")
    for one in made:
        shown.hub.database.write_now(lambda c, one=one: c.exec_driver_sql(f"DROP INDEX {one.name}"))


def test_csv_for_spreadsheets_runs_no_formula(shown: Edge) -> None:
    cells = [
        "=1+1",
        "+1",
        "-1",
        "-1+cmd|' /C calc'!A0",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "plain",
        "",
        "'",
        "\u00a0=1",
    ]
    keep(shown, *({"id": n, "description": cell} for n, cell in enumerate(cells, start=1)))

    safe = exported(shown, "for_spreadsheets=true")
    assert safe.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(safe.decode("utf-8-sig"), newline="")))
    assert [
        "'=1+1",
        "'+1",
        "-1",
        "'-1+cmd|' /C calc'!A0",
        "'@SUM(1)",
        "'\t=1",
        "'\r=1",
        "plain",
        "",
        "'",
        "\u00a0=1",
    ] == [row["description"] for row in rows]
    raw = exported(shown, "format=csv")
    assert not raw.startswith(b"\xef\xbb\xbf")
    assert cells == [row["description"] or "" for row in read_csv(raw.decode())]
    assert (
        400
        <= shown.api("GET", "/exports/parts?format=jsonl&for_spreadsheets=true").status_code
        < 500
    )


def test_every_column_can_be_selected_without_quotes(shown: Edge) -> None:
    catalog = shown.hub.catalog

    def select(connection: Any) -> None:
        for resource in catalog.mirrored:
            for column in sql_views.columns(catalog, resource):
                name = column.name
                order = "" if column.type == "json" else f"ORDER BY {name}"
                sql = f"SELECT {name}, v.{name} FROM {sql_views.view_name(resource)} v WHERE {name} IS NULL {order}"
                connection.exec_driver_sql(sql)

    shown.hub.database.read_now(select)


def test_the_object_page_marks_what_does_not_fit(shown: Edge) -> None:
    keep(
        shown,
        {"id": 5, "leadTime": "12 weeks", "_created": "next tuesday", "exportControlled": "maybe"},
    )

    def link(connection: Any) -> str:
        user = users.create_user(connection, "test", "ada", "admin")
        return sessions.create_sign_in_link(connection, user.id)

    token = shown.hub.database.write_now(link)
    assert shown.send("POST", f"/sign-in/{token}").status_code == 303
    for path in (
        "/objects/parts/5",
        "/objects/parts?column=leadTime&column=_created&column=exportControlled",
    ):
        page = shown.send("GET", path)
        assert page.status_code == 200
        for value, kind in (
            ("12 weeks", "a whole number"),
            ("next tuesday", "a time"),
            ("maybe", "true or false"),
        ):
            assert value in page.text
            assert f"not {kind}" in page.text


def test_a_resource_is_looked_through_again_when_the_type_of_a_column_changes(shown: Edge) -> None:
    keep(shown, {"id": 5, "leadTime": "12 weeks"}, {"id": 6, "leadTime": 3})

    def work(connection: Any) -> None:
        connection.exec_driver_sql("UPDATE objects SET invalid_values = NULL")
        connection.exec_driver_sql("DELETE FROM settings WHERE name = 'views'")
        sql_views.create_views(connection, shown.hub.catalog)

    shown.hub.database.write_now(work)
    assert [None, 3] == [row["lead_time"] for row in view(shown)]


def test_a_delivery_with_values_that_do_not_fit_disables_no_other_row(shown: Edge) -> None:
    keep(shown, {"id": 6, "leadTime": 3, "cost": 1.5, "exportControlled": True, "_created": AT})
    minted = shown.api("POST", "/integrations/plant/webhook-urls", {"name": "delivery"}).json()
    shown.runner.run(shown.hub.ingest.refresh())
    changes = {
        "lead_time": "12 weeks",
        "cost": "1,234.50",
        "export_controlled": "maybe",
        "_created": "next tuesday",
        "_updated": "0000-00-00 00:00:00",
        "part_number": "P-5",
    }
    body = {
        "event_id": 1,
        "subscription_id": 1,
        "resource": "parts",
        "action": "CREATE",
        "id": 4001,
    }
    body |= {"changes": {name: {"old": None, "new": value} for name, value in changes.items()}}
    path = minted["url"].removeprefix("http://hub.test")
    assert shown.send("POST", path, json=body).is_success
    shown.hub.database.write_now(apply_events.apply_pending, shown.hub.catalog, 1)

    six, new = view(shown)
    names = ("lead_time", "cost", "export_controlled", "_created", "part_number")
    assert [None, None, None, None, "P-5"] == [new[name] for name in names]
    assert [3, 1.5, 1] == [six[name] for name in names[:3]]
    raw = {
        "leadTime": "12 weeks",
        "cost": "1,234.50",
        "exportControlled": "maybe",
        "_created": "next tuesday",
    }
    raw["_updated"] = "0000-00-00 00:00:00"
    assert raw == json.loads(new["mirror_invalid_values"])
    for as_format in ("csv", "jsonl", "parquet"):
        assert exported(shown, f"format={as_format}")
    one = shown.get("/objects/parts/4001")
    assert (sorted(raw), None) == (one["invalid_fields"], one["source_time"])
    found = shown.get("/integrations/plant/findings?open=true")["items"]
    assert {f"parts.{name}" for name in raw} <= {one["subject"] for one in found}
    keep(shown)
