"""Outgoing HTTP requests: which proxy they use, and how much of an answer they read.

Every outgoing request of the hub, the client, the command line and the local ION uses these functions, so that
`HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` mean the same everywhere. docs/operations.md describes the behaviour.
"""

import ipaddress
import ssl
import urllib.request
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from ultraviolet.errors import InvalidError, UltravioletError

if TYPE_CHECKING:
    import aiohttp

MAX_ANSWER_BYTES = 32 * 1024 * 1024
"""Bytes of one answer that are read, counted after decompression."""
MAX_SMALL_ANSWER_BYTES = 1024 * 1024
"""The same for answers that are always small, such as an access token."""
MAX_HUB_ANSWER_BYTES = 256 * 1024 * 1024
"""The same for answers of a hub, whose pages hold up to a thousand objects; exports are not held in memory."""
_PROXY_SCHEMES = ("http", "https")


class AnswerTooLargeError(UltravioletError):
    """An answer is larger than this program reads."""

    kind = "answer-too-large"
    status = 502
    exit_code = 7

    def __init__(self, max_bytes: int) -> None:
        """State the limit."""
        super().__init__(
            f"the answer is larger than {max_bytes / 1024 / 1024:g} MB, so it was not read to its end"
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address means this machine."""
    name = host.strip("[]").rstrip(".").casefold()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def get_proxy(url: str) -> str | None:
    """Return the proxy for an address, as the environment names it; None means a direct connection.

    Loopback addresses and hosts in `NO_PROXY` are reached directly. Raises InvalidError for a proxy that does not
    speak HTTP.
    """
    parts = urlsplit(url)
    if not parts.hostname or is_loopback(parts.hostname):
        return None
    proxies = urllib.request.getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or _is_exempt(parts.hostname, parts.port, proxies.get("no", "")):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if urlsplit(proxy).scheme not in _PROXY_SCHEMES:
        raise InvalidError(
            f"The proxy for {parts.scheme} has the scheme {urlsplit(proxy).scheme}; only http and https proxies work. "
            f"Change {parts.scheme.upper()}_PROXY, or add {parts.hostname} to NO_PROXY."
        )
    return proxy


def _is_exempt(host: str, port: int | None, no_proxy: str) -> bool:
    """Return whether `NO_PROXY` names a host: by name, by a parent domain, by address, by network, or all by `*`."""
    name = host.casefold().rstrip(".")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        address = None
    for entry in (part.strip().casefold() for part in no_proxy.split(",")):
        if entry == "*":
            return True
        if address is not None and "/" in entry:
            try:
                if address in ipaddress.ip_network(entry, strict=False):
                    return True
            except ValueError:
                continue
        bare, _, its_port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        domain = bare.strip("[]").removeprefix("*").strip(".")
        if its_port and its_port != str(port):
            continue
        if domain and (name == domain or (address is None and name.endswith(f".{domain}"))):
            return True
    return False


def opener(url: str, context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """Return an opener of urllib that uses the proxy for this address and no other."""
    proxy = get_proxy(url)
    proxies = {urlsplit(url).scheme: proxy} if proxy else {}
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler(proxies)]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def read_file(answer: IO[bytes], max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
    """Read an answer of urllib; raises AnswerTooLargeError."""
    body = answer.read(max_bytes + 1)
    if len(body) > max_bytes:
        raise AnswerTooLargeError(max_bytes)
    return body


async def read_body(response: "aiohttp.ClientResponse", max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
    """Read an answer of aiohttp; raises AnswerTooLargeError, which closes the connection."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            response.close()
            raise AnswerTooLargeError(max_bytes)
    return bytes(body)
