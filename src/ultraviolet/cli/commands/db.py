"""`ultraviolet db`: work on the database directly, without a running hub."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ultraviolet.cli.support import output
from ultraviolet.cli.support.connection import DATA, require_hub
from ultraviolet.cli.support.export_file import Force, check_new
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.errors import NotFoundError, UltravioletError
from ultraviolet.files import create_private

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ultraviolet.db.transfer import TransferResult

app = typer.Typer(
    no_args_is_help=True, help="The database: upgrade, check, back up, restore, copy."
)

Data = Annotated[Path, typer.Option(envvar="ULTRAVIOLET_DATA", help="Directory of the hub.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class DatabaseDamagedError(UltravioletError):
    """The check found problems; see above. If the file is damaged, restore a backup."""

    kind = "damaged"
    exit_code = 10


@app.command()
def upgrade(*, data: Data = DATA) -> None:
    """Migrate the tables to this release; safe while an older process still runs.

    Example: `ultraviolet db upgrade --data /var/lib/ultraviolet`
    """
    require_hub(data)
    with _opened(_url(data)):
        typer.echo("The tables are up to date.", err=True)


@app.command()
@returns("[ultraviolet.db.integrity:IntegrityFinding]")
def check(*, data: Data = DATA, as_json: AsJson = False) -> None:
    """Check the integrity of the database; exit code 10 if it is damaged. Changes nothing.

    Examples: `ultraviolet db check`, `ultraviolet db check --json`
    """
    from ultraviolet.db.dialect import begin_read
    from ultraviolet.db.driver_errors import explain_errors
    from ultraviolet.db.engine import make_engine
    from ultraviolet.db.integrity import check_integrity

    engine = make_engine(_source(data))
    try:
        with explain_errors(engine.url.render_as_string()), engine.connect() as connection:
            begin_read(connection)
            findings = check_integrity(connection)
    finally:
        engine.dispose()
    rows = [msgspec.to_builtins(finding) for finding in findings]
    if as_json:
        output.write_json(rows)
    else:
        output.write_table(
            [{**row, "mark": "✓" if row["well"] else "✗"} for row in rows],
            {"": "mark", "what": "what", "finding": "detail"},
        )
    if not all(finding.well for finding in findings):
        raise DatabaseDamagedError


@app.command()
@returns("ultraviolet.db.transfer:TransferResult")
def backup(file: Path, *, force: Force = False, data: Data = DATA, as_json: AsJson = False) -> None:
    """Write a consistent copy of the database to an SQLite file; the hub may run.

    The file does not contain the secret key. Back up DATA/secret.key or ULTRAVIOLET_SECRET_KEY
    separately.

    Example: `ultraviolet db backup hub-2026-11-24.db`
    """
    from ultraviolet.db.database import StoreUnavailableError

    check_new(file, force=force)
    # Renamed only when complete: a partial file would look like the backup of an empty hub.
    part = file.absolute().with_name(f"{file.name}.part")
    source = _source(data)
    _remove(part)
    part.parent.mkdir(parents=True, exist_ok=True)
    create_private(part)
    try:
        result = _transfer(source, f"sqlite:///{part}")
        # SQLite reports no error if it could not write its WAL into the file on closing.
        if part.with_name(f"{part.name}-wal").exists():
            raise StoreUnavailableError("Nothing was copied: the file could not be completed.")
        part.replace(file)
    finally:
        _remove(part)
    _print(result, as_json=as_json)


@app.command()
@returns("ultraviolet.db.transfer:TransferResult")
def restore(file: Path, *, data: Data = DATA, as_json: AsJson = False) -> None:
    """Restore a backup into an empty database; then start the hub with its original secret key.

    Example: `ultraviolet db restore hub-2026-11-24.db --data /var/lib/ultraviolet`
    """
    from ultraviolet.db.database import Database
    from ultraviolet.hub.health import restore_detection

    result = _transfer(_existing(f"sqlite:///{file.absolute()}"), _url(data))
    database = Database.open(_url(data))
    database.write_now(restore_detection.request_restore_handling)
    database.close()
    _print(result, as_json=as_json)


@app.command()
@returns("ultraviolet.db.transfer:TransferResult")
def copy(to: str, *, data: Data = DATA, as_json: AsJson = False) -> None:
    """Copy the hub to another database, such as postgresql://user@host/ultraviolet.

    The hub may run meanwhile. Afterwards start a hub on the new database, direct deliveries to it,
    and run this command again: it copies the events that the old hub still received. The new hub
    reads all other changes from ION.

    Example: `ultraviolet db copy postgresql://user@host/ultraviolet`
    """
    _print(_transfer(_source(data), to, go_on=True), as_json=as_json)


def _transfer(source: str, target: str, *, go_on: bool = False) -> "TransferResult":
    from sqlalchemy.exc import OperationalError

    from ultraviolet.db.database import StoreUnavailableError
    from ultraviolet.db.transfer import transfer

    try:
        with _opened(source) as source_engine, _opened(target) as target_engine:
            return transfer(source_engine, target_engine, go_on=go_on)
    except OperationalError as error:
        raise StoreUnavailableError(f"Nothing was copied: {error.orig}") from error


@contextmanager
def _opened(url: str) -> "Generator[Engine]":
    from ultraviolet.db.database import Database

    database = Database.open(url)
    try:
        yield database.writing
    finally:
        database.close()


def _remove(file: Path) -> None:
    """Remove an SQLite database with its -wal and -shm files."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _print(result: "TransferResult", *, as_json: bool) -> None:
    if as_json:
        output.write_json(msgspec.to_builtins(result))
    else:
        rows = [
            {"table": name, "rows": rows}
            for name, rows in result.rows.items()
            if rows or not result.whole
        ]
        output.write_table(rows, {"table": "table", "rows": "rows"})


def _url(data: Path) -> str:
    return os.environ.get("ULTRAVIOLET_DATABASE_URL") or f"sqlite:///{(data / 'hub.db').absolute()}"


def _source(data: Path) -> str:
    """Return the URL of the hub's database. Raise HubUnreachableError or NotFoundError."""
    require_hub(data)
    return _existing(_url(data))


def _existing(url: str) -> str:
    """Return the URL; raise NotFoundError for a missing SQLite file instead of creating it."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        raise NotFoundError(f"No database at {path}. Check the path.")
    return url
