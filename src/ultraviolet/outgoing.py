"""Outgoing HTTP requests: the proxy, and the maximum size of a response.

Every outgoing request of the hub, the client, the command line and the local ION uses these
functions, so that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` have the same effect everywhere; see
docs/operations.md.
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
"""Maximum size of a response after decompression."""
MAX_SMALL_ANSWER_BYTES = 1024 * 1024
"""The same for small responses, such as an access token."""
MAX_HUB_ANSWER_BYTES = 256 * 1024 * 1024
"""The same for responses of a hub, with up to 1,000 objects; exports are streamed."""
_PROXY_SCHEMES = ("http", "https")


class AnswerTooLargeError(UltravioletError):
    """A response exceeds the maximum size."""

    kind = "answer-too-large"
    status = 502
    exit_code = 7

    def __init__(self, max_bytes: int) -> None:
        """Set the limit."""
        super().__init__(f"the response is larger than {max_bytes / 1024 / 1024:g} MB")


def is_loopback(host: str) -> bool:
    """Return whether a host name or address is this machine's loopback."""
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
    """Return the proxy for a URL from the environment; None means a direct connection.

    Connections to loopback addresses and hosts in `NO_PROXY` are direct. Raise InvalidError for a
    proxy that is not an HTTP proxy.
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
            f"The proxy for {parts.scheme} has the scheme {urlsplit(proxy).scheme};"
            " only http and https proxies work."
            f" Change {parts.scheme.upper()}_PROXY, or add {parts.hostname} to NO_PROXY."
        )
    return proxy


def _is_exempt(host: str, port: int | None, no_proxy: str) -> bool:
    """Return whether `NO_PROXY` exempts a host by name, parent domain, address, network or `*`."""
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
        bare, _, entry_port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
        domain = bare.strip("[]").removeprefix("*").strip(".")
        if entry_port and entry_port != str(port):
            continue
        if domain and (name == domain or (address is None and name.endswith(f".{domain}"))):
            return True
    return False


def opener(url: str, context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """Return a urllib opener that uses the proxy for this URL only."""
    proxy = get_proxy(url)
    proxies = {urlsplit(url).scheme: proxy} if proxy else {}
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler(proxies)]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return urllib.request.build_opener(*handlers)


def read_file(answer: IO[bytes]) -> bytes:
    """Return the body of a urllib response; raise AnswerTooLargeError."""
    body = answer.read(MAX_ANSWER_BYTES + 1)
    if len(body) > MAX_ANSWER_BYTES:
        raise AnswerTooLargeError(MAX_ANSWER_BYTES)
    return body


async def read_body(response: "aiohttp.ClientResponse", max_bytes: int = MAX_ANSWER_BYTES) -> bytes:
    """Return the body of an aiohttp response; close it and raise AnswerTooLargeError."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > max_bytes:
            response.close()
            raise AnswerTooLargeError(max_bytes)
    return bytes(body)
