"""The files in which a running hub writes its address, so that commands find it."""

from pathlib import Path

_SQLITE = "sqlite:///"


def hub_files(data: Path, database_url: str | None) -> list[Path]:
    """Return the file in the data folder, and one beside a SQLite database in another folder.

    A command may know only the database, by ULTRAVIOLET_DATABASE_URL.
    """
    database = database_elsewhere(data, database_url)
    beside = [database.with_name(f"{database.name}.hub.json")] if database else []
    return [*beside, data / "hub.json"]


def database_elsewhere(data: Path, database_url: str | None) -> Path | None:
    """Return the file of a SQLite database that is not in the data folder; None for others."""
    if not database_url or not database_url.startswith(_SQLITE):
        return None
    file = Path(database_url.removeprefix(_SQLITE).partition("?")[0])
    return file if file.name and file.resolve().parent != data.resolve() else None
