"""Where the hub may send requests: addresses that people give are checked before anything goes out.

The address that is connected to is the one that is checked, after names were looked up, so that a name which is
answered otherwise the second time leads nowhere else. Redirects are not followed by anyone who uses this.

Through a proxy (`outgoing.py`) the hub cannot see which address is connected to. It then checks the address as written,
and what its own look-up of the name finds, if it finds anything; the proxy has to refuse the rest.
"""

import asyncio
import errno
import ipaddress
import socket
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = ("127.0.0.0/8", "::1/128", "localhost")
_EMBEDDED = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that a gateway translates to the IPv4 address in their last 32 bits."""


class AddressNotAllowedError(aiohttp.ClientError, OSError):
    """The hub may not send requests there."""


def parse_url(url: str) -> tuple[str, str]:
    """Read an address; raises RefusedTargetError for one that is not of the web, or tells a name or password."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").casefold(), parts.port
    except ValueError as error:
        raise AddressNotAllowedError(f"The address is none: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise AddressNotAllowedError(f"{parts.scheme}://… is not an http address with a host")
    if parts.username is not None or parts.password is not None:
        raise AddressNotAllowedError(
            f"The address of {host} has a name or password in it; leave them out"
        )
    return parts.scheme, host


class EgressPolicy:
    """Return where requests may go: to public addresses over https, and to what is listed, also over http."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        networks: list[Network] = []
        names: set[str] = set()
        for each in listed:
            try:
                networks.append(ipaddress.ip_network(each, strict=False))
            except ValueError:
                names.add(each.casefold())
        self._networks = tuple(networks)
        self._names = frozenset(names)
        self._named: set[Address] = set()
        self._proxies: set[tuple[Address, int]] = set()
        """Where proxies listen: the environment names them, so connections to them are not checked."""

    def check(self, url: str) -> None:
        """Raise RefusedTargetError for an address whose text alone says that nothing may go there."""
        scheme, host = parse_url(url)
        literal = _literal(host)
        if literal is not None and not self.admits(literal):
            raise AddressNotAllowedError(_why(host))
        if scheme == "http" and not (host in self._names or (literal and self._lists(literal))):
            raise AddressNotAllowedError(
                f"http://{host} is not encrypted: use https, or list {host} in ULTRAVIOLET_ALLOWED_TARGETS"
            )

    def admits(self, address: Address) -> bool:
        """Return whether an address may be connected to."""
        real = _real(address)
        public = real.is_global and not real.is_multicast
        return public or self._lists(address) or address in self._named

    def session(self) -> aiohttp.ClientSession:
        """Make a session that sends nothing to where it may not go."""
        connector = aiohttp.TCPConnector(resolver=_Resolver(self), socket_factory=self._socket)
        return aiohttp.ClientSession(connector=connector, middlewares=(self._checked,))

    def found(self, name: str, addresses: Iterable[str]) -> None:
        """Take note of what a name was looked up to; one that is listed may lead anywhere."""
        if name.casefold() in self._names:
            self._named.update(each for text in addresses if (each := _literal(text)))

    def _lists(self, address: Address) -> bool:
        return any(
            each in network for each in {address, _real(address)} for network in self._networks
        )

    async def _checked(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        self.check(str(request.url))
        if request.proxy and request.proxy.host:
            await self._check_behind_proxy(request.url.host or "")
            await self._admit_proxy(request.proxy.host, request.proxy.port or 0)
        return await handler(request)

    async def _check_behind_proxy(self, host: str) -> None:
        """Raise RefusedTargetError where a name leads to an address that may not be connected to, as far as is known."""
        if _literal(host) is None and host.casefold() not in self._names:
            for address in await _look_up(host):
                if not self.admits(address):
                    raise AddressNotAllowedError(_why(host))

    async def _admit_proxy(self, host: str, port: int) -> None:
        literal = _literal(host)
        addresses = [literal] if literal else await _look_up(host)
        self._proxies.update((address, port) for address in addresses)

    def _socket(self, found: tuple[int, int, int, str, Sequence[object]]) -> socket.socket:
        family, kind, protocol, _, where = found
        address = _literal(str(where[0]))
        is_proxy = (address, where[1]) in self._proxies
        if address is None or not (is_proxy or self.admits(address)):
            raise PermissionError(errno.EACCES, _why(str(where[0])))
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """Looks names up as usual, and tells what was found."""

    def __init__(self, targets: EgressPolicy) -> None:
        self._targets = targets
        self._usual = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up."""
        found = await self._usual.resolve(host, port, family)
        self._targets.found(host, (each["host"] for each in found))
        return found

    async def close(self) -> None:
        """Let go."""
        await self._usual.close()


async def _look_up(host: str) -> list[Address]:
    """Return the addresses of a name; none where only the proxy can look it up."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [address for *_, where in found if (address := _literal(str(where[0])))]


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _real(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _EMBEDDED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def _why(host: str) -> str:
    return f"{host} is not a public address; list it in ULTRAVIOLET_ALLOWED_TARGETS where requests may go there"
