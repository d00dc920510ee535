"""`ultraviolet sql` on both databases."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import inspect, text
from tests.idle_hub import IdleHub, body, run
from typer.testing import CliRunner

from ultraviolet.cli.commands.sql import split, unique_names
from ultraviolet.cli.main import app
from ultraviolet.db import engine as db_engine
from ultraviolet.errors import UltravioletError
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub

Ask = Callable[..., Any]

VALUES = """INSERT INTO view_columns (view, position, name, type, field, comment) VALUES
  ('sample', 1, 'flag', 'boolean', '', ''), ('sample', 2, 'doc', 'json', '', ''),
  ('sample', 3, 'note', 'text', '', ''), ('sample', 4, 'at', 'time', '', ''),
  ('sample', 5, 'cost', 'real', '', ''),
  ('sample', 6, 'amount', 'integer', '', '')"""
SAMPLE = {
    "sqlite": """CREATE VIEW sample AS SELECT column1 AS flag, column2 AS doc, column3 AS note,
      column4 AS at, column5 AS cost, column6 AS amount FROM (VALUES
      (1, '{"a":[1,"ü"]}', '', '2026-11-24T05:00:00.500000+00:00', 0.1, 9007199254740993),
      (0, '"plain"', NULL, NULL, 1.0, -1), (NULL, NULL, 'a"b,c', NULL, 1e300, 0))""",
    "postgresql": """CREATE VIEW sample AS SELECT * FROM (VALUES
      (true, '{"a":[1,"ü"]}'::json, '', '2026-11-24 06:00:00.5+01'::timestamptz, 0.1::float8,
      9007199254740993::bigint),
      (false, '"plain"', NULL, NULL, 1.0, -1), (NULL, NULL, 'a"b,c', NULL, 1e300, 0))
      AS v(flag, doc, note, at, cost, amount)""",
}
SQLITE_ATTACKS = [
    "ATTACH '{file}' AS again",
    "ATTACH '{file}.new' AS other",
    "VACUUM INTO '{file}.copy'",
    "PRAGMA journal_mode=DELETE",
    "PRAGMA query_only=OFF",
    "PRAGMA writable_schema=ON",
    "PRAGMA user_version=7",
    "CREATE TEMP TABLE t (x)",
    "CREATE TEMP VIEW t AS SELECT 1",
    "SELECT load_extension('x')",
    "SELECT fts3_tokenizer('simple')",
    "INSERT INTO search_index(search_index) VALUES('optimize')",
    "REPLACE INTO settings VALUES ('x', 'y')",
    "SAVEPOINT x",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "EXPLAIN DELETE FROM settings",
    "WITH x AS (SELECT 1) DELETE FROM settings",
]
POSTGRESQL_ATTACKS = [
    "COMMIT; CREATE TABLE hacked (x int)",
    "SELECT 1; COMMIT; CREATE TABLE hacked (x int)",
    "SELECT 1) TO STDOUT; COMMIT; CREATE TABLE hacked (x int); --",
    "SELECT 1; DROP TABLE settings; --",
    "/* SELECT */ DROP TABLE settings",
    "/* a /* b */ SELECT 1; */ DROP TABLE settings",
    "SET TRANSACTION READ WRITE",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET SESSION AUTHORIZATION postgres",
    "RESET ALL",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT \"set_config\"('transaction_read_only', 'off', false)",
    "SELECT pg_catalog.SET_CONFIG('default_transaction_read_only', 'off', false)",
    "SELECT U&\"\\0073et_config\"('transaction_read_only', 'off', false)",
    "COPY settings TO PROGRAM 'touch {file}'",
    "COPY (SELECT 1) TO '{file}'",
    "DO $$ BEGIN EXECUTE 'CREATE TABLE hacked (x int)'; END $$",
    "CALL nothing()",
    "SELECT lo_create(4711)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_export(1, '{file}')",
    "SELECT nextval('users_id_seq')",
    "SELECT setval('users_id_seq', 100)",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_ls_dir('.')",
    "SELECT pg_advisory_lock(0, 0)",
    "SELECT pg_advisory_xact_lock(0, 0)",
    "SELECT pg_notify('ultraviolet', 'x')",
    "SELECT pg_reload_conf()",
    "SELECT pg_sleep(100)",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT pg_stat_reset()",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
    "SELECT * FROM settings FOR UPDATE",
    "SELECT * INTO hacked FROM settings",
    "WITH x AS (DELETE FROM settings RETURNING *) SELECT * FROM x",
    "WITH x AS (INSERT INTO settings VALUES ('x', 'y') RETURNING *) SELECT * FROM x",
    "EXPLAIN ANALYZE DELETE FROM settings",
    "EXPLAIN (ANALYZE) CREATE TABLE hacked AS SELECT 1",
    "LOCK TABLE settings",
    "NOTIFY ultraviolet",
    "LISTEN ultraviolet",
    "PREPARE x AS DELETE FROM settings",
    "EXECUTE x",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "BEGIN",
    "ROLLBACK",
    "SAVEPOINT x",
    "PREPARE TRANSACTION 'x'",
    "VACUUM",
    "ANALYZE",
    "CLUSTER",
    "REINDEX DATABASE postgres",
    "TRUNCATE settings CASCADE",
    "GRANT ALL ON settings TO PUBLIC",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "LOAD 'x'",
    "SECURITY LABEL ON TABLE settings IS 'x'",
    "CREATE TEMP TABLE hacked (x int)",
    "CHECKPOINT",
]
COMMON_ATTACKS = [
    "DELETE FROM settings",
    "UPDATE settings SET value = 'x'",
    "INSERT INTO settings VALUES ('x', 'y')",
    "INSERT INTO settings VALUES ('x', 'y') RETURNING *",
    "DROP TABLE settings",
    "DROP VIEW ion_parts",
    "CREATE TABLE hacked (x int)",
    "CREATE VIEW hacked AS SELECT 1",
    "CREATE INDEX hacked ON settings (value)",
    "ALTER TABLE settings ADD COLUMN hacked int",
    "BEGIN",
    "COMMIT",
    "",
    ";",
    "-- nothing",
    "SELECT 1; SELECT 2",
    "SELECT 1; DELETE FROM settings",
]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the database of a hub with content; the tests only read it."""
    data = tmp_path_factory.mktemp("hub")
    if request.param == "sqlite":
        address = f"sqlite:///{data / 'hub.db'}"
    else:
        address = request.getfixturevalue("postgresql").new_database()
    hub = Hub.open(Settings(data, address, "http://hub.test"))
    idle_hub = IdleHub(hub)
    run(idle_hub.deliver(*(body(number, name=f"Größe {number}") for number in range(20))))
    while idle_hub.apply_events():
        pass
    with hub.database.engine.begin() as connection:
        connection.execute(text(SAMPLE[request.param]))
        connection.execute(text(VALUES))
    hub.close()
    return address


@pytest.fixture
def ask(url: str) -> Ask:
    """Run `ultraviolet sql` in this process; return its output or raise its error."""

    def call(*arguments: str, typed: str | bytes = "") -> Any:
        done = CliRunner().invoke(
            app, ["sql", *arguments], input=typed, env={"ULTRAVIOLET_DATABASE_URL": url}
        )
        if done.exception:
            raise done.exception
        return done.stdout_bytes.decode()

    return call


def contents(url: str) -> dict[str, Any]:
    """Return all rows and the names of all objects of a database."""
    engine = db_engine.make_engine(url)
    with engine.connect() as connection:
        names = inspect(connection).get_table_names()
        found: dict[str, Any] = {
            name: sorted(map(repr, connection.execute(text(f"SELECT * FROM {name}"))))
            for name in names
        }
        found["views"] = sorted(inspect(connection).get_view_names())
        if url.startswith("postgresql"):
            found["large objects"] = connection.execute(
                text("SELECT count(*) FROM pg_largeobject_metadata")
            ).scalar()
            found["sequence"] = connection.execute(
                text("SELECT last_value, is_called FROM users_id_seq")
            ).one()
            found["locks"] = connection.execute(
                text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
            ).scalar()
        else:
            found["version"] = connection.execute(text("PRAGMA user_version")).scalar()
    engine.dispose()
    return found


def test_statements_change_nothing(ask: Ask, url: str, tmp_path: Path) -> None:
    own = SQLITE_ATTACKS if url.startswith("sqlite") else POSTGRESQL_ATTACKS
    before = contents(url)
    done: list[str] = []

    for attack in [*COMMON_ATTACKS, *own]:
        statement = attack.format(file=tmp_path / "file") if "{file}" in attack else attack
        try:
            ask("--json", "--", statement)
            done.append(statement)
        except UltravioletError:
            pass

    assert done == []
    assert contents(url) == before
    assert list(tmp_path.iterdir()) == []


def test_write_is_rejected_in_one_line(ask: Ask) -> None:
    for statement in ("DELETE FROM objects", "CREATE TABLE hacked (x int)", "DROP VIEW ion_parts"):
        with pytest.raises(
            UltravioletError, match=r"can only be read here\. Nothing was changed"
        ) as refused:
            ask(statement)
        assert refused.value.exit_code == 2


def test_reading_statements_run(ask: Ask, url: str) -> None:
    reads = [
        "SELECT count(*) FROM ion_parts",
        "  -- how many\n/* really */ SELECT count(*) FROM ion_parts;",
        (
            "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9)"
            " SELECT sum(x) FROM n"
        ),
        "VALUES (1, 'a;b')",
        "SELECT 'COMMIT; DROP TABLE settings' AS text",
        "SELECT id FROM objects ORDER BY random() LIMIT 1",
        "EXPLAIN SELECT 1",
    ]
    if url.startswith("sqlite"):
        reads += [
            "PRAGMA table_info(objects)",
            "SELECT count(*) FROM search_index WHERE search_index MATCH 'abc'",
        ]
    else:
        reads += [
            "TABLE settings",
            "SHOW server_version",
            "(SELECT 1)",
            "EXPLAIN (FORMAT JSON, ANALYZE) SELECT 1",
        ]
        reads += ["SELECT pg_total_relation_size('objects') > 0"]
    for statement in reads:
        assert json.loads(ask("--json", "--", statement)), statement


def test_both_databases_write_the_same_values_in_every_format(ask: Ask, tmp_path: Path) -> None:
    query = "SELECT * FROM sample ORDER BY cost"
    rows = [
        [True, {"a": [1, "ü"]}, "", "2026-11-24T05:00:00.500000+00:00", 0.1, 9007199254740993],
        [False, "plain", None, None, 1.0, -1],
        [None, None, 'a"b,c', None, 1e300, 0],
    ]
    names = ["flag", "doc", "note", "at", "cost", "amount"]
    objects = [dict(zip(names, row, strict=True)) for row in rows]
    assert json.loads(ask("--json", query)) == objects
    assert [json.loads(line) for line in ask("--format", "jsonl", query).splitlines()] == objects
    assert ask("--format", "csv", query) == (
        "flag,doc,note,at,cost,amount\r\n"
        'true,"{""a"":[1,""ü""]}","",2026-11-24T05:00:00.500000+00:00,0.1,9007199254740993\r\n'
        "false,plain,,,1.0,-1\r\n"
        ',,"a""b,c",,1e+300,0\r\n'
    )
    table = ask(query).splitlines()
    assert table[1].split() == [
        "yes",
        '{"a":[1,"ü"]}',
        "2026-11-24T05:00:00.500000+00:00",
        "0.1",
        "9007199254740993",
    ]
    assert table[2].split()[:2] == ["no", "plain"]


def read_parquet(url: str, statement: str) -> Any:
    done = CliRunner().invoke(
        app, ["sql", "--format", "parquet", statement], env={"ULTRAVIOLET_DATABASE_URL": url}
    )
    if done.exception:
        raise done.exception
    return parquet.read_table(io.BytesIO(done.stdout_bytes))


def test_parquet_takes_its_types_from_the_result(url: str) -> None:
    whole = read_parquet(url, "SELECT * FROM sample ORDER BY cost")
    assert str(whole.schema.field("flag").type) == "bool"
    assert whole["flag"].to_pylist() == [True, False, None]
    assert whole["doc"].to_pylist() == ['{"a":[1,"ü"]}', '"plain"', None]
    assert whole["amount"].to_pylist() == [9007199254740993, -1, 0]
    assert whole["note"].to_pylist() == ["", None, 'a"b,c']
    parts = read_parquet(url, "SELECT * FROM ion_parts")
    assert {"id", "part_number", "mirror_version"} <= {*parts.column_names}
    counted = read_parquet(
        url,
        "SELECT count(*) AS n, sum(amount) AS s, avg(cost) AS a, NULL AS none FROM sample"
        " WHERE cost < 2",
    )
    assert [str(field.type) for field in counted.schema][:3] == ["int64", "int64", "double"]
    assert read_parquet(url, "SELECT id AS i FROM objects WHERE 1 = 0").num_rows == 0


def test_columns_of_mixed_types_are_text(ask: Ask, url: str) -> None:
    if url.startswith("postgresql"):
        mixed, shown = "SELECT 1 AS x UNION ALL SELECT 2", [1, 2]
    else:
        mixed, shown = (
            "SELECT 1 AS x UNION ALL SELECT 'two' UNION ALL SELECT 0.5",
            ["1", "two", "0.5"],
        )
    assert sorted(map(str, read_parquet(url, mixed)["x"].to_pylist())) == sorted(map(str, shown))
    assert "x\r\n1\r\n" in ask("--format", "csv", mixed)


def test_bytes_and_numbers_of_any_size_are_written(ask: Ask, url: str) -> None:
    content = "x'00ff'" if url.startswith("sqlite") else "'\\x00ff'::bytea"
    assert ask("--format", "csv", f"SELECT {content} AS b") == "b\r\n00ff\r\n"
    assert json.loads(ask("--json", f"SELECT {content} AS b")) == [{"b": "00ff"}]
    if url.startswith("postgresql"):
        big = "SELECT 2::numeric ^ 200 AS n, 'NaN'::float8 AS f, 'infinity'::timestamptz AS t,"
        big += " ARRAY[1, 2] AS a"
        assert ask("--format", "csv", big).splitlines()[1].endswith(',nan,infinity,"[1,2]"')
        assert json.loads(ask("--json", big))[0]["a"] == [1, 2]
        assert read_parquet(url, big)["t"].to_pylist() == [None]


def test_columns_of_the_same_name_are_numbered(ask: Ask, url: str) -> None:
    query = "SELECT 1 AS id, 2 AS id, 3 AS id_2, 4 AS id"
    wanted = {"id": 1, "id_3": 2, "id_2": 3, "id_4": 4}
    assert json.loads(ask("--json", query)) == [wanted]
    assert ask("--format", "csv", query).splitlines() == ["id,id_3,id_2,id_4", "1,2,3,4"]
    assert read_parquet(url, query).to_pylist() == [wanted]
    assert ask(query).split() == ["id", "id_3", "id_2", "id_4", "1", "2", "3", "4"]
    assert unique_names(["id", "id"]) == ["id", "id_2"]


def test_percent_signs_and_dots_are_literal(ask: Ask) -> None:
    assert ask("--format", "csv", "SELECT 'a%b' AS \"x.y\"") == "x.y\r\na%b\r\n"
    assert "a%b" in ask("SELECT 'a%b' AS \"x.y\"")


def test_statement_on_stdin_is_run(ask: Ask) -> None:
    assert ask(typed="SELECT 5 AS z").split() == ["z", "5"]
    assert json.loads(ask("--json", typed="SELECT 5 AS z;")) == [{"z": 5}]
    assert ask("--format", "csv", typed="\ufeffSELECT 5\n  AS z -- ; no end") == "z\r\n5\r\n"
    assert ask(typed=" -- nothing\n") == ""


def test_statements_on_stdin_are_run_in_order(ask: Ask) -> None:
    script = "SELECT ';' AS a; SELECT 'it''s; -- 2' AS b;\n/* ; */ SELECT\n3 AS c;\n"
    script += "\\d ion_parts\nSELECT 4 AS d\n"
    found = ask(typed=script)
    places = [found.index(part) for part in (";", "it's; -- 2", "3", "Part.partNumber", "4")]
    assert places == sorted(places)


def test_script_stops_at_the_first_error_and_reports_its_line(ask: Ask) -> None:
    script = "SELECT 1 AS one;\n\nSELECT\n  missing_one;\nSELECT 3 AS three;\n"
    with pytest.raises(
        UltravioletError, match=r"^Line 3: The database reports: .*missing_one"
    ) as failed:
        ask(typed=script)
    assert failed.value.exit_code == 2
    with pytest.raises(UltravioletError, match=r"^Line 1: .*only be read here"):
        ask(typed="DELETE FROM settings")
    with pytest.raises(UltravioletError, match="not UTF-8"):
        ask(typed=b"SELECT '\xff'")
    with pytest.raises(UltravioletError, match="larger than"):
        ask(typed="SELECT 1;" * 200_000)


def test_split_handles_strings_comments_and_quoted_names() -> None:
    parts = ["SELECT ';'", ' "a;""b"', " $x$ ; $$ $x$", " E'\\'; '", " /* ; */ 1", " -- ;\n 2"]
    assert split(";".join(parts) + ";rest") == (parts, "rest")
    assert split("SELECT 'never ended; ") == ([], "SELECT 'never ended; ")


def test_time_limit_stops_a_statement(ask: Ask, url: str) -> None:
    endless = (
        "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    )
    if url.startswith("postgresql"):
        endless = "SELECT count(*) FROM generate_series(1, 100000000000) AS a"
    with pytest.raises(UltravioletError, match=r"stopped after 0\.2 s"):
        ask("--timeout", "0.2", endless)


def test_ctrl_c_stops_a_statement(url: str) -> None:
    numbers = "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n)"
    endless = f"{numbers} SELECT n FROM n WHERE n < 2000 OR n > 1e18"
    if url.startswith("postgresql"):
        endless = "SELECT generate_series(1, 100000000000) AS n"
    command = [sys.executable, "-m", "ultraviolet", "sql", "--format", "csv", endless]
    environment = {**os.environ, "ULTRAVIOLET_DATABASE_URL": url}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"n\r\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert said == b""


def test_unknown_name_gets_a_suggestion(ask: Ask) -> None:
    with pytest.raises(UltravioletError, match="ion_parts"):
        ask("SELECT * FROM ion_partz")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "100% #1?"
    Hub.open(Settings(folder, f"sqlite:///{folder / 'hub.db'}", "http://hub.test")).close()
    return folder


def test_directory_name_may_contain_any_characters(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ULTRAVIOLET_DATABASE_URL", raising=False)
    done = CliRunner().invoke(app, ["sql", "--data", str(private), "SELECT 5 AS z"])
    assert done.stdout.split() == ["z", "5"]


@pytest.mark.parametrize(
    ("address", "exit_code", "says"),
    [
        ("postgres://u@127.0.0.1:1/x", 6, "could not be opened"),
        ("postgresql://u@127.0.0.1:1/x", 6, "could not be opened"),
        ("mysql://u@127.0.0.1:1/x", 2, "is not supported"),
        ("sqlite:///nowhere/hub.db", 4, "database at"),
    ],
)
def test_unusable_database_is_reported_in_one_line(address: str, exit_code: int, says: str) -> None:
    done = CliRunner().invoke(app, ["sql", "SELECT 1"], env={"ULTRAVIOLET_DATABASE_URL": address})
    assert isinstance(done.exception, UltravioletError)
    assert (done.exception.exit_code, says in str(done.exception)) == (exit_code, True)


def test_csv_reads_back_with_the_same_fields(ask: Ask) -> None:
    query = "SELECT 'a,b' AS x, 'line\nbreak' AS y, '\"' AS z"
    assert list(csv.reader(io.StringIO(ask("--format", "csv", query), newline="")))[1] == [
        "a,b",
        "line\nbreak",
        '"',
    ]
