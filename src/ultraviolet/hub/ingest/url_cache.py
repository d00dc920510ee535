"""Cache of the valid webhook URLs, looked up by token hash for each delivery."""

import asyncio
import contextlib
import time
from collections.abc import Mapping

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.ingest.webhook_urls import UrlEntry, active_urls

RELOAD_INTERVAL_SECONDS = 2.0
"""Age at which the cache is reloaded, for changes by other processes."""
_UNKNOWN_RELOAD_INTERVAL_SECONDS = 0.2
"""Minimum time between two reloads for unknown tokens."""


class UrlCache:
    """Valid webhook URLs of all integrations."""

    def __init__(self, database: Database, secrets: SecretBox) -> None:
        self._database = database
        self._secrets = secrets
        self.entries: Mapping[bytes, UrlEntry] = {}
        """The URLs by token hash, possibly old or expired."""
        self.reloaded_at = self._entries_as_of = -RELOAD_INTERVAL_SECONDS
        self._reload_task: asyncio.Task[None] | None = None

    async def get(self, token_hash: bytes, *, offline: bool) -> UrlEntry | None:
        """Return the entry of a valid URL; reload an old cache, or one without the token.

        While `offline`, a cached entry is returned without waiting for the database.
        """
        if token_hash not in self.entries:
            # Another process may have just created it. Concurrent unknown tokens share a reload.
            if self._reload_task is None:
                self._reload_task = asyncio.create_task(self._reload_for_unknown())
            await asyncio.shield(self._reload_task)
        elif offline:
            self.reloaded_at = time.monotonic() - RELOAD_INTERVAL_SECONDS
        elif time.monotonic() - self.reloaded_at > RELOAD_INTERVAL_SECONDS:
            with contextlib.suppress(Exception):  # a cached URL remains valid
                await self.reload()
        entry = self.entries.get(token_hash)
        expired = entry and entry.expires_at and entry.expires_at < now_rfc3339()
        return None if expired else entry

    async def reload(self) -> None:
        """Load all valid URLs from the database."""
        began = self.reloaded_at = time.monotonic()
        entries = await self._database.read(active_urls, self._secrets)
        if began >= self._entries_as_of:  # a later reload may have finished first
            self.entries, self._entries_as_of = entries, began

    def expire(self) -> None:
        """Reload at the next delivery."""
        self.reloaded_at = -RELOAD_INTERVAL_SECONDS

    async def close(self) -> None:
        """Cancel a pending reload."""
        if self._reload_task:
            self._reload_task.cancel()
            await asyncio.gather(self._reload_task, return_exceptions=True)

    async def _reload_for_unknown(self) -> None:
        elapsed = time.monotonic() - self.reloaded_at
        await asyncio.sleep(_UNKNOWN_RELOAD_INTERVAL_SECONDS - elapsed)
        self._reload_task = None  # a token that arrives during the query waits for the next reload
        await self.reload()
