"""Writes the objects of a mirror into the database of a new local ION."""

import json
import shutil
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from ultraviolet.errors import ConflictError, InvalidError
from ultraviolet.files import create_private
from ultraviolet.ion.catalog import Catalog, load_catalog
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.auth.permissions import ADMIN_ROLE
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.plant.simulator import SetupMarker
from ultraviolet.local_ion.rules.organization import ATTRIBUTE_SECTIONS
from ultraviolet.local_ion.sandbox.document_masking import DocumentMask
from ultraviolet.local_ion.sandbox.rows import DERIVED_TABLES, Row, RowBuilder
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.ddl import check_columns
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID
from ultraviolet.local_ion.store.tables import StoreSchema

MAX_BUFFERED_ROWS = 5_000
LOADING_FOLDER = "loading"
"""The folder of an unfinished database, in the data directory."""
_ADD_LABEL = """INSERT OR IGNORE INTO procedure_family_labels (family_id, label_id)
    SELECT ?, id FROM labels WHERE value = ?"""
_SEED_TABLES: Mapping[str, tuple[str, ...]] = {
    "users": ("user_roles",),
    "roles": ("user_roles", "permission_group_roles"),
    "permissions": ("permission_permission_groups",),
    "permission_groups": ("permission_permission_groups", "permission_group_roles"),
    "units_of_measurements": (),
    "currencies": (),
    "validation_functions": (),
}
"""Tables with predefined rows, and the tables of their associations."""
_OWN_TABLES = frozenset(
    {
        "api_keys", "entities", "file_attachments", "logged_actions", "organizations",
        "session_events", "webhook_events", "webhook_headers", "webhook_receiver_headers",
        "webhook_receivers", "webhook_subscriptions",
    }
)  # fmt: skip
"""Tables that concern only the local ION, or that it fills otherwise."""

Document = Mapping[str, Any]


class Mirror(Protocol):
    """The objects of an integration, as a hub has them."""

    @property
    def counts(self) -> Mapping[str, int]:
        """The numbers of objects by resource."""
        ...

    def objects(self, resource: Resource) -> Iterator[tuple[Document, bool]]:
        """Return the documents of a resource, and whether the hub has confirmed them."""
        ...


class Loaded(msgspec.Struct):
    """The content of a sandbox, and the parts of the mirror that it does not have."""

    objects: dict[str, int]
    """Numbers of loaded objects by resource."""
    rejected: dict[str, int]
    """Numbers of rows by table that violate a uniqueness rule of the local ION."""
    files: int
    """Number of files; their names are kept, their contents are not."""
    missing: dict[str, int]
    """Numbers of references to absent objects, by `table.column`."""
    unreadable: dict[str, int]
    """Numbers of values that do not fit their field, by `resource.field`; they are null."""
    not_mirrored: list[str]
    """Tables whose rows no mirror contains, such as the contents of kits; they are empty."""
    notes: list[str]
    masked: bool

    @property
    def total(self) -> int:
        """The number of loaded objects."""
        return sum(self.objects.values())


class SandboxLoader:
    """Writes objects into an empty local ION; its own seed gives way to that of the mirror."""

    def __init__(
        self, folder: Path, resources: Iterable[str], mask: DocumentMask | None = None
    ) -> None:
        """Create the database `ion.db` in this folder, for objects of these resources."""
        ion = LocalIon(folder)
        self.path = ion.store.path
        self.catalog: Catalog = ion.catalog
        self._schema = ion.store.schema
        self._builder = RowBuilder(ion.catalog, ion.store.schema)
        self._mask = mask
        ion.close()
        self._connection = sqlite3.connect(self.path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous = OFF")
        # The local ION creates the triggers of the audit log again when it opens.
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        for (name,) in self._connection.execute(triggers).fetchall():
            self._connection.execute(f'DROP TRIGGER "{name}"')
        self._connection.execute("DELETE FROM logged_actions")
        for name in _SEED_TABLES.keys() & set(resources):
            for table in (name, *_SEED_TABLES[name]):
                self._connection.execute(f'DELETE FROM "{table}"')
        self._buffers: dict[str, list[Row]] = defaultdict(list)
        self._buffered = 0
        self._objects: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._administrators: list[int] = []
        self._labels: dict[int, list[str]] = {}

    def load(self, resource: Resource, objects: Iterable[tuple[Document, bool]]) -> None:
        """Write the objects of a resource."""
        for document, _ in objects:
            content = dict(document)
            if self._mask is not None:
                content = self._mask.document(resource, content)
            before = self._buffered
            for table, row in self._builder.rows(resource, content):
                self._buffers[table].append(row)
                self._buffered += 1
            self._objects[resource.name] += self._buffered > before
            self._note_relations(resource, content)
            if self._buffered > MAX_BUFFERED_ROWS:
                self._flush()

    def finish(self) -> Loaded:
        """Complete the database and close it."""
        self._flush()
        self._remove_attributes_of_rejected()
        notes = self._ensure_administrator()
        pairs = ((family, label) for family, labels in self._labels.items() for label in labels)
        self._connection.executemany(_ADD_LABEL, pairs)
        self._define_attributes()
        missing = self._count_missing()
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()
        return Loaded(
            {name: count for name, count in self._objects.items() if count},
            dict(self._rejected),
            self._builder.files,
            missing,
            dict(self._builder.unreadable),
            self._list_not_mirrored(),
            notes,
            self._mask is not None,
        )

    def close(self) -> None:
        """Close the unfinished database."""
        self._connection.close()

    def _scalar(self, statement: str, *values: Any) -> Any:
        row = self._connection.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def _list_not_mirrored(self) -> list[str]:
        resources = self.catalog.resources.values()
        filled = {r.name for r in self.catalog.mirrorable} | DERIVED_TABLES | _OWN_TABLES
        filled |= {r.attributes for r in resources if r.attributes}
        filled |= {x.join.table for r in resources for x in r.relations if x.kept and x.join}
        return sorted(self._schema.tables.keys() - filled)

    def _note_relations(self, resource: Resource, document: Mapping[str, Any]) -> None:
        if resource.name == "users" and document.get("isAdmin") is True:
            self._administrators.append(int(document["id"]))
        if resource.name == "procedures" and isinstance(document.get("labels"), list):
            labels = cast("list[Any]", document["labels"])
            if labels:
                family = int(document.get("familyId") or document["id"])
                self._labels[family] = [str(label) for label in labels]

    def _flush(self) -> None:
        self._connection.execute("BEGIN")
        for name, rows in self._buffers.items():
            columns = self._schema.tables[name].columns
            names = ", ".join(f'"{c}"' for c in columns)
            marks = ", ".join("?" * len(columns))
            statement = f'INSERT OR IGNORE INTO "{name}" ({names}) VALUES ({marks})'
            values = ([row.get(column) for column in columns] for row in rows)
            written = self._connection.executemany(statement, values).rowcount
            if self._schema.tables[name].resource is not None and name != "entities":
                self._rejected.update({name: len(rows) - written} if written < len(rows) else {})
        self._connection.execute("COMMIT")
        self._buffers.clear()
        self._buffered = 0

    def _remove_attributes_of_rejected(self) -> None:
        for name in self._rejected:
            resource = self.catalog.resources[name]
            if resource.attributes:
                attributes = self.catalog.resources[resource.attributes]
                owner = next(f.column for f in attributes.fields if f.name == attributes.owner_key)
                self._connection.execute(
                    f'DELETE FROM "{attributes.name}" WHERE "{owner}" NOT IN'
                    f' (SELECT id FROM "{name}")'
                )

    def _ensure_administrator(self) -> list[str]:
        """Ensure that user 1, who owns the API key, can sign in; return notes about changes."""
        notes: list[str] = []
        find_role = "SELECT id FROM roles WHERE name = ?"
        role = self._scalar(find_role, ADMIN_ROLE)
        if role is None:
            self._connection.execute("INSERT INTO roles (name) VALUES (?)", (ADMIN_ROLE,))
            role = self._scalar(find_role, ADMIN_ROLE)
            notes.append("The role Admin was added.")
        find_user = "SELECT coalesce(deactivated, 0) FROM users WHERE id = ?"
        deactivated = self._scalar(find_user, ADMINISTRATOR_ID)
        if deactivated is None:
            self._connection.execute(
                "INSERT INTO users (id, name, email, deactivated, organization_id)"
                " VALUES (?, 'Sandbox administrator', 'sandbox@ultraviolet.example', 0, 1)",
                (ADMINISTRATOR_ID,),
            )
            notes.append("User 1 was added, because the API key needs an administrator.")
        elif deactivated:
            activate = "UPDATE users SET deactivated = 0 WHERE id = ?"
            self._connection.execute(activate, (ADMINISTRATOR_ID,))
            notes.append("User 1 was activated, because the API key needs an administrator.")
        if self._administrators and ADMINISTRATOR_ID not in self._administrators:
            notes.append("User 1 was made an administrator, because the API key needs one.")
        assign = "INSERT OR IGNORE INTO user_roles (user_id, role_id) VALUES (?, ?)"
        users = {ADMINISTRATOR_ID, *self._administrators}
        self._connection.executemany(assign, [(user, role) for user in sorted(users)])
        return notes

    def _define_attributes(self) -> None:
        """Define the attributes that objects have, so that new objects have them too."""
        settings = json.loads(self._scalar("SELECT settings FROM organizations") or "{}")
        for resource, definitions in self._builder.attribute_definitions.items():
            if definitions and resource in ATTRIBUTE_SECTIONS:
                attributes = [{"key": key, "type": kind} for key, kind in definitions.items()]
                settings.setdefault(ATTRIBUTE_SECTIONS[resource], {})["attributes"] = attributes
        update = "UPDATE organizations SET settings = ?"
        self._connection.execute(update, (dump_json(settings),))

    def _count_missing(self) -> dict[str, int]:
        columns: dict[tuple[str, int], str] = {}
        counts: Counter[str] = Counter()
        for table, _, parent, number in self._connection.execute("PRAGMA foreign_key_check"):
            if (table, number) not in columns:
                keys = self._connection.execute(f'PRAGMA foreign_key_list("{table}")')
                columns |= {(table, key[0]): key[3] for key in keys}
            if parent != "file_attachments":
                counts[f"{table}.{columns[table, number]}"] += 1
        return dict(counts)


@contextmanager
def new_database(target: Path) -> Generator[Path]:
    """Return a folder for a new database, and move it to `target` at the end of the block.

    Raise ConflictError if `target` exists.
    """
    if target.exists():
        raise ConflictError(
            f"{target} exists already. Continue with it by `ultraviolet ion serve` alone, or choose"
            " another place."
        )
    folder = target.parent / LOADING_FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        yield folder
        (folder / "ion.db").replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_into(data: Path, mirror: Mirror, mask: DocumentMask | None) -> Loaded:
    """Create the database of a data directory from the objects of a mirror."""
    with new_database(data / "ion.db") as folder:
        loaded = load(folder, mirror, mask)
    mark_complete(data)
    return loaded


def load(folder: Path, mirror: Mirror, mask: DocumentMask | None) -> Loaded:
    """Create the database of a folder from the objects of a mirror."""
    counts = mirror.counts
    with closing(SandboxLoader(folder, counts, mask)) as loader:
        for resource in loader.catalog.mirrorable:
            if counts.get(resource.name):
                loader.load(resource, mirror.objects(resource))
        return loader.finish()


def copy_into(data: Path, file: Path) -> None:
    """Create the database of a data directory from the file of another local ION.

    Raise InvalidError if it is not one, and ConflictError for that of another version.
    """
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source:
            source.execute("SELECT 1 FROM logged_actions LIMIT 1")
            check_columns(source, StoreSchema(load_catalog()))
            with new_database(data / "ion.db") as folder:
                create_private(folder / "ion.db")
                with closing(sqlite3.connect(folder / "ion.db")) as target:
                    target.execute("PRAGMA synchronous = OFF")
                    source.backup(target)
    except sqlite3.Error as error:
        raise InvalidError(
            f"{file} is not the database of a local ION ({error}). Create one with"
            " `ultraviolet ion load`."
        ) from error
    mark_complete(data)


def mark_complete(data: Path) -> None:
    """Mark the local ION of a data directory as set up, so that it gets no plant."""
    marker = SetupMarker(data)
    marker.start()
    marker.finish()
