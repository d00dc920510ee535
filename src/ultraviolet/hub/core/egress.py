"""Egress policy: the addresses to which the hub may send requests for its users.

The policy checks the address that a connection uses, after name resolution, so that DNS rebinding
cannot bypass it. Callers do not follow redirects.

The hub cannot see the address to which a proxy (`outgoing.py`) connects. It then checks the URL and
the addresses that the hub itself resolves, if any. The proxy must refuse all others.
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
_NAT64_NETWORK = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that a gateway translates to the IPv4 address in their last 32 bits (RFC 6052)."""


class AddressNotAllowedError(aiohttp.ClientError, OSError):
    """The egress policy does not allow requests to this address."""


def parse_url(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL; raise AddressNotAllowedError.

    Only HTTP and HTTPS are allowed, without a user name or password.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").casefold(), parts.port
    except ValueError as error:
        raise AddressNotAllowedError(f"Invalid address: {error}") from error
    if parts.scheme not in ("http", "https") or not host:
        raise AddressNotAllowedError(
            "This is not a full address. Enter one such as https://example.com/path"
        )
    if parts.username is not None or parts.password is not None:
        raise AddressNotAllowedError(
            f"The address of {host} contains a user name or password; remove them"
        )
    return parts.scheme, host


class EgressPolicy:
    """Allow public addresses over HTTPS, and listed networks and host names also over HTTP."""

    def __init__(self, listed: Iterable[str] = ()) -> None:
        networks: list[Network] = []
        names: set[str] = set()
        for entry in listed:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                names.add(entry.casefold())
        self._networks = tuple(networks)
        self._names = frozenset(names)
        self._addresses_of_names: set[Address] = set()
        self._proxies: set[tuple[Address, int]] = set()
        """Addresses and ports of proxies from the environment, exempt from the check."""

    def check(self, url: str) -> None:
        """Raise AddressNotAllowedError if the policy rejects this URL before name resolution."""
        scheme, host = parse_url(url)
        address = _parse_address(host)
        if address is not None and not self.allows(address):
            raise AddressNotAllowedError(_not_public_message(host))
        listed = host in self._names or (address is not None and self._is_listed(address))
        if scheme == "http" and not listed:
            raise AddressNotAllowedError(
                f"http://{host} is not encrypted: use https,"
                f" or list {host} in ULTRAVIOLET_ALLOWED_TARGETS"
            )

    def allows(self, address: Address) -> bool:
        """Return whether the policy allows connections to an address."""
        real = _unwrap_ipv4(address)
        public = real.is_global and not real.is_multicast
        return public or self._is_listed(address) or address in self._addresses_of_names

    def session(self) -> aiohttp.ClientSession:
        """Return an HTTP session that enforces this policy."""
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self), socket_factory=self._create_socket
        )
        return aiohttp.ClientSession(connector=connector, middlewares=(self._check_request,))

    def record_lookup(self, name: str, addresses: Iterable[str]) -> None:
        """Allow the resolved addresses of a listed name."""
        if name.casefold() in self._names:
            found = (_parse_address(text) for text in addresses)
            self._addresses_of_names.update(address for address in found if address)

    def _is_listed(self, address: Address) -> bool:
        forms = {address, _unwrap_ipv4(address)}
        return any(form in network for form in forms for network in self._networks)

    async def _check_request(
        self, request: ClientRequest, handler: ClientHandlerType
    ) -> ClientResponse:
        self.check(str(request.url))
        if request.proxy and request.proxy.host:
            host = request.url.host or ""
            if _parse_address(host) is None and host.casefold() not in self._names:
                for address in await _resolve(host):
                    if not self.allows(address):
                        raise AddressNotAllowedError(_not_public_message(host))
            proxy = _parse_address(request.proxy.host)
            addresses = [proxy] if proxy else await _resolve(request.proxy.host)
            port = request.proxy.port or 0
            self._proxies.update((address, port) for address in addresses)
        return await handler(request)

    def _create_socket(self, found: tuple[int, int, int, str, Sequence[object]]) -> socket.socket:
        family, kind, protocol, _, target = found
        address = _parse_address(str(target[0]))
        is_proxy = (address, target[1]) in self._proxies
        if address is None or not (is_proxy or self.allows(address)):
            raise PermissionError(errno.EACCES, _not_public_message(str(target[0])))
        return socket.socket(family, kind, protocol)


class _Resolver(AbstractResolver):
    """Resolve names and report the addresses to the policy."""

    def __init__(self, policy: EgressPolicy) -> None:
        self._policy = policy
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve a name."""
        found = await self._resolver.resolve(host, port, family)
        self._policy.record_lookup(host, (result["host"] for result in found))
        return found

    async def close(self) -> None:
        """Close the resolver."""
        await self._resolver.close()


async def _resolve(host: str) -> list[Address]:
    """Return the addresses of a name; an empty list if only the proxy can resolve it."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [address for *_, where in found if (address := _parse_address(str(where[0])))]


def _parse_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _unwrap_ipv4(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address embeds, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64_NETWORK:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return inner or address
    return address


def _not_public_message(host: str) -> str:
    return (
        f"{host} is not a public address; to allow requests to it,"
        " list it in ULTRAVIOLET_ALLOWED_TARGETS"
    )
