"""`ultraviolet sql`: query the mirror with a statement, a script or a shell, here or on a server."""

import cmd
import marshal
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import output
from ultraviolet.cli.support.connection import (
    HubAddress,
    connect,
    naming_context,
    require_hub,
    resolve,
)
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.text import did_you_mean

if TYPE_CHECKING:
    from ultraviolet.db.user_sql.results import Column, ReadOnlyDatabase, Result, Row

HINT = "\\views lists the views, \\d VIEW its columns, \\q quits. The connection is read-only."
_COMMANDS = {"\\views", "\\d", "\\q", "EOF", "help", "?"}
VIEWS = "SELECT view, count(*) AS columns FROM view_columns GROUP BY view ORDER BY view"
COLUMNS = "SELECT name, type, comment FROM view_columns WHERE view = '{}' ORDER BY position"
MAX_SCRIPT_BYTES = 1_000_000
MAX_TABLE_ROWS = 10_000
MAX_REMOTE_SECONDS = 300
MAX_INTEGER = 2**63 - 1
_UNKNOWN = re.compile(
    r"""no\ such\ table:\ (?:main\.)?(?P<view>\w+)|no\ such\ column:\ "?(?P<column>[\w.]+)
    |relation\ "(?P<view2>[\w.]+)"\ does\ not\ exist
    |column\ "?(?P<column2>[\w.]+)"?\ does\ not\ exist""",
    re.VERBOSE,
)
"""The messages of SQLite and PostgreSQL for an unknown name."""
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z)|'(?:[^']|'')*(?:'|\Z)
    |"(?:[^"]|"")*(?:"|\Z)|\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)|[^\W\d][\w$]*|.""",
    re.VERBOSE | re.DOTALL,
)
"""Tokens of SQL: comments, strings, quoted names, words and single characters."""


Format = Literal["csv", "jsonl", "parquet"]


class Options(NamedTuple):
    """The output format of results."""

    as_json: bool = False
    as_format: Format | None = None


def sql(
    query: Annotated[
        str | None, typer.Argument(help="One statement; default: a script on stdin, or a shell.")
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
    as_format: Annotated[
        Format | None, typer.Option("--format", help="Write csv, jsonl or parquet to stdout.")
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=86_400,
            help="Time limit of a statement in seconds; at most 300 over the API.",
        ),
    ] = 300,
    url: Annotated[
        str | None, typer.Option(envvar="ULTRAVIOLET_URL", help="Address of a running hub.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="ULTRAVIOLET_KEY", help="API key for that hub.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="ULTRAVIOLET_DATA",
            help="Directory of a hub on this machine; default: the hub of the current context.",
        ),
    ] = None,
) -> None:
    """Query the mirror with SQL; each resource has a view, such as ion_purchase_orders.

    A view has the objects of all integrations: select or group by its column integration, their
    name. The connection is read-only. Columns of the same name are numbered: id, id_2.

    With --url or a context of a hub on another machine, statements run there. They read the views
    and the tables of the mirror, for at most 300 seconds.

    Examples: `ultraviolet sql`,
    `ultraviolet sql "SELECT integration, count(*) FROM ion_purchase_orders GROUP BY integration"`,
    `ultraviolet sql --format parquet "SELECT * FROM ion_parts" > parts.parquet`,
    `ultraviolet sql < report.sql`
    """
    address = resolve(url, key, data)
    with naming_context(address), closing(_open(address, timeout)) as database:
        shell = Shell(database, Options(as_json, as_format))
        if query is not None:
            shell.run_statement(query)
        elif sys.stdin.isatty():
            shell.cmdloop(f"{database.address}  {HINT}")
        else:
            shell.run_script(_read_script())


def _open(address: HubAddress, timeout: float) -> "ReadOnlyDatabase":
    """Open the database on this machine, else the one of a hub over its API."""
    if address.url is None:
        from ultraviolet.db.user_sql.opening import open_read_only

        at = os.environ.get("ULTRAVIOLET_DATABASE_URL") or f"sqlite:///{address.data / 'hub.db'}"
        try:
            return open_read_only(at, timeout)
        except NotFoundError:
            require_hub(address.data)
            raise
    if timeout > MAX_REMOTE_SECONDS:
        raise InvalidError(f"--timeout is at most {MAX_REMOTE_SECONDS} over the API.")
    from ultraviolet.cli.support.remote_sql import RemoteDatabase

    return RemoteDatabase(connect(address), address.url, timeout)


def _read_script() -> str:
    content = sys.stdin.buffer.read(MAX_SCRIPT_BYTES + 1)
    if len(content) > MAX_SCRIPT_BYTES:
        raise InvalidError(
            f"The script on stdin is larger than {MAX_SCRIPT_BYTES:,} bytes; nothing was run."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidError(
            f"The script on stdin is not UTF-8 ({error}); nothing was run."
        ) from error


def split(text: str) -> tuple[list[str], str]:
    """Return the statements that end with a semicolon, and the rest."""
    statements: list[str] = []
    start = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            statements.append(text[start : token.start()])
            start = token.end()
    return statements, text[start:]


def _is_blank(text: str) -> bool:
    return all(
        token[0].isspace() or token[0].startswith(("--", "/*")) for token in _TOKEN.finditer(text)
    )


class Shell(cmd.Cmd):
    """An SQL shell: runs each statement at its semicolon and prints the result."""

    prompt = "ultraviolet> "

    def __init__(self, database: "ReadOnlyDatabase", options: Options) -> None:
        """Use this database and output format."""
        super().__init__()
        self._database = database
        self._options = options
        self._pending = ""

    def onecmd(self, line: str) -> bool:
        """Run an interactive line; return whether it ends the shell."""
        try:
            return self.read(line)
        except InvalidError as error:
            typer.echo(escape_controls(str(error)), err=True)
            return False

    def run_script(self, script: str) -> None:
        """Run the statements of a script in order. Raise SqlError with the line of a failure."""
        from ultraviolet.db.user_sql.results import SqlError

        first_line = 1
        for number, line in enumerate([*script.splitlines(), None], start=1):
            try:
                if self.read(line):
                    return
            except InvalidError as error:
                raise SqlError(f"Line {first_line}: {error}") from error
            if not self._pending:
                first_line = number + 1

    def read(self, line: str | None) -> bool:
        """Run a shell command or the statements that end in this line; None ends the input.

        Return whether the shell ends.
        """
        if line is None:
            line, self._pending = self._pending, ""
            if not _is_blank(line):
                self.run_statement(line)
            return True
        word, _, rest = line.strip().partition(" ")
        if not self._pending and (not word or word in _COMMANDS):
            if word == "\\views":
                self.run_statement(VIEWS)
            elif word == "\\d":
                self.run_statement(COLUMNS.format(rest.strip().rstrip(";").replace("'", "")))
            elif word in {"help", "?"}:
                typer.echo(HINT, err=True)
            return word in {"\\q", "EOF"}
        self._pending = f"{self._pending}\n{line}" if self._pending else line
        if ";" not in line:
            return False
        statements, rest = split(self._pending)
        self._pending = "" if _is_blank(rest) else rest.lstrip("\n")
        for statement in statements:
            if not _is_blank(statement):
                self.run_statement(statement)
        return False

    def run_statement(self, statement: str) -> None:
        """Run one statement and print its result. Raise SqlError if the database rejects it."""
        from ultraviolet.db.user_sql.results import SqlError

        try:
            with self._database.query(statement) as result:
                _write(result, self._options)
        except SqlError as error:
            hint = self._suggest_name(statement, str(error))
            raise SqlError(f"{str(error).rstrip('.')}.{hint}" if hint else str(error)) from error

    def _suggest_name(self, statement: str, message: str) -> str:
        """Return a hint with similar views or columns for a message about an unknown name."""
        found = _UNKNOWN.search(message)
        if found is None:
            return ""
        view, column = found["view"] or found["view2"], found["column"] or found["column2"]
        with self._database.query("SELECT view, name FROM view_columns") as result:
            known = [row for batch in result.batches for row in batch]
        words = {word.lower() for word in re.findall(r"\w+", statement)}
        names = {row[0] for row in known} if view else {row[1] for row in known if row[0] in words}
        name = (view or column).rpartition(".")[2]
        return did_you_mean(name, sorted(names))


def _write(result: "Result", options: Options) -> None:
    names = unique_names([column.name for column in result.columns])
    if options.as_format is not None:
        _write_format(names, result, options.as_format)
    elif options.as_json:
        output.write_json_list(
            _json_object(names, result.columns, row) for batch in result.batches for row in batch
        )
    else:
        from ultraviolet.db import representation

        documents = {n for n, column in enumerate(result.columns) if column.kind == "json"}
        rows: list[dict[str, Any]] = []
        for batch in result.batches:
            for row in batch:
                cells = list[Any](row)
                for n in documents:  # JSON strings without their quotes
                    if isinstance(cells[n], str):
                        cells[n] = representation.csv_text("json", cells[n])
                rows.append(dict(zip(names, cells, strict=True)))
            if len(rows) > MAX_TABLE_ROWS:
                del rows[MAX_TABLE_ROWS:]
                note = f"Only the first {MAX_TABLE_ROWS:,} rows are shown."
                typer.echo(f"{note} --format csv writes all rows.", err=True)
                break
        output.write_table(rows, {name: name for name in names}, keys=True)


def unique_names(names: Sequence[str]) -> list[str]:
    """Number repeated names, avoiding existing ones: id, id_2."""
    unique: list[str] = []
    taken = set(names)
    numbers: Counter[str] = Counter()
    for name in names:
        numbers[name] += 1
        new = name
        while numbers[name] > 1 and new in taken:
            new = f"{name}_{numbers[name]}"
            numbers[name] += new in taken
        taken.add(new)
        unique.append(new)
    return unique


def _write_format(names: list[str], result: "Result", as_format: Format) -> None:
    from ultraviolet.db import representation
    from ultraviolet.mirror import export

    if as_format == "csv":
        kinds = [column.kind or "text" for column in result.columns]
        output.write_bytes(representation.csv_line(names).encode())
        for batch in result.batches:
            lines = [
                representation.csv_line(
                    representation.csv_text(kind if isinstance(value, str) else "text", value)
                    for kind, value in zip(kinds, row, strict=True)
                )
                for row in batch
            ]
            output.write_bytes("".join(lines).encode("utf-8", "replace"))
    elif as_format == "jsonl":
        for batch in result.batches:
            objects = [_json_object(names, result.columns, row) for row in batch]
            output.write_bytes(b"".join(output.encode_json(item) + b"\n" for item in objects))
    else:
        with tempfile.TemporaryFile() as spool:
            kinds = _spool(result, spool)
            writer = export.make_writer("parquet", list(zip(names, kinds, strict=True)))
            spool.seek(0)
            while (batch := marshal.load(spool)) is not None:  # noqa: S302  written above
                rows = [tuple(map(_parquet_value, kinds, row)) for row in batch]
                output.write_bytes(writer.write(rows))
            output.write_bytes(writer.end())


_KINDS = {"int": "integer", "float": "real", "float int": "real", "bool": "boolean"}


def _spool(result: "Result", spool: Any) -> list[str]:
    """Write all rows to a file; return the kind of each column, else that of its values."""
    types_found: list[set[str]] = [set() for _ in result.columns]
    for batch in result.batches:
        for row in batch:
            for types, value in zip(types_found, row, strict=True):
                if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
                    types.add("str")
                elif value is not None:
                    types.add(type(value).__name__)
        marshal.dump([list(row) for row in batch], spool)
    marshal.dump(None, spool)
    return [
        column.kind or _KINDS.get(" ".join(sorted(types)), "text")
        for column, types in zip(result.columns, types_found, strict=True)
    ]


def _parquet_value(kind: str, value: Any) -> Any:
    """Return a value for a Parquet column; a time outside its range is null."""
    from ultraviolet.db import representation

    if kind in {"text", "json"}:
        return representation.csv_text("text", value)
    return representation.cell("time", value) if kind == "time" else value


def _json_object(names: Sequence[str], columns: Sequence["Column"], row: "Row") -> dict[str, Any]:
    from ultraviolet.db import representation

    return {
        name: representation.json_value(
            column.kind if isinstance(value, str) and column.kind else "text", value
        )
        for name, column, value in zip(names, columns, row, strict=True)
    }
