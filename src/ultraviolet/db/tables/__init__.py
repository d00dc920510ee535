"""The tables of the hub over one MetaData; importing this package defines all of them."""

from ultraviolet.db.tables import accounts, alerts, events, integrations, mirror, stats, sync
from ultraviolet.db.tables.metadata import metadata

__all__ = ["accounts", "alerts", "events", "integrations", "metadata", "mirror", "stats", "sync"]
