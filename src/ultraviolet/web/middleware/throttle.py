"""Who may knock, and how often: at the door for deliveries, and where people sign in."""

import ipaddress
import time
from collections.abc import Callable, Hashable, Iterable, Mapping

from litestar.di import NamedDependency

from ultraviolet.errors import UltravioletError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_GUESSES = 50
"""Unknown addresses one source may try in a row."""
GUESSES_PER_SECOND = 1.0
_MAX_SOURCES = 10_000


_SOURCE_LIMIT = (20, 1 / 3)
_SOURCE_AND_NAME_LIMIT = (5, 1 / 20)
_NAME_LIMIT = (100, 1 / 10)
"""Failed sign-ins in a row, and how many more a second: of a source, of a name from one, of a name from anywhere."""


class TooManyTriesError(UltravioletError):
    """Too many tries that failed. Wait a little before the next one."""

    kind = "too-many-tries"
    status = 429
    exit_code = 6
    headers = {"Retry-After": "20"}  # noqa: RUF012  as the parent has it


class TokenBucket:
    """Counts in memory how often something may still go wrong for each of many."""

    def __init__(
        self, most: float, a_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = float(most)
        self._a_second = a_second
        self._clock = clock
        self._spent: dict[Hashable, tuple[float, float]] = {}

    def left(self, who: Hashable) -> float:
        """Tell how often more it may go wrong now."""
        left, at = self._spent.get(who, (self._most, 0.0))
        return min(self._most, left + (self._clock() - at) * self._a_second)

    def spend(self, who: Hashable) -> None:
        """Note that it went wrong; who is not heard of for long is forgotten first."""
        left = self.left(who)
        self._spent.pop(who, None)
        self._spent[who] = (max(0.0, left - 1), self._clock())
        while len(self._spent) > _MAX_SOURCES:
            del self._spent[next(iter(self._spent))]


class WebhookThrottle:
    """Judges sources in memory; a source that guesses too often slows nobody but itself."""

    def __init__(
        self,
        allowed: Iterable[str] = (),
        proxies: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed: tuple[Network, ...] = tuple(map(ipaddress.ip_network, allowed))
        self._proxies: tuple[Network, ...] = tuple(map(ipaddress.ip_network, proxies))
        self._guesses = TokenBucket(MAX_GUESSES, GUESSES_PER_SECOND, clock)

    def source(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return the address a delivery comes from: the peer's, or the one a trusted proxy saw."""
        told = [
            part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()
        ]
        source = peer
        while told and _is_in_network(source, self._proxies):
            source = told.pop()
        return source

    def admits(self, source: str) -> bool:
        """Return whether deliveries from there are taken at all; everything is where no list was given."""
        return not self._allowed or _is_in_network(source, self._allowed)

    def may_guess(self, source: str) -> bool:
        """Return whether a source that has named an unknown address before may try another."""
        return self._guesses.left(source) >= 1

    def guessed(self, source: str) -> None:
        """Note that a source named an address that is not known."""
        self._guesses.spend(source)


class SignInThrottle:
    """Slows down who guesses passwords or links: a source, a name from one source, a name from everywhere."""

    def __init__(
        self, sources: WebhookThrottle, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sources = sources
        self._by_source = TokenBucket(*_SOURCE_LIMIT, clock)
        self._by_both = TokenBucket(*_SOURCE_AND_NAME_LIMIT, clock)
        self._by_name = TokenBucket(*_NAME_LIMIT, clock)

    def source(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return the address somebody signs in from."""
        return self._sources.source(peer, headers)

    def may_try(self, source: str, name: str) -> bool:
        """Return whether another try is looked at."""
        spent = (
            self._by_source.left(source),
            self._by_both.left((source, name)),
            self._by_name.left(name),
        )
        return min(spent) >= 1

    def failed(self, source: str, name: str) -> None:
        """Note a try that failed."""
        self._by_source.spend(source)
        self._by_both.spend((source, name))
        self._by_name.spend(name)


GivenSignInGuard = NamedDependency[SignInThrottle]
"""The guard of the sign-in, as a page's route asks for it."""


def _is_in_network(address: str, listed: Iterable[Network]) -> bool:
    try:
        found: Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in listed)
