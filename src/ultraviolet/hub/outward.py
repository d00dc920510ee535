"""Requests to addresses that people entered: only http and https, and into the network around the hub only where allowed."""

import ipaddress
import socket
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ultraviolet.errors import InvalidError


def check(address: str) -> None:
    """Raise InvalidError for an address that no request should go to, as far as its text tells."""
    try:
        parts = urlsplit(address)
        named = parts.hostname is not None and parts.port != 0
    except ValueError:
        parts, named = urlsplit(""), False
    if not named or parts.scheme not in ("http", "https"):
        raise InvalidError("The address begins with https:// or http:// and names a host")
    if parts.username or parts.password:
        raise InvalidError("The address has no name and password in it; use one with a token in its path")


class NotAllowedError(OSError):
    """It leads into a private network; set ULTRAVIOLET_PRIVATE_TARGETS=on where that is meant."""

    def __init__(self) -> None:
        super().__init__(" ".join((type(self).__doc__ or "").split()))


class PublicOnly(AbstractResolver):
    """Looks up names and leaves only addresses of the public internet, so that what was checked is what is called."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up; raises NotAllowedError where it is no public one."""
        found = [one for one in await self._resolver.resolve(host, port, family) if is_public(one["host"])]
        if not found:
            raise NotAllowedError
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Tell whether an address of the internet protocol is one of the public internet."""
    return ipaddress.ip_address(address.partition("%")[0]).is_global


def session(*, private: bool, timeout: float) -> aiohttp.ClientSession:
    """Open what requests go through; redirects are for the caller to refuse."""
    connector = None if private else aiohttp.TCPConnector(resolver=PublicOnly())
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=timeout))


def check_literal(address: str) -> None:
    """Raise NotAllowedError for a private address written as a number, which is never looked up."""
    host = urlsplit(address).hostname or ""
    try:
        public = is_public(host)
    except ValueError:
        return  # a name
    if not public:
        raise NotAllowedError
