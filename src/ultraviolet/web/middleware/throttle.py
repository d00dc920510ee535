"""Limits on guesses of webhook URLs and passwords, and the allow list of webhook sources."""

import ipaddress
import time
from collections.abc import Callable, Hashable, Iterable, Mapping

from litestar.di import NamedDependency

from ultraviolet.errors import UltravioletError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_GUESSES = 50
"""Unknown webhook URLs that one source may try in a row."""
GUESSES_PER_SECOND = 1.0
_MAX_SOURCES = 10_000


_SOURCE_LIMIT = (20, 1 / 3)
_SOURCE_AND_NAME_LIMIT = (5, 1 / 20)
_NAME_LIMIT = (100, 1 / 10)
"""Failed sign-ins in a row, and additional ones per second."""


class TooManyTriesError(UltravioletError):
    """Too many failed attempts. Wait before trying again."""

    kind = "too-many-tries"
    status = 429
    exit_code = 6
    headers = {"Retry-After": "20"}  # noqa: RUF012  as in the base class


class TokenBucket:
    """Counts the remaining failures per key, in memory."""

    def __init__(
        self, capacity: float, refill_per_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = float(capacity)
        self._refill_per_second = refill_per_second
        self._clock = clock
        self._spent: dict[Hashable, tuple[float, float]] = {}

    def left(self, key: Hashable) -> float:
        """Return the number of failures that are still allowed."""
        left, at = self._spent.get(key, (self._capacity, 0.0))
        return min(self._capacity, left + (self._clock() - at) * self._refill_per_second)

    def spend(self, key: Hashable) -> None:
        """Count a failure; the least recently used keys are dropped first."""
        left = self.left(key)
        self._spent.pop(key, None)
        self._spent[key] = (max(0.0, left - 1), self._clock())
        while len(self._spent) > _MAX_SOURCES:
            del self._spent[next(iter(self._spent))]


class WebhookThrottle:
    """Limits webhook sources, each independently."""

    def __init__(
        self,
        allowed: Iterable[str] = (),
        proxies: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.allowed: tuple[Network, ...] = tuple(map(ipaddress.ip_network, allowed))
        self._proxies: tuple[Network, ...] = tuple(map(ipaddress.ip_network, proxies))
        self._guesses = TokenBucket(MAX_GUESSES, GUESSES_PER_SECOND, clock)

    def source(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return the source address of a request: the peer, or the client of a trusted proxy."""
        forwarded = [
            part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()
        ]
        source = peer
        while forwarded and _is_in_network(source, self._proxies):
            source = forwarded.pop()
        return source

    def admits(self, source: str) -> bool:
        """Return whether a source is on the allow list, or the allow list is empty."""
        return not self.allowed or _is_in_network(source, self.allowed)

    def may_guess(self, source: str) -> bool:
        """Return whether a source may try another unknown webhook URL."""
        return self._guesses.left(source) >= 1

    def record_guess(self, source: str) -> None:
        """Count an unknown webhook URL from a source."""
        self._guesses.spend(source)


class SignInThrottle:
    """Limits failed sign-ins by source, by source and name, and by name."""

    def __init__(self, sources: WebhookThrottle) -> None:
        self._sources = sources
        self._by_source = TokenBucket(*_SOURCE_LIMIT)
        self._by_both = TokenBucket(*_SOURCE_AND_NAME_LIMIT)
        self._by_name = TokenBucket(*_NAME_LIMIT)

    def source(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return the source address of a sign-in."""
        return self._sources.source(peer, headers)

    def may_try(self, source: str, name: str) -> bool:
        """Return whether another attempt is allowed."""
        left = (
            self._by_source.left(source),
            self._by_both.left((source, name)),
            self._by_name.left(name),
        )
        return min(left) >= 1

    def failed(self, source: str, name: str) -> None:
        """Count a failed attempt."""
        self._by_source.spend(source)
        self._by_both.spend((source, name))
        self._by_name.spend(name)


GivenSignInGuard = NamedDependency[SignInThrottle]
"""The sign-in throttle, injected into handlers."""


def _is_in_network(address: str, listed: Iterable[Network]) -> bool:
    try:
        found: Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in listed)
