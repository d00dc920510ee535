"""Unsuitable databases and connection poolers are reported in one sentence with an exit code."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.conftest import StartHub, send, wait_for
from tests.pgbouncer import pooled
from tests.postgresql import Postgresql
from typer.testing import CliRunner

from ultraviolet.cli.main import app
from ultraviolet.db import engine as db_engine
from ultraviolet.db.database import Database
from ultraviolet.db.driver_errors import DatabaseSetupError, StoreUnavailableError
from ultraviolet.db.server_check import check_server
from ultraviolet.errors import UltravioletError

Refused = tuple[str, type[UltravioletError], str]


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def as_role(url: str, role: str) -> str:
    """Return the URL of the same database for another role."""
    return url.replace("//postgres:@", f"//{role}@")


def with_name(url: str, name: str) -> str:
    return url.replace(urlsplit(url).path, f"/{name}")


def role_without_create(server: Postgresql) -> Refused:
    url = server.empty_database()
    execute(url, "CREATE ROLE reader LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return (
        as_role(url, "reader"),
        DatabaseSetupError,
        "GRANT USAGE, CREATE ON SCHEMA public TO reader",
    )


def role_without_schema(server: Postgresql) -> Refused:
    url = server.empty_database()
    execute(url, "CREATE ROLE lost LOGIN", "ALTER ROLE lost SET search_path = nowhere")
    return as_role(url, "lost"), DatabaseSetupError, "ALTER ROLE lost SET search_path = public"


def role_without_tables(server: Postgresql) -> Refused:
    url = server.new_database()
    execute(url, "CREATE ROLE stranger LOGIN", "GRANT ALL ON SCHEMA public TO stranger")
    return as_role(url, "stranger"), DatabaseSetupError, "GRANT postgres TO stranger"


def role_in_another_schema(server: Postgresql) -> Refused:
    url = server.new_database()
    execute(url, "CREATE ROLE mover LOGIN SUPERUSER", "CREATE SCHEMA mover AUTHORIZATION mover")
    return as_role(url, "mover"), DatabaseSetupError, "ALTER ROLE mover SET search_path = public"


def unknown_role(server: Postgresql) -> Refused:
    return (
        as_role(server.empty_database(), "nobody_known"),
        DatabaseSetupError,
        "does not exist; create it",
    )


def unknown_database(server: Postgresql) -> Refused:
    return (
        with_name(server.empty_database(), "nowhere"),
        DatabaseSetupError,
        "does not exist; create it",
    )


def ascii_database(server: Postgresql) -> Refused:
    url = server.empty_database()
    execute(url, "CREATE DATABASE plain ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'")
    return (
        with_name(url, "plain"),
        DatabaseSetupError,
        "its encoding is SQL_ASCII, and a hub needs UTF8",
    )


def latin_database(server: Postgresql) -> Refused:
    url = server.empty_database()
    execute(url, "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    return (
        with_name(url, "latin"),
        DatabaseSetupError,
        "its encoding is LATIN1, and a hub needs UTF8",
    )


def read_only_database(server: Postgresql) -> Refused:
    url = server.empty_database()
    name = urlsplit(url).path[1:]
    execute(url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    return url, StoreUnavailableError, "the server accepts no writes: connect to the primary"


def unreachable_server(_server: Postgresql) -> Refused:
    return "postgresql://u@127.0.0.1:1/x", StoreUnavailableError, "check that the server runs"


def wrong_option(server: Postgresql) -> Refused:
    return (
        f"{server.empty_database()}&nonsense=1",
        DatabaseSetupError,
        "correct ULTRAVIOLET_DATABASE_URL",
    )


CASES = [
    role_without_create,
    role_without_schema,
    role_without_tables,
    role_in_another_schema,
    unknown_role,
    unknown_database,
    ascii_database,
    latin_database,
    read_only_database,
    unreachable_server,
    wrong_option,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_every_failure_is_one_sentence_with_next_step(
    case: Callable[[Postgresql], Refused], postgresql: Postgresql, tmp_path: Path
) -> None:
    url, kind, says = case(postgresql)
    environment = {"ULTRAVIOLET_DATABASE_URL": url, "ULTRAVIOLET_DATA": str(tmp_path)}

    for command in (["db", "upgrade"], ["event", "list"], ["integration", "list", "--json"]):
        done = CliRunner().invoke(app, command, env=environment)
        assert type(done.exception) is kind, (command, done.exception)
        assert says in str(done.exception), command
        assert "\n" not in str(done.exception)
    checks = json.loads(CliRunner().invoke(app, ["doctor", "--json"], env=environment).stdout)
    [found] = [check for check in checks if check["kind"] == "database"]
    assert found["severity"] == "error"
    assert says in found["message"]


def test_hub_is_refused_immediately(postgresql: Postgresql, tmp_path: Path) -> None:
    for case in (latin_database_again, unknown_role):
        url, _, says = case(postgresql)
        done = subprocess.run(
            [sys.executable, "-m", "ultraviolet", "serve", "--port", "0", "--data", str(tmp_path)],
            env={**os.environ, "ULTRAVIOLET_DATABASE_URL": url},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 2
        assert says in done.stderr
        assert done.stderr.count("\n") == 1, done.stderr


def latin_database_again(server: Postgresql) -> Refused:
    url = server.empty_database()
    execute(url, "CREATE DATABASE latin_again ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    return with_name(url, "latin_again"), DatabaseSetupError, "a hub needs UTF8"


@pytest.mark.parametrize("pool_size", ["1", "20"])
@pytest.mark.parametrize(
    "ignored", [{}, {"ignore_startup_parameters": "options"}], ids=["strict", "ignoring"]
)
def test_transaction_pooling_is_refused(
    postgresql: Postgresql, pgbouncer: str, pool_size: str, ignored: dict[str, str], tmp_path: Path
) -> None:
    url = postgresql.new_database()
    with pooled(pgbouncer, url, "transaction", default_pool_size=pool_size, **ignored) as through:
        environment = {"ULTRAVIOLET_DATABASE_URL": through, "ULTRAVIOLET_DATA": str(tmp_path)}
        done = CliRunner().invoke(app, ["integration", "list"], env=environment)
        assert isinstance(done.exception, DatabaseSetupError)
        assert (
            "use session pooling (pool_mode = session in PgBouncer) or a direct connection"
            in str(done.exception)
        )
        checks = json.loads(CliRunner().invoke(app, ["doctor", "--json"], env=environment).stdout)
        assert any("session pooling" in check["message"] for check in checks)
        # Reads work without a session.
        shown = CliRunner().invoke(app, ["sql", "SELECT 5 AS z"], env=environment)
        assert shown.stdout.split() == ["z", "5"]
    assert locks(url) == 0


def locks(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        ).fetchone()
    assert row
    return row[0]


def test_statement_pooling_is_refused(postgresql: Postgresql, pgbouncer: str) -> None:
    with (
        pooled(pgbouncer, postgresql.new_database(), "statement") as through,
        pytest.raises(DatabaseSetupError, match="session pooling") as refused,
    ):
        Database.open(through)
    assert "\n" not in str(refused.value)


def test_startup_option_refused_by_pooler_is_one_sentence(
    postgresql: Postgresql, pgbouncer: str
) -> None:
    with pooled(pgbouncer, postgresql.new_database(), "session") as through:
        url = f"{through}?options=-csearch_path%3Dpublic"
        with pytest.raises(
            DatabaseSetupError, match="remove `options` from ULTRAVIOLET_DATABASE_URL"
        ):
            check_server(db_engine.parse_url(url))


def test_hub_works_with_session_pooling(
    postgresql: Postgresql, pgbouncer: str, start_hub: StartHub
) -> None:
    url = postgresql.new_database()
    with pooled(pgbouncer, url, "session") as through:
        hub = start_hub(store_url=through)
        given: dict[str, Any] = {
            "name": "plant",
            "api_url": "http://127.0.0.1:9",
            "auth_url": "http://127.0.0.1:9",
        }
        hub.api("POST", "/integrations", {**given, "client_id": "x", "client_secret": "y"})
        wait_for(lambda: locks(url) >= 2, 30, "the lease of the integration")
        assert send("GET", f"{hub.url}/readyz")[0] == 200
        hub.child.stop()
        wait_for(lambda: locks(url) == 0, 30, "no lock without a process")


def test_session_settings_apply_through_pooler(postgresql: Postgresql, pgbouncer: str) -> None:
    with pooled(pgbouncer, postgresql.new_database(), "session") as through:
        engine = db_engine.make_engine(through)
        with engine.connect() as connection:
            shown = connection.exec_driver_sql(
                "SELECT current_setting('timezone'), current_setting('idle_in_transaction_session_timeout')"
            ).one()
        engine.dispose()
    assert tuple(shown) == ("UTC", "1min")


def test_server_without_postgresql_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"postgresql://u@127.0.0.1:{server.getsockname()[1]}/x?connect_timeout=2"
        with pytest.raises(StoreUnavailableError, match="could not be opened"):
            Database.open(url)
