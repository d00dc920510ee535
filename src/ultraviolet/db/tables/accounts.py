"""Tables of users, sessions, API keys, saved views, the audit log."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    UniqueConstraint,
)

from ultraviolet.db import column_types
from ultraviolet.db.column_types import JSON, Text
from ultraviolet.db.tables.metadata import Id, metadata

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False, comment="viewer, operator or admin"),
    Column("password_hash", Text, comment="argon2id"),
    Column("issuer", Text, comment="the single sign-on provider that knows them"),
    Column("subject", Text, comment="what the provider calls them, for good"),
    Column(
        "provider_email",
        Text,
        comment="who first comes from the provider with it becomes this person",
    ),
    Column("created_at", Text, nullable=False),
    Column("last_sign_in_at", Text),
    UniqueConstraint("issuer", "subject"),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("expires_at", Text, nullable=False),
    comment="one-time links; a used one is deleted",
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("way", Text, nullable=False, comment="how they signed in: link, password or provider"),
    Column("browser", Text, nullable=False, comment="what the browser calls itself"),
    Column("source", Text, nullable=False, comment="the address it came from"),
    Column("created_at", Text, nullable=False),
    Column("last_used_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Index("sessions_by_user", "user_id"),
    comment="who is signed in where; one that ended is deleted",
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("last_four", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("expires_at", Text),
    Column("last_used_at", Text),
    Column("revoked_at", Text),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False, comment="noun.verb, such as webhook_url.rotate"),
    Column("subject", Text, nullable=False),
    Column("detail", JSON),
    comment="what anyone did; append-only",
    sqlite_autoincrement=True,
)
column_types.append_only(audit_log)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("resource", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False, comment="the query part of the page's address"),
    UniqueConstraint("user_name", "resource", "name"),
    comment="tables of objects that someone wants to come back to",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True, comment="the API key or person that chose it"),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False, comment="SHA-256 of method, address and body"),
    Column(
        "alive_until", Text, comment="who does it says so again before then; null when it is done"
    ),
    Column("status", Integer, comment="of the answer"),
    Column("answer", LargeBinary, comment="encrypted, as it may carry a secret that is shown once"),
    Column("expires_at", Text, nullable=False),
    Index("idempotency_keys_expired", "expires_at"),
    comment="answers to be given again where a request is repeated",
)
