"""Tables of the mirror: objects, versions, links and search texts."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    literal_column,
)

from ultraviolet.db import sql
from ultraviolet.db.column_types import JSON, Text, by_month, update_in_place
from ultraviolet.db.tables.metadata import Id, integration_id_column, metadata, partial_index
from ultraviolet.db.text_index import index_text

objects = Table(
    "objects",
    metadata,
    integration_id_column(primary_key=True),
    Column("resource", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("doc", JSON, nullable=False, comment="the document, under ION's GraphQL field names"),
    Column(
        "invalid_values",
        JSON,
        comment="values of doc that do not fit their column, by field; null: all fit",
    ),
    Column("version", Integer, nullable=False, comment="number of the current version, from 1"),
    Column(
        "completeness",
        Text,
        nullable=False,
        comment="full: read in full at least once; partial: from events only",
    ),
    Column("deleted_at", Text, comment="when the deletion in ION was proven"),
    Column("source_time", Text, comment="ION's _updated of this version"),
    Column(
        "observed_at",
        Text,
        nullable=False,
        comment="time of the last observation with this content",
    ),
    Column("read_at", Text, comment="start of the last full read with this content"),
    Column(
        "changed_at", Text, nullable=False, comment="when the content last changed in the mirror"
    ),
    Column("origin", JSON, nullable=False, comment="the origin of the current version"),
    partial_index(
        "objects_by_change", "integration_id", "resource", "changed_at", where="changed_at > ''"
    ),
    partial_index("objects_deleted", "integration_id", "resource", where="deleted_at IS NOT NULL"),
    partial_index(
        "objects_invalid", "integration_id", "resource", where="invalid_values IS NOT NULL"
    ),
    comment="The mirror: the current copy of each object",
    **update_in_place(85),  # an observation without a change updates no index
)

sql.compare_times(objects)

BY_CHANGE = objects.c.changed_at > literal_column("''")
"""A condition that is always true and allows the use of the partial index `objects_by_change`.

The index is partial because, without statistics, PostgreSQL would scan it for a single object.
"""

versions = Table(
    "versions",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True),
    integration_id_column(),
    Column("resource", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("change", Text, nullable=False, comment="create, update, delete or restore"),
    Column("doc", JSON, nullable=False, comment="the complete document of this version"),
    Column(
        "changed",
        JSON,
        nullable=False,
        comment="names of the fields that differ from the previous version",
    ),
    Column("source_time", Text),
    Column("observed_at", Text, nullable=False),
    Column("origin", JSON, nullable=False),
    Index("versions_by_object", "integration_id", "resource", "id", "version"),
    Index("versions_in_order", "integration_id", "seq"),
    comment="History: every version of each object",
    sqlite_autoincrement=True,
    **by_month("observed_at"),
)

link_kinds = Table(
    "link_kinds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("resource", Text, nullable=False),
    Column("field", Text, nullable=False, comment="the foreign key, such as purchaseOrderId"),
    Column("target_resource", Text, nullable=False),
    UniqueConstraint("resource", "field", "target_resource"),
    comment="Kinds of links: field, resource and target resource",
)

links = Table(
    "links",
    metadata,
    Column("integration_id", Id, primary_key=True, autoincrement=False),
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("target_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    # No foreign keys: an object has about seven links, and checking costs more than writing.
    comment="Foreign keys of current objects, by target; documents hold the other direction",
    sqlite_with_rowid=False,
)

attributes = Table(
    "attributes",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column(
        "integration_id",
        Id,
        ForeignKey("integrations.id", ondelete="SET NULL"),
        comment="null: removed; its columns stay until the views are created again",
    ),
    Column("resource", Text, nullable=False),
    Column("name", Text, nullable=False, comment="name in ION"),
    Column("type", Text, nullable=False, comment="ION's type, such as SELECT; empty if unknown"),
    Column("column_name", Text, nullable=False, comment="name in views, lists and exports"),
    UniqueConstraint("integration_id", "resource", "name", "type"),
    Index("attributes_by_resource", "resource"),
    comment="Custom attributes that documents have or had; the same column in all integrations",
    sqlite_autoincrement=True,
)

view_columns = Table(
    "view_columns",
    metadata,
    Column("view", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False, comment="integer, real, boolean, time, text, id or json"),
    Column(
        "field", Text, nullable=False, comment="ION's field; empty for columns that the mirror adds"
    ),
    Column("comment", Text, nullable=False),
    comment="Descriptions of the columns of the SQL views",
)

search_texts = Table(
    "search_texts",
    metadata,
    Column("id", Id, primary_key=True),
    integration_id_column(),
    Column("resource", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column(
        "text", Text, nullable=False, comment="the searchable text of the object, in lower case"
    ),
    UniqueConstraint("integration_id", "resource", "object_id"),
    comment="Searchable texts, updated in the background",
)
index_text(search_texts)

search_progress = Table(
    "search_progress",
    metadata,
    integration_id_column(primary_key=True),
    Column("seq", Id, nullable=False, comment="the last version that search_texts contains"),
    comment="Progress of search_texts through the history of each integration",
)
