"""Tables of the mirror: objects, versions, links, search texts."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    literal_column,
    text,
)

from ultraviolet.db import sql
from ultraviolet.db.column_types import JSON, Text, by_month, update_in_place
from ultraviolet.db.tables.metadata import Id, integration_id_column, metadata
from ultraviolet.db.text_index import index_text

objects = Table(
    "objects",
    metadata,
    Column(
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("resource", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("doc", JSON, nullable=False, comment="fields under ION's GraphQL names"),
    Column(
        "invalid_values",
        JSON,
        comment="values of doc that do not fit the type of their column, by field; null if all fit",
    ),
    Column("version", Integer, nullable=False, comment="number of the current version, from 1"),
    Column(
        "completeness",
        Text,
        nullable=False,
        comment="full: read whole at least once; partial: from events only",
    ),
    Column("deleted_at", Text, comment="set when ION's deletion was proven"),
    Column("source_time", Text, comment="ION's _updated of this content"),
    Column("observed_at", Text, nullable=False, comment="when ION was last seen to say this"),
    Column("read_at", Text, comment="when the last whole read that showed this content began"),
    Column("changed_at", Text, nullable=False, comment="when the content last changed here"),
    Column("origin", JSON, nullable=False, comment="what produced the current version"),
    Index(
        "objects_by_change",
        "integration_id",
        "resource",
        "changed_at",
        sqlite_where=text("changed_at > ''"),
        postgresql_where=text("changed_at > ''"),
    ),
    Index(
        "objects_deleted",
        "integration_id",
        "resource",
        sqlite_where=text("deleted_at IS NOT NULL"),
        postgresql_where=text("deleted_at IS NOT NULL"),
    ),
    Index(
        "objects_invalid",
        "integration_id",
        "resource",
        sqlite_where=text("invalid_values IS NOT NULL"),
        postgresql_where=text("invalid_values IS NOT NULL"),
    ),
    comment="the mirror: the current copy of every object",
    **update_in_place(
        85
    ),  # seen again without a change: the row is written beside itself, no index is touched
)

sql.compare_times(objects)

BY_CHANGE = objects.c.changed_at > literal_column("''")
"""Said of every object, and where it is said, `objects_by_change` may be used.

Without that PostgreSQL reads a whole resource by it where one object is wanted, until it has learned how many there are.
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
    Column("doc", JSON, nullable=False, comment="the whole content from then on"),
    Column(
        "changed",
        JSON,
        nullable=False,
        comment="names of the fields that differ from the version before",
    ),
    Column("source_time", Text),
    Column("observed_at", Text, nullable=False),
    Column("origin", JSON, nullable=False),
    Index("versions_by_object", "integration_id", "resource", "id", "version"),
    Index("versions_in_order", "integration_id", "seq"),
    comment="history: every content an object ever had here",
    sqlite_autoincrement=True,
    **by_month("observed_at"),
)

link_kinds = Table(
    "link_kinds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("resource", Text, nullable=False),
    Column(
        "field", Text, nullable=False, comment="the link's foreign key, such as purchaseOrderId"
    ),
    Column("target_resource", Text, nullable=False),
    UniqueConstraint("resource", "field", "target_resource"),
    comment="which field of which resource names which other: written once, so that a link is a few bytes",
)

links = Table(
    "links",
    metadata,
    Column("integration_id", Id, primary_key=True, autoincrement=False),
    Column("kind", Integer, primary_key=True, autoincrement=False),
    Column("target_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    # An object has some seven of these: a check of foreign keys for each would cost more than writing them.
    comment="foreign keys of current objects, by what they name; the documents hold the other direction",
    sqlite_with_rowid=False,
)

view_columns = Table(
    "view_columns",
    metadata,
    Column("view", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=False, comment="integer, real, boolean, time, text, id or json"),
    Column("field", Text, nullable=False, comment="ION's field; empty for what the mirror adds"),
    Column("comment", Text, nullable=False),
    comment="what the columns of the SQL views mean",
)

search_texts = Table(
    "search_texts",
    metadata,
    Column("id", Id, primary_key=True),
    integration_id_column(),
    Column("resource", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("text", Text, nullable=False, comment="what the object says, in small letters"),
    UniqueConstraint("integration_id", "resource", "object_id"),
    comment="what a search looks through, kept up with the history by and by",
)
index_text(search_texts)

search_progress = Table(
    "search_progress",
    metadata,
    Column(
        "integration_id", Id, ForeignKey("integrations.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("seq", Id, nullable=False, comment="the last version that search_texts knows of"),
    comment="how far search_texts has followed the history; versions of one integration are committed in order",
)
