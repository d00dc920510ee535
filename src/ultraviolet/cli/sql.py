"""`ultraviolet sql`: the hub's database to read, one query or a shell."""

import cmd
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ultraviolet.characters import visible
from ultraviolet.cli import output
from ultraviolet.cli.objects import Format
from ultraviolet.cli.session import DATA
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.near_misses import did_you_mean

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

HINT = "\\views lists the views, \\d VIEW its columns, \\q leaves. Nothing can be changed here."
VIEWS = "SELECT view, count(*) AS columns FROM view_columns GROUP BY view ORDER BY view"
_UNKNOWN = re.compile(
    r"""no\ such\ table:\ (?:main\.)?(?P<view>\w+)|no\ such\ column:\ "?(?P<column>[\w.]+)
    |relation\ "(?P<view2>[\w.]+)"\ does\ not\ exist|column\ "?(?P<column2>[\w.]+)"?\ does\ not\ exist""",
    re.VERBOSE,
)
"""What SQLite, then PostgreSQL, says of a name it does not know."""
COLUMNS = "SELECT name, type, comment FROM view_columns WHERE view = '{}' ORDER BY position"


class SqlError(InvalidError):
    """The database did not understand the query."""


def sql(
    query: Annotated[str | None, typer.Argument(help="One query; a shell if left out.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    as_format: Annotated[
        Format | None, typer.Option("--format", help="Write csv, jsonl or parquet to stdout.")
    ] = None,
    data: Annotated[Path, typer.Option(envvar="ULTRAVIOLET_DATA", help="Directory of the hub.")] = DATA,
) -> None:
    """Ask the mirror in SQL, while the hub runs: a view for each resource, such as ion_purchase_orders.

    Examples: `ultraviolet sql`, `ultraviolet sql "SELECT status, count(*) FROM ion_purchase_orders GROUP BY status"`,
    `ultraviolet sql --format parquet "SELECT * FROM ion_parts" > parts.parquet`
    """
    from ultraviolet.mirror.store import in_words

    engine = _engine(data)
    try:
        with in_words(engine), engine.connect() as connection:
            if query is None:
                Shell(connection).cmdloop(
                    f"{engine.url.render_as_string()}  {HINT}" if _interactive() else ""
                )
            elif as_format is not None:
                _export(connection, query, as_format)
            else:
                _show(*run(connection, query), as_json=as_json)
    finally:
        engine.dispose()


def _engine(data: Path) -> "Engine":
    """Open the database so that nothing can be written."""
    from sqlalchemy import create_engine

    from ultraviolet.mirror.dialect import address

    url = os.environ.get("ULTRAVIOLET_DATABASE_URL")
    if url and not url.startswith("sqlite"):
        return create_engine(address(url)).execution_options(postgresql_readonly=True)
    path = Path(url.removeprefix("sqlite:///")) if url else data / "hub.db"
    if not path.exists():
        raise NotFoundError(f"There is no database at {path}; say where the hub is with --data.")
    return create_engine(f"sqlite:///file:{path.absolute()}?mode=ro&uri=true")


def run(connection: "Connection", query: str) -> tuple[list[str], list[Sequence[Any]]]:
    """Run a query and give its columns and rows; raises SqlError with what the database says."""
    from sqlalchemy.exc import DBAPIError

    try:
        found = connection.exec_driver_sql(query.replace("%", "%%") if _formats(connection) else query)
        if not found.returns_rows:
            return [], []
        return list(found.keys()), [tuple(row) for row in found]
    except DBAPIError as error:
        connection.rollback()
        says = str(error.orig).strip()
        raise SqlError(f"The database says: {says}{_near(connection, query, says)}") from error


def _near(connection: "Connection", query: str, says: str) -> str:
    """Give the views or columns that may have been meant where the database knows no such one."""
    found = _UNKNOWN.search(says)
    if found is None:
        return ""
    view, column = found["view"] or found["view2"], found["column"] or found["column2"]
    known = connection.exec_driver_sql("SELECT view, name FROM view_columns").all()
    asked = {one.lower() for one in re.findall(r"\w+", query)}
    names = {row[0] for row in known} if view else {row[1] for row in known if row[0] in asked}
    name = (view or column).rpartition(".")[2]
    near = did_you_mean(name, sorted(names))
    return f".{near}" if near else ""


def _formats(connection: "Connection") -> bool:
    return connection.dialect.paramstyle in {"format", "pyformat"}


def _interactive() -> bool:
    return sys.stdin.isatty()


def _show(columns: list[str], rows: list[Sequence[Any]], *, as_json: bool = False) -> None:
    shown = [dict(zip(columns, row, strict=True)) for row in rows]
    if as_json:
        output.write_json(shown)
    else:
        output.write_table(shown, {name: name for name in columns})


def _export(connection: "Connection", query: str, as_format: Format) -> None:
    from ultraviolet.mirror import export

    columns, rows = run(connection, query)
    made = export.writer(as_format, [(name, _kind(row[n] for row in rows)) for n, name in enumerate(columns)])
    sys.stdout.buffer.write(made.write(rows) + made.end())
    sys.stdout.buffer.flush()


def _kind(values: Iterable[Any]) -> str:
    """Tell the type of a column by its values: SQLite has no other."""
    found = {type(value).__name__ for value in values if value is not None}
    kinds = {"int": "integer", "float": "real", "float int": "real", "bool": "boolean"}
    return kinds.get(" ".join(sorted(found)), "text")


class Shell(cmd.Cmd):
    """Reads a query up to its semicolon, shows what it gives, and goes on."""

    prompt = "ultraviolet> " if _interactive() else ""

    def __init__(self, connection: "Connection") -> None:
        """Ask this connection."""
        super().__init__()
        self._connection = connection
        self._begun = ""

    def onecmd(self, line: str) -> bool:
        """Take a line, a command or a part of a query; true ends the shell."""
        word, _, rest = line.strip().partition(" ")
        if word in {"\\q", "EOF"}:
            return True
        if word == "\\views":
            self._answer(VIEWS)
        elif word == "\\d":
            self._answer(COLUMNS.format(rest.strip().rstrip(";").replace("'", "")))
        elif word in {"help", "?"}:
            typer.echo(HINT, err=True)
        elif word:
            self._query(line)
        return False

    def _query(self, line: str) -> None:
        self._begun = f"{self._begun}\n{line}".strip()
        if self._begun.endswith(";"):
            query, self._begun = self._begun.rstrip(";"), ""
            self._answer(query)

    def _answer(self, query: str) -> None:
        try:
            _show(*run(self._connection, query))
        except SqlError as error:
            typer.echo(visible(str(error)), err=True)
        finally:
            self._connection.rollback()
