"""What people are looking at: it is healed before anything else."""

import time

from ultraviolet.mirror.observation import Ref

_LASTS = 60.0
_MOST = 100


class RecentlyViewed:
    """Objects of one integration that somebody asked for within the last minute, in this process."""

    def __init__(self) -> None:
        self._until: dict[Ref, float] = {}

    def give(self, resource: str, id_: str) -> None:
        """Note that somebody looks at an object."""
        self._until.pop((resource, id_), None)
        self._until[resource, id_] = time.monotonic() + _LASTS
        while len(self._until) > _MOST:
            del self._until[next(iter(self._until))]

    def now(self) -> list[Ref]:
        """Return what is looked at."""
        moment = time.monotonic()
        self._until = {ref: until for ref, until in self._until.items() if until > moment}
        return list(self._until)
