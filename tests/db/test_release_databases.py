"""Each database of an earlier release is upgraded, and shows the same content."""

import gzip
import json
import re
from pathlib import Path

import psycopg
import pytest
from tests.db import release_database
from tests.db.test_migrations import tables
from tests.postgresql import Postgresql

from ultraviolet.db import engine, migrations
from ultraviolet.db.database import Database
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.integrations import service as integrations

DATABASES = sorted(
    path.name.removesuffix(".json.gz") for path in release_database.FOLDER.glob("*.json.gz")
)
OTHERS = re.compile(r"\bion_|_\d{4}_\d\d\b")


def test_databases_of_all_releases_are_kept() -> None:
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    releases = [line[4 : line.index("]")] for line in changelog.splitlines() if line[:4] == "## ["]
    assert DATABASES == [
        f"{release}-{name}" for release in sorted(releases) for name in ("postgresql", "sqlite")
    ]


@pytest.mark.parametrize("name", DATABASES)
def test_database_of_a_release_is_upgraded(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    expected = json.loads(content(f"{name}.json.gz"))
    if name.endswith("sqlite"):
        url, new = f"sqlite:///{tmp_path / 'hub.db'}", f"sqlite:///{tmp_path / 'new.db'}"
        (tmp_path / "hub.db").write_bytes(content(f"{name}.db.gz"))
    else:
        server: Postgresql = request.getfixturevalue("postgresql")
        url, new = server.empty_database(), server.empty_database()
        with psycopg.connect(url) as connection:
            connection.execute(content(f"{name}.sql.gz"))

    database = Database.open(url)
    credentials = database.read_now(
        integrations.credentials, SecretBox.from_text(release_database.SECRET_KEY), 1
    )
    database.close()

    assert credentials.client_secret == expected["client_secret"]
    assert release_database.answers(tmp_path, url) == expected["answers"]
    assert schema(url) == schema(new), "run: python -m tests.db.release_database"


def content(name: str) -> bytes:
    return gzip.decompress((release_database.FOLDER / name).read_bytes())


def schema(url: str) -> set[tuple[object, ...]]:
    """Return tables, columns, keys and indexes, except for views and the partitions of months."""
    opened = engine.make_engine(url)
    migrations.upgrade(opened)
    with opened.connect() as connection:
        found = tables(connection)
    opened.dispose()
    return {row for row in found if not OTHERS.search(str(row))}
