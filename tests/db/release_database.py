"""Create the databases of a release for tests of upgrades: `python -m tests.db.release_database`.

Run it on the commit of a release, and keep the files in `tests/db/releases`.
"""

import gzip
import json
import sqlite3
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tests import postgresql
from tests.conftest import make_start_hub, make_start_ion, wait_for
from typer.testing import CliRunner

import ultraviolet
from ultraviolet.cli.main import app

FOLDER = Path(__file__).parent / "releases"
SECRET_KEY = "the secret key of the release databases"
COMMANDS = (
    "object list suppliers --limit 1000 --columns id,name,_etag",
    "object list purchase_orders --limit 1000 --columns id,status,supplierId,supplier.name",
    "object list purchase_orders --state stale",
    "object history suppliers 1",
    "event list --limit 100",
    "webhook list",
    "integration list",
    "integration findings",
    "fetch list",
    "verify list",
    "drift",
    "alert list",
    "user list",
    'sql "SELECT id, name FROM ion_suppliers ORDER BY id"',
)
"""Commands whose output is the same before and after an upgrade."""
SUPPLIER = "query ($id: ID!) { supplier(id: $id) { _etag } }"
RENAME = "mutation ($i: UpdateSupplierInput!) { updateSupplier(input: $i) { supplier { id } } }"


def answers(data: Path, database_url: str) -> dict[str, Any]:
    """Return the JSON output of each command without a running hub."""
    environment = {
        "ULTRAVIOLET_DATA": str(data),
        "ULTRAVIOLET_DATABASE_URL": database_url,
        "ULTRAVIOLET_SECRET_KEY": SECRET_KEY,
    }
    return {command: _answer(command, environment) for command in COMMANDS}


def _answer(command: str, environment: Mapping[str, str]) -> Any:
    done = CliRunner().invoke(app, f"{command} --json", env=environment)
    if done.exit_code:
        raise RuntimeError(f"{command}: {done.output} {done.exception}")
    return json.loads(done.stdout)


def fill(data: Path, database_url: str) -> str:
    """Run a hub on an empty database until it contains one row of most kinds.

    Return the integration's secret, which the database contains encrypted.
    """
    with ExitStack() as stack:
        ion = make_start_ion(stack, lambda name: data / name)()
        hub = make_start_hub(stack, lambda _: data)(
            data=data, store_url=database_url, ULTRAVIOLET_SECRET_KEY=SECRET_KEY
        )
        plant = hub.connect(ion, full_schedule="0 0 1 1 *", incremental_schedule="0 0 1 1 *")
        hub.fetch(plant)
        etag = ion.execute(SUPPLIER, id="1")["supplier"]["_etag"]
        ion.execute(RENAME, i={"id": "1", "etag": etag, "name": "Bolts & Söhne"})
        history = "/objects/suppliers/1/history"
        wait_for(lambda: len(hub.api("GET", history)["items"]) > 1, 30, "the new name")
        wait_for(lambda: hub.at_rest(ion, plant), 60, "all changes")
        for command in (
            ["user", "add", "ada", "--role", "operator"],
            ["key", "create", "nightly"],
            ["alert", "add", "team", "--email", "team@example.com"],
            ["verify", "run"],
            ["integration", "pause", "plant"],
        ):
            done = hub.cli(*command)
            if done.returncode:
                raise RuntimeError(done.stderr)
        return ion.client_secret


def main() -> None:
    """Write both databases and the output of the commands."""
    server = postgresql.made()
    for name in ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            data.mkdir(mode=0o700)
            url = f"sqlite:///{data / 'hub.db'}" if name == "sqlite" else server.empty_database()
            secret = fill(data, url)
            expected = {"client_secret": secret, "answers": answers(data, url)}
            content = _copy(data / "hub.db") if name == "sqlite" else _dump(server, url)
        base = f"{ultraviolet.__version__}-{name}"
        _write(f"{base}.{'db' if name == 'sqlite' else 'sql'}.gz", content)
        _write(f"{base}.json.gz", json.dumps(expected, indent=1).encode())
    server.remove()


def _copy(database: Path) -> bytes:
    copy = database.with_name("copy.db")
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM INTO ?", [str(copy)])
    return copy.read_bytes()


def _dump(server: postgresql.Postgresql, url: str) -> bytes:
    program = server.programs / "pg_dump"
    options = ["--no-owner", "--no-privileges", "--rows-per-insert=200", url]
    script = subprocess.run([program, *options], stdout=subprocess.PIPE, check=True).stdout
    # Lines that begin with a backslash are commands of psql.
    return b"".join(line for line in script.splitlines(keepends=True) if line[:1] != b"\\")


def _write(name: str, content: bytes) -> None:
    path = FOLDER / name
    path.write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main()
