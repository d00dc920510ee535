"""The doctor's look at what the hub stands on: its directory, disk, database and secret key; no hub need run."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ultraviolet.cli.doctor.problems import CheckResult, failed, passed
from ultraviolet.errors import UltravioletError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ultraviolet.hub.core.settings import Settings

SCARCE = 1_000_000_000
"""Bytes free, below which the disk counts as nearly full."""


def look(data: Path) -> Iterator[CheckResult]:
    """Look at everything."""
    yield passed(
        "data", "programs", f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    )
    if not data.exists() and "ULTRAVIOLET_DATABASE_URL" not in os.environ:
        first = "The first `ultraviolet serve` makes it; or name another with --data."
        yield failed("data", "data", f"{data} does not exist", first, state="warning")
        return
    if data.exists() and not data.is_dir():
        yield failed("data", "data", f"{data} is a file")
        return
    if data.exists():
        yield from _directory(data)
    yield from _store(data)


def _directory(data: Path) -> Iterator[CheckResult]:
    if not os.access(data, os.W_OK):
        yield failed(
            "data", "data", f"{data} cannot be written by {os.environ.get('USER') or os.getuid()}"
        )
    free = shutil.disk_usage(data).free
    found = f"{free / 1e9:.1f} GB free"
    yield (
        passed("disk", "disk", found)
        if free > SCARCE
        else failed("disk", "disk", found, state="warning")
    )
    key = data / "secret.key"
    if key.exists() and (mode := key.stat().st_mode & 0o777) & 0o077:
        found = f"{key} can be read by others ({mode:o})"
        yield failed("secret-key", "secret key", found, f"chmod 600 {key}")


def _store(data: Path) -> Iterator[CheckResult]:
    from ultraviolet.db import dialect
    from ultraviolet.db import engine as db_engine
    from ultraviolet.db.open_errors import explain_errors
    from ultraviolet.hub.core.settings import Settings

    try:
        settings = Settings.from_environment(data=data, public_url="")
        url = settings.database_url
        file = Path(url.removeprefix("sqlite:///"))
        if url.startswith("sqlite") and not file.exists():
            return
        engine = db_engine.make_engine(url)
    except (UltravioletError, ValueError) as error:
        yield failed("database", "database", str(error))
        return
    try:
        if dialect.is_postgresql(engine):
            from ultraviolet.db.server_check import check_server

            check_server(engine.url)
        with explain_errors(engine.url.render_as_string()), engine.connect() as connection:
            yield from _tables(connection, settings)
    except UltravioletError as error:
        yield failed("database", "database", str(error))
    finally:
        engine.dispose()


def _tables(connection: "Connection", settings: "Settings") -> Iterator[CheckResult]:
    from ultraviolet.db import dialect
    from ultraviolet.db.integrity import check_revision

    if not dialect.is_postgresql(connection):
        verdict = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if verdict != "ok":
            yield failed("database", "database", verdict, "Stop the hub and restore a backup.")
            return
    tables = check_revision(connection)
    if not tables.well:
        yield failed(
            "database", "database", f"Tables of release {tables.detail}", "ultraviolet db upgrade"
        )
        return
    yield passed(
        "database",
        "database",
        f"{connection.dialect.name}, {dialect.database_bytes(connection) / 1e6:.0f} MB",
    )
    yield _secrets(connection, settings)


def _secrets(connection: "Connection", settings: "Settings") -> CheckResult:
    """Open every credential with the key there is; none is made where it is missing."""
    from ultraviolet.hub.core.encryption import SecretBox
    from ultraviolet.hub.integrations import service as integrations

    known = integrations.list_page(connection, limit=1000)
    file = settings.data / "secret.key"
    if settings.secret_key is None and not file.exists():
        if known:
            return failed(
                "secret-key",
                "secret key",
                f"{file} is missing, and {len(known)} credentials need it",
            )
        return passed("secret-key", "secret key", "none needed yet")
    try:
        secrets = SecretBox.from_settings(settings)
        for one in known:
            integrations.credentials(connection, secrets, one.id)
    except UltravioletError as error:
        return failed("secret-key", "secret key", str(error) or str(type(error).__doc__))
    source = "ULTRAVIOLET_SECRET_KEY" if settings.secret_key else str(file)
    return passed("secret-key", "secret key", f"{source} opens what is stored")
