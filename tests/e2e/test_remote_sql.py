"""`ultraviolet sql` and `POST /sql` against running hubs on both databases."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from pyarrow import parquet
from tests.cli.commands.test_sql import COMMON_ATTACKS, POSTGRESQL_ATTACKS, SQLITE_ATTACKS, contents
from tests.command_line import run_command
from tests.conftest import HubProcess, StartHub, make_start_hub, wait_for
from tests.e2e.test_client import NEW, Mirror

from ultraviolet.db.tables.metadata import metadata
from ultraviolet.db.user_sql.opening import open_read_only
from ultraviolet.db.user_sql.readable import TABLES
from ultraviolet.db.user_sql.results import SqlError

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n) SELECT n FROM n",
    "postgresql": "SELECT generate_series(1, 100000000000) AS n",
}
VALUES = [
    "SELECT * FROM ion_parts ORDER BY id",
    "SELECT 1 AS id, 'ü\"\n' AS id, NULL AS none, 0.1 AS cost, 9007199254740993 AS big, '' AS empty",
    "SELECT * FROM view_columns WHERE view = 'ion_parts' ORDER BY position",
    "SELECT p.id FROM ion_parts p JOIN integrations i ON i.name = p.integration",
    "SELECT id, doc, deleted_at FROM objects ORDER BY id",
    "SELECT id FROM ion_parts WHERE 1 = 0",
]
Http = Callable[..., httpx.Response]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubProcess]:
    """Return a hub with 1,200 parts, one of them deleted."""
    store_url = None
    if request.param == "postgresql":
        store_url = request.getfixturevalue("postgresql").new_database()
    with ExitStack() as stack:
        hub = make_start_hub(stack, tmp_path_factory.mktemp)(store_url=store_url)
        integration = hub.api("POST", "/integrations", {"name": "plant", **NEW})
        hub.api("POST", "/integrations/plant/pause")
        mirror = Mirror(hub)
        mirror.apply(integration["id"], *range(1, 1201), name="Größe, 1")
        mirror.database.close()
        yield hub


@pytest.fixture
def store(hub: HubProcess) -> str:
    return hub.store_url.partition(":")[0]


@pytest.fixture
def run(hub: HubProcess) -> Http:
    """Send a statement over HTTP."""

    def send(statement: str, **more: Any) -> httpx.Response:
        return httpx.post(
            f"{hub.url}/api/v1/sql",
            json={"statement": statement, **more},
            headers={"authorization": f"Bearer {hub.key}"},
            timeout=60,
        )

    return send


def sql(hub: HubProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `ultraviolet sql` over the API."""
    return run_command("sql", *arguments, ULTRAVIOLET_URL=hub.url, ULTRAVIOLET_KEY=hub.key)


@pytest.mark.parametrize("options", [(), ("--json",), ("--format", "csv"), ("--format", "jsonl")])
def test_results_equal_those_on_the_machine_of_the_hub(
    hub: HubProcess, options: tuple[str, ...]
) -> None:
    for statement in VALUES:
        here, there = hub.cli("sql", *options, statement), sql(hub, *options, statement)
        assert there.returncode == here.returncode == 0, there.stderr
        assert there.stdout == here.stdout, statement


def test_parquet_scripts_and_suggestions_work_over_the_api(hub: HubProcess, tmp_path: Path) -> None:
    file = tmp_path / "parts.parquet"
    command = [sys.executable, "-m", "ultraviolet", "sql", "--format", "parquet", VALUES[0]]
    environment = {**os.environ, "ULTRAVIOLET_URL": hub.url, "ULTRAVIOLET_KEY": hub.key}
    with file.open("wb") as output:
        subprocess.run(command, env=environment, stdout=output, check=True)
    assert parquet.read_table(file).num_rows == 1200
    script = "\\d ion_parts\nSELECT 1 AS one; SELECT missing_one;"
    done = subprocess.run(
        command[:4], env=environment, input=script, capture_output=True, text=True, check=False
    )
    assert "Part.partNumber" in done.stdout
    assert (done.returncode, "Line 2: The database reports" in done.stderr) == (2, True)
    assert "ion_parts" in sql(hub, "SELECT * FROM ion_partz").stderr


def test_other_tables_cannot_be_read(hub: HubProcess, run: Http, store: str) -> None:
    hidden = {name: [*table.columns.keys()] for name, table in metadata.tables.items()}
    hidden = {name: columns for name, columns in hidden.items() if name not in TABLES}
    assert {"api_keys", "users", "sessions", "webhook_urls", "audit_log"} < set(hidden)
    statements = ["SELECT client_secret FROM integrations", "SELECT * FROM integrations"]
    for table, columns in [*hidden.items(), ("integrations", ["client_secret"])]:
        none = f"(SELECT {', '.join(f'1 AS {column}' for column in columns)} WHERE 1 = 0) AS none"
        named = ", ".join(columns)
        statements += [
            f"SELECT {named} FROM {none} FULL JOIN {table} USING ({named})",
            f"SELECT * FROM {none} NATURAL/**/FULL JOIN {table}",
        ]
    for table in hidden:
        statements += [
            f"SELECT * FROM {table}",
            f"SELECT count(*) FROM {table}",
            f"SELECT EXISTS (SELECT 1 FROM {table})",
            f"WITH ion_parts AS (SELECT * FROM {table}) SELECT * FROM ion_parts",
            f"SELECT * FROM (SELECT * FROM {table}) AS ion_parts",
            f"SELECT x.* FROM objects o LEFT JOIN {table} x ON 1 = 1",
        ]
        if store == "postgresql":
            statements += [
                f"TABLE {table}",
                f"SELECT table_to_xml('{table}', true, true, '')",
                f"EXPLAIN ANALYZE SELECT * FROM {table}",
            ]
    if store == "postgresql":
        statements += [
            "SELECT schema_to_xml(current_schema()::name, true, true, '')",
            "SELECT rolpassword FROM pg_authid",
            "SELECT most_common_vals FROM pg_statistic",
            "SELECT * FROM search_texts",
        ]
    else:
        statements += ["SELECT * FROM search_index", "SELECT * FROM pragma_table_info('users')"]
    with closing(open_read_only(hub.store_url, 60, readable_only=True)) as database:
        for statement in statements:
            with pytest.raises(SqlError), database.query(statement) as result:
                pytest.fail(f"{statement}: {next(result.batches, None)}")
    for statement in statements[:4]:
        assert run(statement).status_code == 422


def test_statements_over_the_api_change_nothing(
    hub: HubProcess, run: Http, store: str, tmp_path: Path
) -> None:
    own = SQLITE_ATTACKS if store == "sqlite" else POSTGRESQL_ATTACKS
    before = contents(hub.store_url)
    done = []
    attacks = [*COMMON_ATTACKS, *own, "RESET ROLE", "SET ROLE NONE", "SHOW role; RESET ROLE"]
    attacks += ["EXPLAIN ANALYZE SELECT g INTO TEMP t FROM ion_parts g"]
    with closing(open_read_only(hub.store_url, 60, readable_only=True)) as database:
        for attack in attacks:
            statement = attack.format(file=tmp_path / "file") if "{file}" in attack else attack
            with suppress(SqlError), database.query(statement) as result:
                list(result.batches)
                done.append(statement)
    for attack in COMMON_ATTACKS[:3]:
        assert run(attack).status_code == 422
    after = contents(hub.store_url)
    assert done == []
    changing = {"settings", "controllers", "api_keys", "leases"}  # by the running hub
    assert {n: v for n, v in after.items() if n not in changing} == {
        n: v for n, v in before.items() if n not in changing
    }
    assert list(tmp_path.iterdir()) == []


def test_invalid_requests_are_explained(hub: HubProcess, run: Http) -> None:
    for body in [
        {"statement": "SELECT 1", "timeout_seconds": 301},
        {"statement": "SELECT 1", "timeout_seconds": 0},
        {"statement": "SELECT 1", "limit": 5},
        {"statement": ""},
        {"statement": "SELECT 1; SELECT 2"},
        {"statement": "SELECT 1 \0 AS x"},
        {"statement": "SELECT " + "1," * 50_001},
        {"statement": "SELECT missing FROM ion_parts"},
    ]:
        answer = run(**body)
        assert answer.status_code == 422, body
        assert answer.json()["detail"], body
    assert httpx.post(f"{hub.url}/api/v1/sql", json={"statement": "SELECT 1"}).status_code == 401


def test_time_and_memory_are_limited(run: Http, store: str) -> None:
    endless = ENDLESS[store].replace("SELECT n FROM", "SELECT count(*) FROM")
    if store == "postgresql":
        endless = "SELECT count(*) FROM generate_series(1, 100000000000) AS a"
    stopped = run(endless, timeout_seconds=0.3)
    assert stopped.status_code == 422
    assert "stopped after 0.3 s" in stopped.text
    large = {
        "sqlite": [
            "SELECT hex(randomblob(40000000)) || hex(randomblob(40000000))",
            (
                "WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 9000)"
                " SELECT length(r) FROM (SELECT randomblob(100000) AS r FROM n ORDER BY 1)"
            ),
        ],
        "postgresql": [
            "SELECT repeat('x', 300000000) FROM generate_series(1, 4)",
            "WITH a AS (SELECT 1), b AS NOT MATERIALIZED (TABLE a) SELECT * FROM b",
            (
                "SELECT count(*) FROM (SELECT repeat('x', 1000) || g AS r"
                " FROM generate_series(1, 9000000) g ORDER BY 1) t"
            ),
        ],
    }
    for statement in large[store]:
        refused = run(statement)
        assert refused.status_code == 422, (statement, refused.text[:200])


def test_third_statement_is_told_to_wait_and_a_lost_reader_makes_room(
    hub: HubProcess, run: Http, store: str
) -> None:
    url, body = f"{hub.url}/api/v1/sql", {"statement": ENDLESS[store], "timeout_seconds": 300}
    headers = {"authorization": f"Bearer {hub.key}"}
    with httpx.Client(headers=headers, timeout=60) as client, ExitStack() as running:
        readers = [
            running.enter_context(client.stream("POST", url, json=body)).iter_lines()
            for _ in range(2)
        ]
        for reader in readers:
            assert next(reader) == '{"columns":[{"name":"n","type":%s}]}' % (
                '"integer"' if store == "postgresql" else "null"
            )
        refused = run("SELECT 1")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        said = sql(hub, "SELECT 1")
        assert said.returncode == 6
        assert "Wait until one ends, or stop one with Ctrl-C" in said.stderr
    wait_for(lambda: run("SELECT 1").status_code == 200, 30, "room for a statement")


def test_many_requests_of_one_user_leave_room_for_a_second_user(
    hub: HubProcess, store: str
) -> None:
    """All statements run until all requests have a response; a third user finds no place."""
    url, body = f"{hub.url}/api/v1/sql", {"statement": ENDLESS[store], "timeout_seconds": 300}
    new = {"role": "viewer"}
    first, second, third = (
        hub.api("POST", "/api-keys", {"name": f"{store} {n}", **new})["token"] for n in range(3)
    )
    with httpx.Client(timeout=60) as client, ThreadPoolExecutor(12) as pool, ExitStack() as open_:

        def ask(key: str) -> tuple[int, str]:
            headers = {"authorization": f"Bearer {key}"}
            answer = open_.enter_context(client.stream("POST", url, json=body, headers=headers))
            is_error = answer.status_code != httpx.codes.OK
            return answer.status_code, answer.read().decode() if is_error else ""

        of_first = list(pool.map(ask, [first] * 12))
        of_others = [ask(second), ask(second), ask(third)]
    assert Counter(status for status, _ in of_first) == {200: 2, 429: 10}
    assert all("already running two SQL statements" in said for _, said in of_first if said)
    assert [status for status, _ in of_others] == [200, 429, 429]
    assert all("Other users are running" in said for _, said in of_others if said)

    def has_room() -> bool:
        headers = {"authorization": f"Bearer {third}"}
        answer = httpx.post(url, json={"statement": "SELECT 1"}, headers=headers, timeout=60)
        return answer.status_code == httpx.codes.OK

    wait_for(has_room, 30, "room for a statement")


def test_lost_client_and_killed_hub_end_their_statements(
    start_hub: StartHub, request: pytest.FixtureRequest, store: str
) -> None:
    """Also while the statement has no row yet, and on the server."""
    store_url = None
    if store == "postgresql":
        store_url = request.getfixturevalue("postgresql").new_database()
    hub = start_hub(store_url=store_url)
    endless = ENDLESS[store].replace("SELECT n FROM", "SELECT count(*) FROM")
    if store == "postgresql":
        endless = "SELECT count(*) FROM generate_series(1, 100000000000) AS a"
    command = [sys.executable, "-m", "ultraviolet", "sql", endless]
    environment = {**os.environ, "ULTRAVIOLET_URL": hub.url, "ULTRAVIOLET_KEY": hub.key}

    def running() -> bool:
        if store == "postgresql":
            with psycopg.connect(hub.store_url) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'ultraviolet sql'"
                    " AND datname = current_database()"
                )
                return found.fetchone() is not None
        return has_statement_process(hub)

    for process in (None, hub.child):
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as client:
            wait_for(running, 30, "the statement")
            if process is None:
                client.kill()
            else:
                process.kill()
            wait_for(lambda: not running(), 30, "the end of the statement")


def has_statement_process(hub: HubProcess) -> bool:
    """Return whether the process of a statement has the database file of a hub open."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # the process has ended
            if b"statement_process" in (folder / "cmdline").read_bytes():
                files = [str(file.readlink()) for file in (folder / "fd").iterdir()]
                if str(hub.data / "hub.db") in files:
                    return True
    return False


def test_viewer_may_run_statements(hub: HubProcess) -> None:
    key = hub.api("POST", "/api-keys", {"name": "reports", "role": "viewer"})["token"]
    done = run_command("sql", "SELECT 5 AS z", ULTRAVIOLET_URL=hub.url, ULTRAVIOLET_KEY=key)
    assert done.stdout.split() == ["z", "5"]


def test_result_that_ends_early_is_reported(hub: HubProcess, store: str) -> None:
    """SIGALRM ends the process of a statement that nobody reads to its end."""
    command = [sys.executable, "-m", "ultraviolet", "sql", "--format", "csv", ENDLESS[store]]
    environment = {**os.environ, "ULTRAVIOLET_URL": hub.url, "ULTRAVIOLET_KEY": hub.key}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"n\r\n"
        tasks = Path(f"/proc/{hub.child.process.pid}/task").glob("*/children")
        for child in " ".join(task.read_text() for task in tasks).split():
            os.kill(int(child), signal.SIGALRM)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 6, said
    assert b"before its last row" in said
