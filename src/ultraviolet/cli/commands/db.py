"""`ultraviolet db …`: the database itself, without a running hub in between."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ultraviolet.cli.support import output
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import DATA
from ultraviolet.errors import ConflictError, NotFoundError, UltravioletError
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
    """The database is not as it should be; see the findings above, and restore a backup if the file is damaged."""

    kind = "damaged"
    exit_code = 10


@app.command()
def upgrade(*, data: Data = DATA) -> None:
    """Bring the tables to the form this release works with; safe while an older process still runs.

    Example: `ultraviolet db upgrade --data /var/lib/ultraviolet`
    """
    with _opened(_url(data)):
        typer.echo("The tables are up to date.", err=True)


@app.command()
@returns("[ultraviolet.db.integrity:IntegrityFinding]")
def check(*, data: Data = DATA, as_json: AsJson = False) -> None:
    """Look whether the database is whole; exit code 10 where it is not. Nothing is changed.

    Examples: `ultraviolet db check`, `ultraviolet db check --json`
    """
    from ultraviolet.db.dialect import begin_read
    from ultraviolet.db.engine import make_engine
    from ultraviolet.db.integrity import check_integrity as look
    from ultraviolet.db.open_errors import explain_errors

    engine = make_engine(_existing(_url(data)))
    try:
        with explain_errors(engine.url.render_as_string()), engine.connect() as connection:
            begin_read(connection)
            findings = look(connection)
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
def backup(file: Path, *, data: Data = DATA, as_json: AsJson = False) -> None:
    """Write one moment of the hub into a file, while it runs; the file is an SQLite database, from either database.

    The secret key is not in it: keep DATA/secret.key, or ULTRAVIOLET_SECRET_KEY, in another safe place.

    Example: `ultraviolet db backup hub-2026-11-24.db`
    """
    if file.exists():
        raise ConflictError(f"{file} exists already; give another name.")
    # Under its name only once it is whole: what a failure or a kill leaves would look like the backup of an empty hub.
    part = file.absolute().with_name(f"{file.name}.part")
    source = _existing(_url(data))
    _remove(part)
    part.parent.mkdir(parents=True, exist_ok=True)
    create_private(part)
    try:
        moved = _move(source, f"sqlite:///{part}")
        _be_whole(part)
        part.replace(file)
    finally:
        _remove(part)
    _tell(moved, as_json=as_json)


@app.command()
@returns("ultraviolet.db.transfer:TransferResult")
def restore(file: Path, *, data: Data = DATA, as_json: AsJson = False) -> None:
    """Bring a backup into an empty database; then start the hub with the secret key it was set up with.

    Example: `ultraviolet db restore hub-2026-11-24.db --data /var/lib/ultraviolet`
    """
    from ultraviolet.db.database import Database
    from ultraviolet.hub.health import restore_detection

    moved = _move(_existing(f"sqlite:///{file.absolute()}"), _url(data))
    database = Database.open(_url(data))
    database.write_now(restore_detection.ask)
    database.close()
    _tell(moved, as_json=as_json)


@app.command()
@returns("ultraviolet.db.transfer:TransferResult")
def copy(to: str, *, data: Data = DATA, as_json: AsJson = False) -> None:
    """Move the hub to another database, such as postgresql://user@host/ultraviolet.

    The hub may run and take deliveries meanwhile. Then start a hub on the new database, let deliveries go there, and
    run this once more: it brings the events that the old one still took. What else changed since is read from ION.

    Example: `ultraviolet db copy postgresql://user@host/ultraviolet`
    """
    _tell(_move(_existing(_url(data)), to, go_on=True), as_json=as_json)


def _move(source: str, target: str, *, go_on: bool = False) -> "TransferResult":
    from sqlalchemy.exc import OperationalError

    from ultraviolet.db.database import StoreUnavailableError
    from ultraviolet.db.transfer import transfer

    try:
        with _opened(source) as reading, _opened(target) as writing:
            return transfer(reading, writing, go_on=go_on)
    except OperationalError as error:
        raise StoreUnavailableError(f"It was not copied, nothing was kept: {error.orig}") from error


@contextmanager
def _opened(url: str) -> "Generator[Engine]":
    from ultraviolet.db.database import Database

    database = Database.open(url)
    try:
        yield database.writing
    finally:
        database.close()


def _be_whole(file: Path) -> None:
    """Make sure that a closed database is one file; SQLite says nothing where what it had beside it did not fit into it."""
    from ultraviolet.db.database import StoreUnavailableError

    if file.with_name(f"{file.name}-wal").exists():
        raise StoreUnavailableError(
            "It was not copied, nothing was kept: the file could not be completed"
        )


def _remove(file: Path) -> None:
    """Remove an SQLite database and the files beside it."""
    for ending in ("", "-wal", "-shm"):
        file.with_name(file.name + ending).unlink(missing_ok=True)


def _tell(moved: "TransferResult", *, as_json: bool) -> None:
    if as_json:
        output.write_json(msgspec.to_builtins(moved))
    else:
        rows = [
            {"table": name, "rows": rows}
            for name, rows in moved.rows.items()
            if rows or not moved.whole
        ]
        output.write_table(rows, {"table": "table", "rows": "rows"})


def _url(data: Path) -> str:
    return os.environ.get("ULTRAVIOLET_DATABASE_URL") or f"sqlite:///{(data / 'hub.db').absolute()}"


def _existing(url: str) -> str:
    """Refuse to make an empty database where one was meant."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        raise NotFoundError(f"There is no database at {path}; say where the hub is with --data.")
    return url
