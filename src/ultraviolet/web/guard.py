"""Who may knock at the door for deliveries, and how often: source addresses, guesses, and bodies that never end."""

import ipaddress
import time
from collections.abc import Callable, Iterable, Mapping

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

GUESSES = 50
"""Unknown addresses one source may try in a row."""
GUESSES_A_SECOND = 1.0
_SOURCES = 10_000


class Guard:
    """Judges sources in memory; a source that guesses too often slows nobody but itself."""

    def __init__(
        self,
        allowed: Iterable[str] = (),
        proxies: Iterable[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed: tuple[Network, ...] = tuple(map(ipaddress.ip_network, allowed))
        self._proxies: tuple[Network, ...] = tuple(map(ipaddress.ip_network, proxies))
        self._clock = clock
        self._guesses: dict[str, tuple[float, float]] = {}

    def source(self, peer: str, headers: Mapping[str, str]) -> str:
        """Give the address a delivery comes from: the peer's, or the one a trusted proxy saw."""
        told = [part.strip() for part in headers.get("x-forwarded-for", "").split(",") if part.strip()]
        source = peer
        while told and _within(source, self._proxies):
            source = told.pop()
        return source

    def admits(self, source: str) -> bool:
        """Tell whether deliveries from there are taken at all; everything is where no list was given."""
        return not self._allowed or _within(source, self._allowed)

    def may_guess(self, source: str) -> bool:
        """Tell whether a source that has named an unknown address before may try another."""
        return self._left(source) >= 1

    def guessed(self, source: str) -> None:
        """Note that a source named an address that is not known."""
        left = self._left(source)
        self._guesses.pop(source, None)
        self._guesses[source] = (max(0.0, left - 1), self._clock())
        while len(self._guesses) > _SOURCES:
            del self._guesses[next(iter(self._guesses))]

    def _left(self, source: str) -> float:
        left, at = self._guesses.get(source, (float(GUESSES), 0.0))
        return min(float(GUESSES), left + (self._clock() - at) * GUESSES_A_SECOND)


def _within(address: str, listed: Iterable[Network]) -> bool:
    try:
        found: Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in listed)
