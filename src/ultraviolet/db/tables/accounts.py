"""Tables of users, sessions, API keys, saved views and the audit log."""

from sqlalchemy import (
    Boolean,
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
    Column("issuer", Text, comment="issuer URL of the single sign-on provider"),
    Column("subject", Text, comment="permanent user id at the provider"),
    Column(
        "provider_email",
        Text,
        comment="the first sign-in with this email address is linked to this user",
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
    comment="One-time sign-in links. A used link is deleted.",
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("way", Text, nullable=False, comment="sign-in method: link, password or provider"),
    Column("browser", Text, nullable=False, comment="User-Agent header of the browser"),
    Column("source", Text, nullable=False, comment="IP address of the sign-in"),
    Column("created_at", Text, nullable=False),
    Column("last_used_at", Text, nullable=False),
    Column("expires_at", Text, nullable=False),
    Index("sessions_by_user", "user_id"),
    comment="Active sign-in sessions. An ended session is deleted.",
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
    comment="Actions of users and API keys, append-only",
    sqlite_autoincrement=True,
)
column_types.append_only(audit_log)

saved_views = Table(
    "saved_views",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_name", Text, comment="the owner; null if a removed user shared it"),
    Column("resource", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("query", Text, nullable=False, comment="query string of the page's URL"),
    Column("shared", Boolean, nullable=False, comment="whether all users see it"),
    UniqueConstraint("user_name", "resource", "name"),
    comment="Filtered object tables saved by a user",
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("owner", Text, primary_key=True, comment="the API key or user that sent the request"),
    Column("key", Text, primary_key=True),
    Column("request", LargeBinary, nullable=False, comment="SHA-256 of method, URL and body"),
    Column(
        "alive_until",
        Text,
        comment="the request is abandoned if not renewed by then; null: finished",
    ),
    Column("status", Integer, comment="HTTP status of the response"),
    Column(
        "answer", LargeBinary, comment="response body, encrypted because it may contain a secret"
    ),
    Column("expires_at", Text, nullable=False),
    Index("idempotency_keys_expired", "expires_at"),
    comment="Responses to return again when a request is repeated",
)
