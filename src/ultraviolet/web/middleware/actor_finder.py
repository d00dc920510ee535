"""Find the owner of an API key or a session, and record when it was last used."""

import time
from contextlib import suppress
from typing import Literal

from ultraviolet.db.database import Database
from ultraviolet.errors import UltravioletError
from ultraviolet.hub.accounts import api_keys, sessions
from ultraviolet.hub.accounts.users import Actor

_TOUCH_INTERVAL_SECONDS = 60.0
"""Minimum interval between updates of the last use of an API key or a session."""


class ActorFinder:
    """Finds actors in a hub's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._touched_at: dict[str, float] = {}

    async def find(self, kind: Literal["key", "session"], token: str) -> Actor | None:
        """Return the actor of a valid key or session."""
        look_up = api_keys.get_key_actor if kind == "key" else sessions.get_session_actor
        found = await self._database.read(look_up, token)
        oldest = time.monotonic() - _TOUCH_INTERVAL_SECONDS
        if found and self._touched_at.get(token, oldest) <= oldest:
            # Record the use at most once a minute; ignore an unavailable database.
            recent = {each: at for each, at in self._touched_at.items() if at > oldest}
            self._touched_at = {**recent, token: time.monotonic()}
            record = api_keys.touch_key if kind == "key" else sessions.touch_session
            with suppress(UltravioletError):
                await self._database.write(record, token)
        return found
